"""The English of the page Lessons, without the lessons themselves."""

from __future__ import annotations

USE_BUTTONS = "Use the lesson's buttons to control the Lab."
EDITOR_EXAMPLE = """title = "My lesson"
goal = "You can say what τ does."
minutes = 5

[setup]
dataset = "digits"
task = "class"
classes = [3]

[prediction]
question = "What happens to the threes with τ = 100?"
choices = ["They are forgotten", "They stay"]
answer = 2
why = "Divided by 100, the push is nearly constant."

[[steps]]
title = "Play it"
text = '''
Play with **τ = 100** and look at the last curve.
'''
do = { label = "Reset with τ 100, play", begin = { tau = 100 }, play = "end" }
check = 'phase == "done" and tau >= 100 and train_f > 0.5'

[summary]
text = "A large τ is too gentle."
"""
WRITE = "Write a lesson"
WRITE_NOTE = "The text is checked when you leave the field. docs/lessons.md explains every key."
LESSON_TOML = "Lesson (TOML)"
FILE_NAME = "File name"
FILE_NAME_HELP = "Links to the lesson contain it"
TRY = "Try it here"
TRY_HELP = "Opens the lesson in this tab"
SAVE_FILE = "Save the file"
SAVE_FILE_HELP = "Put it into the folder lessons of LAF_HOME, or give it to `laf dashboard --lesson FILE`"
NO_FOLDER = "The file name must not contain a folder; use lower-case letters, digits and dashes."
NO_CHECK = "no check"
OPEN_CONTROLS = "open: students can use every control"
FIXED_CONTROLS = "fixed: students cannot change data and settings, except where a step needs it"
HIDDEN_CONTROLS = "hidden: students see only the lesson's own buttons"
INTRO = "Each lesson plays real runs beside a short text. You predict, play, answer and see whether you were right. Begin with lesson 1."
LOOK_AGAIN = "Look again"
GO_ON = "Go on"
BEGIN = "Begin"
WHO = "**Who you are**, if you hand in your work"
NUMBER = "Student number"
NUMBER_HELP = (
    "Your seed follows from it, so your runs differ from those of others. This browser keeps name and number"
)
NO_NUMBER = "Without a number the seed is 0."
FOR_TEACHERS = "For teachers"
LESSON = "Lesson"
CLASS_HELP = "Predictions are counted separately for each class"
CONTROLS = "Controls"
PRESENTER = "Presenter: large type, and the class's predictions"
PRESENTER_HELP = "To enlarge the map and the figures as well, press Ctrl and + in the browser"
LINK = "Link to this lesson"
MARKING = "The key: `laf lesson key`. Marking: `laf grade FOLDER`."
AS_ONE_FILE = "The lesson as one file that works offline, without a server"
OTHER_SEED = "Another seed gives another model and other numbers. The texts describe seed 0"
EXPORT_PAGE = "Export as web page"
EXPORT_PAGE_HELP = "Plays every step as a student would. This takes half a minute or more"
ALL_LESSONS = "All lessons"
BACK = "Back"
BACK_HELP = "The previous part (shift N)"
NEXT = "Next"
NEXT_HELP = "The next part (N)"
SKIP = "Skip"
SKIP_HELP = "Continue without passing; your submission records it"
BEGIN_AGAIN = "Begin again"
NEXT_LESSON = "Next lesson"
PREDICTION = "This is my prediction"
PREDICTION_HELP = "The first prediction counts"
SHOW_PREDICTIONS = "Show the class's predictions"
COUNT_ANEW = "Start counting again"
BUSY = "The Lab is busy. Wait, or pause the run"
DO_HELP = "Does this in the Lab (D)"
HINT = "Show a hint"
ANSWER = "Answer"
LOOK = "Look:"
YOU_PREDICT = "You predict:"
END_RETURNS = "The end of the lesson returns to it."
SEEN = "#### What you have seen"
TO_HAND_IN = "To hand this in, enter your name and number on the page of all lessons before you begin. The number determines your seed."
DOWNLOAD_SUBMISSION = "Download your submission (JSON)"
PREDICT_FIRST = "Make a prediction first"
ANSWER_FIRST = "Answer the question first"
CHECK_FIRST = "Pass the check first, or skip it"
WAITING_FOR_PAGE = "Waiting until another lesson page is finished"


def can_be_read(steps: int) -> str:
    """Say that a written lesson is valid."""
    return f"The lesson is valid: {steps} steps."


def left_out(problem: str) -> str:
    """Say that a lesson could not be read."""
    return f"A lesson was left out. {problem}"


def your_score(points: int, most: int, begun: int, done: int, lessons: int) -> str:
    """Return the student's points in all lessons."""
    return f"Your score: **{points} of {most} points** in {begun} lesson{'s' * (begun != 1)} that you began. You have finished {done} of {lessons}."


def begun(part: int, parts: int) -> str:
    """Return how far a lesson is."""
    return f"begun, part {part} of {parts} · "


def your_seed(seed: int) -> str:
    """Say what the student's seed changes."""
    return f"Your seed is {seed}. It gives another model and another map; the questions are the same."


def checks_fail(seed: int, steps: str) -> str:
    """Say which checks do not pass with another seed."""
    return f"With seed {seed} the check of step {steps} does not pass; the page says so."


def save(name: str, megabytes: float) -> str:
    """Return the label of the button that saves the page."""
    return f"Save {name} ({megabytes:.1f} MB)"


def goal(goal: str) -> str:
    """Return the line with the goal."""
    return f"**Goal.** {goal}"


def predict(question: str) -> str:
    """Return the line that asks for a prediction."""
    return f"**First, predict.** {question}"


def points(points: int, most: int) -> str:
    """Return the points of one lesson."""
    return f"Your score: {points} of {most} points"


def checks_passed(passed: int, checks: int) -> str:
    """Say how many checks passed, and where the other points come from."""
    return f"Your runs passed {passed} of {checks} checks. The other points are for correct answers."


def done(points: int, most: int) -> str:
    """Return the points of a finished lesson, before its length."""
    return f"done, {points} of {most} points · "


def length(minutes: int, steps: int) -> str:
    """Return how long a lesson is."""
    return f"about {minutes} minutes · {steps} steps"


def no_lesson(name: str) -> str:
    """Say that an address names a lesson that does not exist."""
    return f"There is no lesson {name}. Choose one of these."


def playing(step: str) -> str:
    """Say which step of a lesson is played."""
    return f"Playing {step}"
