"""Work that yields its Progress slice by slice and returns what it made: to be driven by a Runner, or at one go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from core.records import Progress

T = TypeVar("T")
Slices = Generator[Progress, None, T]


def drain(work: Generator[Progress, None, T], progress: Callable[[Progress], object] | None = None) -> T:
    """Do all of ``work`` now, telling ``progress`` of each slice; what it made."""
    while True:
        try:
            now = next(work)
        except StopIteration as end:
            made: T = end.value
            return made
        if progress is not None:
            progress(now)
