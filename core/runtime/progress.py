"""Progress reports, and work that runs in time slices.

Work is a generator. It yields a Progress after each slice and returns its result.
A Scheduler advances it slice by slice, or ``run_to_end`` runs all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.errors import RequestError
from core.runtime.bounds import quote_value

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Finished and total steps of one stage of work, and the time spent."""

    stage: str  # a key: "train", "vae", "vae_f", "unlearn", "retrain", "map"
    done: int
    total: int
    seconds: float = field(default=0.0, compare=False)  # spent in this stage so far
    curve: tuple[float, ...] = ()  # mean loss of each finished epoch; () for a stage without a loss

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate measured so far; None before the first step."""
        return self.seconds / self.done * (self.total - self.done) if self.done and self.seconds else None


Work = Generator[Progress, None, T]


def require_listener(progress: object) -> None:
    """Raise RequestError unless ``progress`` is None or can be called."""
    if progress is not None and not callable(progress):
        raise RequestError(f"progress must be a function that takes a Progress, got {quote_value(progress)}")


def run_to_end(work: Work[T], progress: Callable[[Progress], object] | None = None) -> T:
    """Run all slices of ``work`` and return its result. Call ``progress`` after each slice.

    Raises RequestError when ``progress`` is no function.
    """
    require_listener(progress)
    stepper = WorkStepper(work)
    while stepper.advance():
        if progress is not None and stepper.progress is not None:
            progress(stepper.progress)
    return stepper.result


def with_progress(work: Work[T], change: Callable[[Progress], Progress]) -> Work[T]:
    """Yield each Progress of ``work`` as ``change`` returns it, and return the result of ``work``."""
    stepper = WorkStepper(work)
    while stepper.advance():
        if stepper.progress is not None:
            yield change(stepper.progress)
    return stepper.result


class WorkStepper(Generic[T]):
    """Work that a caller advances slice by slice.

    ``progress`` is the last Progress, None before the first slice.
    ``result`` raises AttributeError until the work has ended.
    """

    result: T

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self.progress: Progress | None = None

    def advance(self) -> bool:
        """Run one slice; return False once the work has ended. Errors of the work pass through."""
        try:
            self.progress = next(self._work)
        except StopIteration as end:
            self.result = end.value
            return False
        return True
