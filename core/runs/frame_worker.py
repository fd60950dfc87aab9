"""Frames made beside a run: while it takes its next steps, another thread measures a copy of the model and places it on the map.

At most one model waits. What a run does when a second one is due says its EvalConfig: where each frame counts it waits, elsewhere it goes on
without that frame, so that being watched does not slow it down. Nor does it take a frame that is too dear: two cores share a memory and often more,
and steps beside work that never ends took a quarter longer (benchmarks/watched.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from core.runtime import device as compute
from core.runtime.scheduler import Scheduler

# what frames and maps may take of the time that passes, in cores, so that steps lose a tenth at most; by how many cores there are
_SHARES = {1: 0.1, 2: 0.5}


class FrameWorker:
    """One run's frames as a task of ``runner``; jobs are done one after another, in the order they were handed in.

    ``share``: seconds of work that each second may hold; default by the number of cores, without a limit from three on.
    """

    def __init__(self, runner: Scheduler, share: float | None = None) -> None:
        self._runner = runner
        self.share = _SHARES.get(compute.cores(), math.inf) if share is None else share
        self._free_at = 0.0
        self._lock = threading.Lock()
        self._waiting: Callable[[], None] | None = None
        self._busy = False

    def another(self) -> FrameWorker:
        """For another run, on the same runner."""
        return FrameWorker(self._runner, self.share)

    @property
    def is_full(self) -> bool:
        """Whether no job can be handed in now."""
        return self._waiting is not None

    @property
    def is_dear(self) -> bool:
        """Whether the work so far took more than its share of the time."""
        return time.monotonic() < self._free_at

    def charge(self, seconds: float) -> None:
        """Work of this length, wherever it was done, has just ended."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() - seconds) + seconds / self.share

    @property
    def pending(self) -> int:
        """Jobs that are not done, 0 to 2."""
        with self._lock:
            return int(self._busy) + (self._waiting is not None)

    def hand(self, job: Callable[[], None]) -> None:
        """Do ``job``, which raises nothing, beside whoever calls. Only while it is not full."""
        with self._lock:
            assert self._waiting is None
            self._waiting = job
        self._runner.submit(self)

    def tick(self) -> bool:
        """One job; whether there is another."""
        with self._lock:
            job, self._waiting = self._waiting, None
            self._busy = job is not None
        start = time.monotonic()
        try:
            if job is not None:
                job()
                self.charge(time.monotonic() - start)
        finally:
            with self._lock:
                self._busy = False
        return self._waiting is not None

    def settle(self, most_s: float = 5.0) -> None:
        """Wait until nothing is pending; what waits after ``most_s`` is dropped."""
        end = time.monotonic() + most_s
        while self.pending and time.monotonic() < end:
            time.sleep(0.001)
        self.drop()

    def drop(self) -> None:
        """Forget what waits; a job in progress ends by itself."""
        with self._lock:
            self._waiting = None


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """Compute on a stream of its own, after what was asked of ``device`` so far; nothing special but on CUDA."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    context: AbstractContextManager[object] = torch.cuda.stream(stream)
    return context
