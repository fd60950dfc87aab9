"""FrameWorker: makes frames beside a run, in another thread, while the run takes its next steps.

The worker measures a copy of the model and places it on the map. At most one model waits. When a second frame is due, the EvalConfig
decides: where each frame counts, the run waits; elsewhere it goes on without that frame. A run also skips a frame that costs too much,
since two cores share a memory: steps beside work without a pause took a quarter longer (benchmarks/watched.py).
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

# cores that frames and maps may use on average, by the number of cores, so that steps lose a tenth at most
_SHARES = {1: 0.1, 2: 0.5}


class FrameWorker:
    """Makes one run's frames as a task of ``runner``, one job after another.

    ``share``: seconds of work in each second; default by the number of cores, without a limit from three on.
    """

    def __init__(self, runner: Scheduler, share: float | None = None) -> None:
        self._runner = runner
        self.share = _SHARES.get(compute.usable_cores(), math.inf) if share is None else share
        self._free_at = 0.0
        self._lock = threading.Lock()
        self._waiting: Callable[[], None] | None = None
        self._busy = False

    def another(self) -> FrameWorker:
        """Return a FrameWorker for another run, on the same runner."""
        return FrameWorker(self._runner, self.share)

    @property
    def is_full(self) -> bool:
        """True if no job can be handed in now."""
        return self._waiting is not None

    @property
    def is_dear(self) -> bool:
        """True if the work so far took more than its share of the time."""
        return time.monotonic() < self._free_at

    def charge(self, seconds: float) -> None:
        """Count work of this length that has just ended, also of a follow map."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() - seconds) + seconds / self.share

    @property
    def pending(self) -> int:
        """Number of jobs that are not done, 0 to 2."""
        with self._lock:
            return int(self._busy) + (self._waiting is not None)

    def hand(self, job: Callable[[], None]) -> None:
        """Do ``job``, which raises nothing, in another thread. Only while it is not full."""
        with self._lock:
            assert self._waiting is None
            self._waiting = job
        self._runner.submit(self)

    def tick(self) -> bool:
        """Do one job; return whether there is another."""
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

    def settle(self, most_s: float = 5.0) -> bool:
        """Wait until nothing is pending; drop a job that still waits after ``most_s``, and return whether there was one."""
        end = time.monotonic() + most_s
        while self.pending and time.monotonic() < end:
            time.sleep(0.001)
        return self.drop()

    def drop(self) -> bool:
        """Drop the waiting job, and return whether there was one; a job in progress ends normally."""
        with self._lock:
            dropped, self._waiting = self._waiting is not None, None
        return dropped


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes on a separate CUDA stream after all work so far; on other devices it does nothing."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    context: AbstractContextManager[object] = torch.cuda.stream(stream)
    return context
