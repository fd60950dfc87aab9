"""Settings from the environment: the number of frames of a run, and of models that are retrained beside it."""

from __future__ import annotations

import os

from core.errors import RequestError

FRAMES, REFERENCES = "LAF_FRAMES", "LAF_REFERENCES"
_BOUNDS = {FRAMES: (1, 10_000), REFERENCES: (0, 50)}


def frames() -> int | None:
    """Return ``$LAF_FRAMES``, or None where it is not set. Raises RequestError when it is no whole number from 1 to 10,000."""
    return _whole(FRAMES)


def reference_count() -> int | None:
    """Return ``$LAF_REFERENCES``, or None where it is not set. Raises RequestError when it is no whole number from 0 to 50."""
    return _whole(REFERENCES)


def require_usable() -> None:
    """Raise RequestError, as ``frames`` and ``reference_count`` do, before anything reads them."""
    for variable in _BOUNDS:
        _whole(variable)


def _whole(variable: str) -> int | None:
    said = os.environ.get(variable, "").strip()
    if not said:
        return None
    least, most = _BOUNDS[variable]
    if not (said.isascii() and said.isdigit() and len(said) <= 6 and least <= int(said) <= most):
        shown = said if len(said) <= 20 else f"{said[:20]}…"
        raise RequestError(f"{variable} must be a whole number from {least:,} to {most:,}, not {shown!r}")
    return int(said)
