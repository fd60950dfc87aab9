"""Words that several pages show."""

from __future__ import annotations

CANCEL = "Cancel"
CLASS = "Class"
CLASSES = "Classes"
DATASET = "Dataset"
DELETE = "Delete"
DOWNLOAD = "Download"
EXPORT = "Export"
LOAD = "Load"
METHOD = "Method"
NAME = "Name"
ORIGINAL_IS_PREPARED = "The original model is still being prepared"
PAUSE_FIRST = "The run is playing; pause it first"
REMOVE = "Remove"
RETRAINED_MODELS = "Retrained models"
SEED = "Seed"
SEEDS = "Seeds"
SEEDS_HELP = "Ranges and commas, such as 0-2 or 1,5"
SETTINGS = "Settings"
SHARED = "Shared"
START = "Start"
STUDY = "Study"
TASK = "Task"
TITLE = "Title"
YOUR_DATA = "Your own data"
EXAMPLE_SET = "Make an example set"
EXAMPLE_SET_HELP = (
    "Plays one run on digits to its end and runs a study of eight runs. Nothing of yours is changed"
)
EXAMPLE_SET_TAKES = (
    "Takes about half a minute on two free cores. The run appears on *Runs*, the study on *Studies*."
)
EXAMPLE_SET_MADE = "The example set is ready: a run on *Runs*, and a study on *Studies*."
TRY_AGAIN = "Try again"
EXAMPLE_RUN = "Example: forget the zeros"  # the name of the kept run
EXAMPLE_STUDY = "Example: four temperatures"
PREPARING_EXAMPLE = "Preparing the example run"
PLAYING_EXAMPLE = "Playing the example run"
RETRAINING_FOR_EXAMPLE = "Retraining models to compare it with"
RUNNING_EXAMPLE_STUDY = "Running the example study"
EXAMPLE_TOO_SLOW = (
    "the example set took more than a quarter of an hour; try again when the machine is less busy"
)
ENDED_TOO_EARLY = "it ended too early"
EVIDENCE, LEARN, KEPT = "Evidence", "Learn", "Kept"  # groups of pages in the navigation
PAGES = {
    "lab": "Lab",
    "forget": "Forget set",
    "attack": "Attack",
    "compare": "Compare",
    "studies": "Studies",
    "judge": "Judge",
    "lessons": "Lessons",
    "guide": "Guide",
    "runs": "Runs",
    "audit": "Audit",
}


def all_attacks(sentence: str) -> str:
    """Return the line with the result of all attacks together."""
    return f"**All attacks together.** {sentence}"


def plugin_not_loaded(name: str, why: object) -> str:
    """Say that a method of another package could not be loaded."""
    return f"The method {name} of another package was not loaded: {why}"


def settings_were_found(reason: str) -> str:
    """Say how the automatic settings were found."""
    return f"Found without labels or retrained models: {reason}."


def example_set_failed(error: str) -> str:
    """Say why the example set was not made."""
    return f"The example set was not made. {error[:1].upper()}{error[1:]}"


def example_not_kept(why: str) -> str:
    """Say why the example run was not kept."""
    return f"the example run could not be kept: {why}"


def example_study_now(run: str | None) -> str:
    """Return which run of the example study plays."""
    return f"{RUNNING_EXAMPLE_STUDY}: {run or 'starting'}"
