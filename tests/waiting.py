"""The wait for a condition that another thread or process brings about."""

from __future__ import annotations

from collections.abc import Callable
from time import (  # by name, so that a test that replaces time.sleep does not change this wait
    monotonic,
    sleep,
)


def until(is_so: Callable[[], object], seconds: float = 120.0, *, pause: float = 0.02) -> None:
    """Wait until ``is_so`` returns something true. Raises AssertionError after ``seconds``; a busy machine is slow, not wrong."""
    end = monotonic() + seconds
    while not is_so():
        assert monotonic() < end, f"waited in vain for {seconds:g} s"
        sleep(pause)
