"""One tab's lesson: the step that it shows, the student's prediction and answers, and the checks that passed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import LabError, RequestError
from core.experiments.session.experiment import Experiment
from core.lessons import Lesson, Part, Tour
from core.lessons.assessment.progress import (
    Progress,
    finished,
    now,
    parse_class,
    read_progress,
    write_progress,
)
from core.lessons.assessment.students import MOST_NAME, MOST_NUMBER, read_student, write_student
from core.lessons.assessment.submission import Student, evidence, seed_of
from core.lessons.checks import Verdict
from core.lessons.schema import Action
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runtime.bounds import quote_value
from core.runtime.ownership import owner
from dashboard.presentation.text.pages import lessons as say
from dashboard.session.jobs.lesson_export import LessonExportJob

CONTROLS = ("open", "fixed", "hidden")  # of a link


@dataclass(frozen=True)
class LessonLink:
    """The parts of a teacher's link.

    With controls "fixed", a student cannot change data and settings. With "hidden", the page has only the lesson's buttons.
    """

    lesson: str | None = None
    group: str | None = None
    controls: str = "open"
    present: bool = False
    student: str = ""  # the student's number; the seed follows from it and must survive a reload

    @classmethod
    def of(cls, found: Mapping[str, str]) -> LessonLink:
        """Read the parameters of an address; leave out what is not understood."""
        controls = found.get("controls", "fixed" if found.get("fixed") == "1" else "open")
        return cls(
            found.get("lesson") or None,
            found.get("class") or None,
            controls if controls in CONTROLS else "open",
            found.get("present") == "1",
            found.get("student", "")[:40],
        )

    def words(self) -> dict[str, str]:
        """Return the parameters of the address."""
        found = {}
        if self.lesson is not None:
            found["lesson"] = self.lesson
        if self.group is not None:
            found["class"] = self.group
        if self.controls != "open":
            found["controls"] = self.controls
        if self.present:
            found["present"] = "1"
        if self.student:
            found["student"] = self.student
        return found


class LessonSession:
    """One tab's progress through the lessons.

    ``experiment`` returns the tab's experiment. ``change`` opens a setup and returns a sentence that says why not, or None.
    """

    def __init__(
        self, experiment: Callable[[], Experiment], change: Callable[[Setup], str | None], browser: str
    ) -> None:
        self._experiment = experiment
        self.browser = owner(browser)
        self.link = LessonLink()
        self.lessons: Sequence[Lesson] = ()  # all, in their order
        self.lesson: Lesson | None = None
        self.progress = Progress()
        self.who = Student("", "", "")
        self.problem: str | None = None  # shown until the student's next move
        self.arrived = False  # whether the address was read
        self.replaying: LessonExportJob | None = None  # the page that a teacher asked for last
        self.tour = Tour(experiment, change)
        self._facts: tuple[object, dict[str, Any]] | None = None  # what they depend on, and the facts

    def arrive(self, found: Mapping[str, str], lessons: Sequence[Lesson]) -> None:
        """Read the address on the first call, and open the lesson that it names by id or number."""
        self.lessons = lessons
        if self.arrived:
            return
        self.arrived = True
        self.link = LessonLink.of(found)
        self._meet()
        wanted = self.link.lesson
        if wanted is None:
            return
        named = next((x for x in lessons if wanted in (x.id, str(x.number))), None)
        if named is None:
            self.problem = say.no_lesson(quote_value(wanted))
            self.link = replace(self.link, lesson=None)
        else:
            self.enter(named)

    def enter(self, lesson: Lesson) -> None:
        """Open ``lesson`` at the step where this browser left it, and its data in the Lab."""
        self.lesson, self.problem = lesson, None
        self.link = replace(self.link, lesson=lesson.id)
        self.tour.stop()
        self.progress = read_progress(lesson, self.browser, self.group)
        self._open_data()

    def leave(self) -> None:
        """Return to the list of lessons; the run in the Lab stays."""
        self.tour.stop()
        self.lesson = None
        self.link = replace(self.link, lesson=None)

    def called(self, name: str, number: str) -> None:
        """Set the student's name and number; the number determines the seed."""
        seed = seed_of(self.who.number)
        self.who = Student(name.strip()[:MOST_NAME], number.strip()[:MOST_NUMBER], self.link.group or "")
        self.link = replace(self.link, student=self.who.number)
        try:
            write_student(self.browser, self.who)
        except LabError as error:
            self.problem = str(error)
        if self.lesson is not None and seed_of(number) != seed:
            self._open_data()

    def _meet(self) -> None:
        """Take the student that this browser keeps. A number in the address wins: without a file it is the student's only trace."""
        try:
            self.who = read_student(self.browser, self.link.group or "")
        except LabError:  # a tab without a browser's token keeps nothing
            self.who = Student("", "", self.link.group or "")
        if self.link.student and self.link.student != self.who.number:
            self.who = Student("", self.link.student, self.link.group or "")
        self.link = replace(self.link, student=self.who.number)

    @property
    def group(self) -> str:
        """The class in which predictions are counted."""
        try:
            return parse_class(self.link.group)
        except RequestError:
            return parse_class(None)

    @property
    def seed(self) -> int:
        """The seed of the lesson's runs, which the student's number decides."""
        return seed_of(self.who.number)

    @property
    def part(self) -> Part | None:
        """The step that the page shows; None on the lesson's first and last page."""
        at = self.progress.at
        assert self.lesson is not None
        return self.lesson.parts[at - 1] if 1 <= at <= len(self.lesson.parts) else None

    def predict(self, choice: int) -> None:
        """Record the prediction, from 1; only the first one counts."""
        if self.progress.prediction is None:
            self._keep(replace(self.progress, prediction=choice, predicted=now()))

    def answer(self, choice: int) -> None:
        """Record the answer to this step's question, from 1; only the first one counts."""
        key = str(self.progress.at)
        if key not in self.progress.answers:
            self._keep(replace(self.progress, answers={**self.progress.answers, key: choice}))

    def turn(self, by: int) -> None:
        """Go ``by`` pages forward, or back if negative."""
        assert self.lesson is not None
        self.problem = None
        at = max(0, min(len(self.lesson.parts) + 1, self.progress.at + by))
        self._keep(self.progress.moved(at))

    def begin_again(self) -> None:
        """Return to the lesson's first page; prediction and answers stay, since only the first ones count."""
        self._keep(replace(self.progress, at=0))

    @property
    def held(self) -> str | None:
        """The reason why the student cannot go to the next page yet; None if possible."""
        at, part = self.progress.at, self.part
        if at == 0 and self.progress.prediction is None:
            return say.PREDICT_FIRST
        if part is None:
            return None
        if part.question is not None and str(at) not in self.progress.answers:
            return say.ANSWER_FIRST
        if part.check is not None and str(at) not in self.progress.passed:
            return say.CHECK_FIRST
        return None

    @property
    def following(self) -> Lesson | None:
        """The lesson after the open one; None after the last."""
        ids = [x.id for x in self.lessons]
        after = (
            ids.index(self.lesson.id) + 1 if self.lesson is not None and self.lesson.id in ids else len(ids)
        )
        return self.lessons[after] if after < len(ids) else None

    @property
    def finished(self) -> bool:
        """True if a lesson is open and all its steps are done."""
        return self.lesson is not None and finished(self.lesson, self.progress)

    def do(self) -> None:
        """Start this step's moves in the Lab."""
        part = self.part
        assert self.lesson is not None
        if part is not None and part.do is not None:
            self.problem = None
            self.tour.begin(self.lesson.setup_at(self.progress.at, self.seed), part.do)
            self.problem = self.tour.problem

    def go_on(self) -> bool:
        """Make the moves that are due, and return whether there were any. The page calls this each time it is drawn."""
        made = self.tour.go_on()
        self.problem = self.tour.problem or self.problem
        return made

    def look(self) -> Verdict | None:
        """Return the verdict of this step's check on the run, or None if the step has no check.

        A check that passed stays passed.
        """
        part, e = self.part, self._experiment()
        if part is None or part.check is None:
            return None
        facts = self.facts()
        verdict = part.check.verdict(facts)
        key = str(self.progress.at)
        # While a run plays, the facts are those of before.
        is_current = not self.tour.busy and e.phase is not Phase.RUNNING
        if verdict.passed and is_current and key not in self.progress.passed:
            assert e.run is not None
            shown = evidence(e.run, e.setup, part.check.text, verdict, e.fork_run)
            self._keep(replace(self.progress, passed={**self.progress.passed, key: shown}))
        return verdict

    def facts(self) -> dict[str, Any]:
        """Return the facts of the run. They are computed again only when the run has changed, and not while it plays."""
        e = self._experiment()
        key = (
            weakref.ref(e),
            e.life,
            e.forks,
            e.revision,
            None if e.run is None else (len(e.run.steps), len(e.run.frames), e.run.phase),
            None if e.fork_run is None else (len(e.fork_run.steps), len(e.fork_run.frames), e.fork_run.phase),
            tuple(self.tour.measured.items()),
        )
        if self._facts is None or (self._facts[0] != key and e.phase is not Phase.RUNNING):
            self._facts = (key, self.tour.facts())
        return self._facts[1]

    def _open_data(self) -> None:
        assert self.lesson is not None
        self.tour.measured = {}
        self.tour.begin(self.lesson.setup_for(self.seed), Action("open"))
        self.problem = self.tour.problem

    def _keep(self, progress: Progress) -> None:
        """Show ``progress`` and write it to disk for a reload. If writing fails, the lesson goes on and shows the problem."""
        assert self.lesson is not None
        self.progress = progress
        try:
            write_progress(self.lesson, self.browser, progress, self.group)
        except LabError as error:
            self.problem = str(error)
