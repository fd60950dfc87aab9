"""Background jobs of one browser tab, which a page starts and then polls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Generic, Protocol, TypeVar

from core.errors import LabError
from core.runtime.progress import Progress, Work, WorkStepper
from core.runtime.scheduler import SlicedTask

Result = TypeVar("Result")


class TaskScheduler(Protocol):
    """The part of a Scheduler that a job needs."""

    def submit(self, task: SlicedTask) -> None:
        """Run ``task`` in slices until it ends."""
        ...

    def discard(self, task: SlicedTask) -> None:
        """Give ``task`` no further slice."""
        ...


class OwnThread:
    """A scheduler that gives each task a thread of its own, for work whose slices take long."""

    def submit(self, task: SlicedTask) -> None:
        """Run ``task`` to its end in a new thread."""

        def run() -> None:
            while task.tick():
                pass

        threading.Thread(target=run, name="job", daemon=True).start()

    def discard(self, task: SlicedTask) -> None:
        """Do nothing: a slice that waits for other threads cannot be stopped."""


class BackgroundJob(Generic[Result]):
    """Work that a scheduler's threads advance slice by slice.

    ``progress`` is the last Progress of running work. ``result`` is set when the work has ended, ``error`` when it has failed.
    Work that was stopped or replaced changes none of them.
    """

    def __init__(self, scheduler: TaskScheduler) -> None:
        self._scheduler = scheduler
        self._task: SlicedTask | None = None
        self._number = 0  # of the last start or stop; work of an earlier number is out of date
        self._reset()

    def _reset(self) -> None:
        """Forget everything that earlier work found."""
        self.result: Result | None = None
        self.progress: Progress | None = None
        self.error: str | None = None

    @property
    def busy(self) -> bool:
        """True if work is in progress."""
        return self._task is not None and self._task.alive

    def start(self, work: Work[Result], *, keep_result: bool = False) -> None:
        """Stop the current work and begin ``work``. With ``keep_result`` the last result stays until there is a new one."""
        self.stop()
        self.error = None
        if not keep_result:
            self.result = None
        self._task = SlicedTask(self._advance(work, self._number), partial(self._fail, self._number))
        self._scheduler.submit(self._task)

    def stop(self) -> None:
        """Stop the current work. A slice in progress ends by itself, and its outcome is ignored."""
        self._number += 1
        if self._task is not None:
            self._scheduler.discard(self._task)
        self._task, self.progress = None, None

    def close(self) -> None:
        """Stop the work and forget everything that it found."""
        self.stop()
        self._reset()

    def _advance(self, work: Work[Result], number: int) -> Iterator[None]:
        stepper = WorkStepper(work)
        while stepper.advance():
            if number != self._number:
                return
            self.progress = stepper.progress
            yield
        if number == self._number:
            self.result, self.progress = stepper.result, None

    def _fail(self, number: int, error: LabError) -> None:
        if number == self._number:
            self.error, self.progress = str(error), None
