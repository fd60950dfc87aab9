"""Waits for conditions that other threads or processes bring about."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep  # by name: a test that replaces time.sleep changes no wait
from typing import Any


def until(is_so: Callable[[], object], seconds: float = 120.0, *, pause: float = 0.02) -> None:
    """Wait until ``is_so`` returns something true. Raises AssertionError after ``seconds``; a busy machine is slow, not wrong."""
    end = monotonic() + seconds
    while not is_so():
        assert monotonic() < end, f"waited in vain for {seconds:g} s"
        sleep(pause)


def until_prepared(experiment: Any) -> None:
    """Wait until ``experiment`` has its run. Raises AssertionError when the preparation fails."""
    until(lambda: experiment.run is not None or experiment.error)
    assert experiment.error is None, experiment.error
