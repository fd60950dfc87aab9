"""Lessons made into pages that need no server, as the Lessons page asks for them: one at a time in the whole process; no screen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from core.errors import LabError
from core.lessons import Lesson
from core.lessons.replay import play_lesson
from core.projection.projection import UmapBackend
from core.runtime.scheduler import Scheduler
from dashboard.presentation.export.lesson_page import document

KEPT = 4  # pages of up to 8 MB each, for the next who asks for the same lesson and seed

_one = threading.Lock()
_pages: OrderedDict[tuple[str, int], LessonExportJob] = OrderedDict()


@dataclass
class LessonExportJob:
    """A lesson that is being played into a page; whoever shows it polls the attributes."""

    lesson: Lesson
    seed: int
    said: str = "It waits for another page that is being made"
    share: float = 0.0  # of its steps that were begun
    page: str | None = None
    failed: tuple[int, ...] = ()  # steps whose check does not pass with this seed
    error: str | None = None

    @property
    def busy(self) -> bool:
        return self.page is None and self.error is None

    @property
    def file_name(self) -> str:
        return f"lesson-{self.lesson.id}{f'-seed-{self.seed}' if self.seed else ''}.html"

    def _work(self, umap: UmapBackend, runner: Scheduler, maps: Scheduler, data_dir: str | None) -> None:
        def tell(text: str) -> None:
            self.said, self.share = f"Playing {text}", begun[0] / len(self.lesson.parts)
            begun[0] += 1

        begun = [0]
        with _one:
            try:
                replay = play_lesson(
                    self.lesson,
                    seed=self.seed,
                    umap=umap,
                    data_dir=data_dir,
                    runner=runner,
                    maps=maps,
                    tell=tell,
                )
                self.failed = replay.failed
                self.page = document(replay)
            except LabError as error:
                self.error = str(error)
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}".splitlines()[0]
        if self.error is not None:
            _pages.pop((self.lesson.digest, self.seed), None)


def replaying(
    lesson: Lesson,
    seed: int,
    umap: UmapBackend,
    runner: Scheduler,
    maps: Scheduler,
    data_dir: str | None = None,
) -> LessonExportJob:
    """The page of ``lesson`` played with ``seed``: one that is kept or being made, or a new one, begun in a thread of its own."""
    seed = seed if lesson.own_seed else lesson.setup.seed
    key = (lesson.digest, seed)
    found = _pages.get(key)
    if found is None:
        found = _pages[key] = LessonExportJob(lesson, seed)
        while len(_pages) > KEPT:
            _pages.popitem(last=False)
        work = threading.Thread(
            target=found._work, args=(umap, runner, maps, data_dir), name="replay", daemon=True
        )
        work.start()
    return found
