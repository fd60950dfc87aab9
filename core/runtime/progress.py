"""Work that yields its Progress slice by slice and returns what it made: to be driven by a Runner, or at one go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far one stage of work is."""

    stage: str  # a key: "train", "vae", "vae_f", "unlearn", "retrain", "map"
    done: int
    total: int
    seconds: float = field(default=0.0, compare=False)  # spent in this stage so far
    curve: tuple[float, ...] = ()  # mean loss of each epoch that is over, where the stage has one

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate measured so far; None before there is one."""
        return self.seconds / self.done * (self.total - self.done) if self.done and self.seconds else None


Work = Generator[Progress, None, T]


def run_to_end(work: Generator[Progress, None, T], progress: Callable[[Progress], object] | None = None) -> T:
    """Do all of ``work`` now, telling ``progress`` of each slice; what it made."""
    while True:
        try:
            now = next(work)
        except StopIteration as end:
            made: T = end.value
            return made
        if progress is not None:
            progress(now)
