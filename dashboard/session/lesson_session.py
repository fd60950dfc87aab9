"""The lesson that one browser tab is in: which part is shown, what was predicted and answered, which checks passed; no screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.errors import LabError, RequestError
from core.lessons import Lesson, Part, Tour
from core.lessons.assessment.progress import (
    Progress,
    class_named,
    finished,
    now,
    read_progress,
    write_progress,
)
from core.lessons.assessment.submission import Student, evidence, seed_of
from core.lessons.checks import Verdict
from core.lessons.schema import Action
from core.runs.records import Phase
from core.runtime.bounds import quoted
from core.runtime.ownership import owner

if TYPE_CHECKING:
    from dashboard.session.jobs.lesson_export import LessonExportJob
    from dashboard.session.lab import Lab

CONTROLS = ("open", "fixed", "hidden")


@dataclass(frozen=True)
class LessonLink:
    """What a teacher's link asks for. Controls "fixed": data and settings stand; "hidden": only the lesson's buttons are there."""

    lesson: str | None = None
    group: str | None = None
    controls: str = "open"
    present: bool = False
    student: str = ""  # number, so that a reload keeps the seed

    @classmethod
    def of(cls, found: Mapping[str, str]) -> LessonLink:
        """From the words of an address; whatever is not understood is left out."""
        controls = found.get("controls", "fixed" if found.get("fixed") == "1" else "open")
        return cls(
            found.get("lesson") or None,
            found.get("class") or None,
            controls if controls in CONTROLS else "open",
            found.get("present") == "1",
            found.get("student", "")[:40],
        )

    def words(self) -> dict[str, str]:
        """As an address says it."""
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
    """One tab's way through the lessons."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.link = LessonLink()
        self.lesson: Lesson | None = None
        self.progress = Progress()
        self.who = Student("", "", "")
        self.problem: str | None = None  # said until the next move
        self.arrived = False  # whether the address was read
        self.replaying: LessonExportJob | None = None  # the page that a teacher asked for last
        self.tour = Tour(lambda: lab.experiment, lab.change)
        self._facts: tuple[object, dict[str, Any]] | None = None

    # which lesson

    def arrive(self, found: Mapping[str, str], lessons: Sequence[Lesson]) -> None:
        """Read the address, once: whose link it is, and which lesson it opens, by name or number."""
        if self.arrived:
            return
        self.arrived = True
        self.link = LessonLink.of(found)
        self.who = Student("", self.link.student, self.link.group or "")
        wanted = self.link.lesson
        if wanted is None:
            return
        named = next((x for x in lessons if wanted in (x.id, str(x.number))), None)
        if named is None:
            self.problem = f"There is no lesson {quoted(wanted)} here; these there are."
            self.link = replace(self.link, lesson=None)
        else:
            self.enter(named)

    def enter(self, lesson: Lesson) -> None:
        """Open ``lesson`` where this browser was in it; the Lab opens its data."""
        self.lesson, self.problem = lesson, None
        self.link = replace(self.link, lesson=lesson.id)
        self.tour.stop()
        self.progress = read_progress(lesson, self.browser, self.group)
        self._open_data()

    def leave(self) -> None:
        """Back to the list; the Lab keeps what it plays."""
        self.tour.stop()
        self.lesson = None
        self.link = replace(self.link, lesson=None)

    def called(self, name: str, number: str) -> None:
        """Who it is; the number decides the seed."""
        seed = seed_of(self.who.number)
        self.who = Student(name.strip()[:80], number.strip()[:40], self.link.group or "")
        self.link = replace(self.link, student=self.who.number)
        if self.lesson is not None and seed_of(number) != seed:
            self._open_data()

    @property
    def group(self) -> str:
        """The class that predictions are counted in."""
        try:
            return class_named(self.link.group)
        except RequestError:
            return class_named(None)

    @property
    def seed(self) -> int:
        return seed_of(self.who.number)

    # parts

    @property
    def part(self) -> Part | None:
        """The step that is shown; None on the first page and on the last."""
        at = self.progress.at
        assert self.lesson is not None
        return self.lesson.parts[at - 1] if 1 <= at <= len(self.lesson.parts) else None

    def predict(self, choice: int) -> None:
        """The prediction, from 1; the first one counts."""
        if self.progress.prediction is None:
            self._keep(replace(self.progress, prediction=choice, predicted=now()))

    def answer(self, choice: int) -> None:
        """The answer to this step's question; the first one counts."""
        key = str(self.progress.at)
        if key not in self.progress.answers:
            self._keep(replace(self.progress, answers={**self.progress.answers, key: choice}))

    def turn(self, by: int) -> None:
        """On to the next part, or back."""
        assert self.lesson is not None
        self.problem = None
        at = max(0, min(len(self.lesson.parts) + 1, self.progress.at + by))
        self._keep(self.progress.moved(at))

    def begin_again(self) -> None:
        """The lesson from its first page; prediction and answers stay, since the first ones count."""
        self._keep(replace(self.progress, at=0))

    @property
    def held(self) -> str | None:
        """Why one cannot go on yet; None where one can."""
        at, part = self.progress.at, self.part
        if at == 0 and self.progress.prediction is None:
            return "Make a prediction first"
        if part is None:
            return None
        if part.question is not None and str(at) not in self.progress.answers:
            return "Answer the question first"
        if part.check is not None and str(at) not in self.progress.passed:
            return "The check must pass first; or skip it"
        return None

    @property
    def finished(self) -> bool:
        return self.lesson is not None and finished(self.lesson, self.progress)

    # the Lab

    def do(self) -> None:
        """Make this step's moves in the Lab."""
        part = self.part
        assert self.lesson is not None
        if part is not None and part.do is not None:
            self.problem = None
            self.tour.begin(self.lesson.setup_at(self.progress.at, self.seed), part.do)
            self.problem = self.tour.problem

    def go_on(self) -> bool:
        """Make the moves that wait; whether any was made. Called at each drawing of the page."""
        made = self.tour.go_on()
        self.problem = self.tour.problem or self.problem
        return made

    def look(self) -> Verdict | None:
        """What the check of this step says of the run; remembered once it passed. None without one, or while it plays."""
        part, lab = self.part, self._lab
        if part is None or part.check is None:
            return None
        facts = self.facts()
        verdict = part.check.verdict(facts)
        key = str(self.progress.at)
        still = (
            not self.tour.busy and lab.phase is not Phase.RUNNING
        )  # what is known of a run that plays is of before
        if verdict.passed and still and key not in self.progress.passed:
            e = lab.experiment
            assert e.run is not None
            shown = evidence(e.run, e.setup, part.check.text, verdict, e.fork_run)
            self._keep(replace(self.progress, passed={**self.progress.passed, key: shown}))
        return verdict

    def facts(self) -> dict[str, Any]:
        """Of the run, worked out anew only when there is more to see; as they were while it plays."""
        e = self._lab.experiment
        key = (
            self._lab.token,
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

    # inside

    @property
    def browser(self) -> str:
        return owner(self._lab.browser or "")

    def _open_data(self) -> None:
        assert self.lesson is not None
        self.tour.measured = {}
        self.tour.begin(self.lesson.setup_for(self.seed), Action("open"))
        self.problem = self.tour.problem

    def _keep(self, progress: Progress) -> None:
        """Shown, and on disk so that a reload finds it; a disk that is full is told and stops nobody."""
        assert self.lesson is not None
        self.progress = progress
        try:
            write_progress(self.lesson, self.browser, progress, self.group)
        except LabError as error:
            self.problem = str(error)
