"""Types of the command line's numeric options; each names the valid range in its error."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

SEED = 2**31 - 1  # the largest seed: MOST_SEED of core.runs.setup, which imports torch
WORKERS = 1024  # the most threads or processes
PIXELS = 1024  # the largest side that --resize scales an image to


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        plain = text.strip()
        if re.fullmatch("[0-9]{1,30}", plain) and low <= int(plain) <= high:
            return int(plain)
        raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {_quoted(text)}")

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return the type of an option that takes seconds from ``low`` to ``high``."""

    def read(text: str) -> float:
        value = _number(text)
        if low <= value <= high:
            return value
        raise argparse.ArgumentTypeError(f"must be seconds from {low:g} to {high:g}, got {_quoted(text)}")

    return read


def share(text: str) -> float:
    """Read a share above 0 and up to 1."""
    value = _number(text)
    if 0 < value <= 1:
        return value
    raise argparse.ArgumentTypeError(f"must lie above 0 and be at most 1, got {_quoted(text)}")


def fraction(text: str) -> float:
    """Read a share between 0 and 1, both excluded."""
    value = _number(text)
    if 0 < value < 1:
        return value
    raise argparse.ArgumentTypeError(f"must lie between 0 and 1, both excluded, got {_quoted(text)}")


def _number(text: str) -> float:
    """Return the number in ``text``; a value outside every range where there is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
