"""The job that plays a lesson and writes it as one web page, for the page Lessons; one job at a time in the whole process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from core.errors import LabError
from core.lessons import Lesson
from core.lessons.replay import Replay, play_lesson
from core.projection.projection import UmapBackend
from core.runtime.progress import Progress, Work
from core.runtime.scheduler import Scheduler
from dashboard.presentation.export.lesson_page import document
from dashboard.presentation.text.pages import lessons as say
from dashboard.session.jobs.base import BackgroundJob, OwnThread

KEPT = 4  # pages of up to 8 MB each, for further requests for the same lesson and seed

_one_at_a_time = threading.Lock()
_jobs: OrderedDict[tuple[str, int], LessonExportJob] = OrderedDict()


class LessonExportJob(BackgroundJob[str]):
    """A lesson that is played into a page. The work waits for runs, so it needs a thread of its own."""

    def __init__(self, lesson: Lesson, seed: int) -> None:
        super().__init__(OwnThread())
        self.lesson = lesson
        self.seed = seed
        self.said = say.WAITING_FOR_PAGE
        self.share = 0.0  # of the lesson's steps that have ended
        self.failed: tuple[int, ...] = ()  # steps whose check does not pass with this seed
        self._begun = 0  # steps

    @property
    def page(self) -> str | None:
        """The page as HTML; None until it is finished."""
        return self.result

    @property
    def file_name(self) -> str:
        """The name of the exported file, with the seed unless it is 0."""
        return f"lesson-{self.lesson.id}{f'-seed-{self.seed}' if self.seed else ''}.html"

    def export(self, play: Callable[[Callable[[str], None]], Replay]) -> None:
        """Start to play the lesson; ``play`` reports each step to the function that it is given."""
        self.start(self._export(play))

    def _export(self, play: Callable[[Callable[[str], None]], Replay]) -> Work[str]:
        yield Progress("lesson", 0, len(self.lesson.parts))
        with _one_at_a_time:
            replay = play(self._tell)
            self.failed = replay.failed
            return document(replay)

    def _tell(self, step: str) -> None:
        self.said, self.share = say.playing(step), self._begun / len(self.lesson.parts)
        self._begun += 1

    def _fail(self, number: int, error: LabError) -> None:
        super()._fail(number, error)
        _jobs.pop((self.lesson.digest, self.seed), None)  # the next request tries again


def export_job_of(
    lesson: Lesson,
    seed: int,
    umap: UmapBackend,
    runner: Scheduler,
    maps: Scheduler,
    data_dir: str | None = None,
) -> LessonExportJob:
    """Return the job that plays ``lesson`` with ``seed``: a kept one, or a new one that this call starts."""
    seed = seed if lesson.own_seed else lesson.setup.seed
    key = (lesson.digest, seed)
    found = _jobs.get(key)
    if found is not None:
        return found

    def play(tell: Callable[[str], None]) -> Replay:
        return play_lesson(
            lesson, seed=seed, umap=umap, data_dir=data_dir, runner=runner, maps=maps, tell=tell
        )

    job = _jobs[key] = LessonExportJob(lesson, seed)
    while len(_jobs) > KEPT:
        _jobs.popitem(last=False)
    job.export(play)
    return job
