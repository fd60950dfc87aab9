"""BackgroundTasks: what one Experiment has the Scheduler do, and how far each stage of it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from core.errors import LabError
from core.experiments.session.run_task import RunTask
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler, SlicedTask

Failed: TypeAlias = Callable[[LabError], None]


class BackgroundTasks:
    """The tasks of one Experiment. Tasks that wait for UMAP have threads of their own, so that they hold up no run."""

    def __init__(self, runner: Scheduler, map_runner: Scheduler | None = None) -> None:
        self.runner = runner
        self.map_runner = map_runner  # None: ``runner``
        self.work: dict[str, Progress] = {}  # by stage, while it is being done
        self.closed = False
        self._tasks: list[SlicedTask | RunTask] = []

    def give(self, task: SlicedTask | RunTask) -> None:
        """Hand ``task`` to the Scheduler."""
        self._submit(task, self.runner)

    def give_slices(self, slices: Iterator[object], failed: Failed, weight: float = 1.0) -> SlicedTask:
        """Hand over work in slices, and return its task; ``failed`` is called with the error that ended it."""
        task = SlicedTask(slices, failed, weight)
        self.give(task)
        return task

    def give_map_slices(self, slices: Iterator[object], failed: Failed) -> SlicedTask:
        """Hand over work that waits for UMAP, and return its task."""
        task = SlicedTask(slices, failed)
        self._submit(task, self.map_runner)
        return task

    def close(self) -> None:
        """Stop all tasks at the end of the slices in progress."""
        self.closed = True
        for task in self._tasks:
            for runner in (self.runner, self.map_runner):
                if runner is not None:
                    runner.discard(task)
        self._tasks.clear()

    def _submit(self, task: SlicedTask | RunTask, runner: Scheduler | None) -> None:
        runner = self.runner if runner is None else runner  # not `or`: an idle Scheduler has length 0
        kept = [t for t in self._tasks if t is not task and getattr(t, "alive", True)]
        self._tasks = [*kept, task]
        runner.submit(task)
        if self.closed:  # another thread may have closed it just now
            runner.discard(task)
