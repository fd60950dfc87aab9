"""The options of `laf dashboard --classroom`, and the checks and texts that follow from them."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from core.errors import RequestError
from dashboard.presentation.text import numbers
from dashboard.presentation.text.pages.lab import classroom as say

if TYPE_CHECKING:  # `laf --help` must not import torch
    from core.experiments.session.limits import SessionLimits
    from core.experiments.session.turn_queue import QueuePosition

# Options of the command line: field of SessionLimits, placeholder, type.
OPTIONS = {
    "--players": ("players", "N", numbers.whole(1, 1024)),
    "--turn": ("turn_s", "S", numbers.seconds(1, 86_400)),
    "--keep-runs": ("runs", "N", numbers.whole(0, 1_000_000)),
    "--upload-mb": ("upload_mb", "MB", numbers.whole(1, 10_000)),
    "--session-mb": ("session_mb", "MB", numbers.whole(8, 1_000_000)),
    "--run-mb": ("run_mb", "MB", numbers.whole(64, 1_000_000)),
    "--sessions": ("sessions", "N", numbers.whole(1, 10_000)),
    "--datasets": ("datasets", "N", numbers.whole(0, 1_000_000)),
    "--models": ("models", "N", numbers.whole(0, 1_000_000)),
    "--disk-mb": ("disk_mb", "MB", numbers.whole(1, 100_000_000)),
}
# For hosts that set no command line: "1", or options such as "--players 1 --session-mb 64".
VARIABLE = "LAF_CLASSROOM"

_begun: SessionLimits | None = None  # the limits of this process


def add(page: argparse.ArgumentParser) -> None:
    """Add the classroom's options to those of `laf dashboard`."""
    page.add_argument("--classroom", action="store_true", help=say.CLASSROOM_HELP)
    for option, (field, unit, kind) in OPTIONS.items():
        page.add_argument(
            option,
            dest=field,
            type=kind,
            default=None,
            metavar=unit,
            help=say.option_help(say.HELPS[field]),
        )


def read(a: argparse.Namespace) -> SessionLimits | None:
    """Return the limits that the options set, or None. Raises RequestError for a limit without --classroom."""
    given = {field: getattr(a, field) for field, *_ in OPTIONS.values() if getattr(a, field) is not None}
    if not a.classroom:
        if given:
            name = next(option for option, (field, *_) in OPTIONS.items() if field in given)
            raise RequestError(say.only_with_classroom(name))
        return None
    from core.experiments.session.limits import SessionLimits

    return SessionLimits(**given)


def begin(limits: SessionLimits | None) -> None:
    """Put all pages of the process into this classroom; None: into none."""
    global _begun
    _begun = limits


def now() -> SessionLimits | None:
    """Return the classroom's limits, or None outside a classroom."""
    text = os.environ.get(VARIABLE, "")
    if _begun is None and text:
        begin(_from_words([] if text == "1" else text.split()))
    return _begun


def _from_words(words: list[str]) -> SessionLimits | None:
    options = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    add(options)
    try:
        found, left = options.parse_known_args(["--classroom", *words])
    except argparse.ArgumentError as error:
        raise RequestError(f"{VARIABLE}: {error}") from error
    if left:
        raise RequestError(say.not_limits(VARIABLE, repr(left[0])))
    return read(found)


def upload_mb(usual: int) -> int:
    """Return the most MB that an uploaded file may have; ``usual`` outside a classroom."""
    limits = now()
    return usual if limits is None else min(usual, limits.upload_mb)


def check(*files: Any) -> None:
    """Raise RequestError if an uploaded file is larger than the classroom allows; None stands for no file."""
    limits = now()
    for file in files:
        if limits is not None and file is not None:
            limits.check_upload(file.name, file.size)


def refused(*files: Any) -> str | None:
    """Return why an uploaded file is too large for the classroom, or None."""
    try:
        check(*files)
    except RequestError as error:
        return str(error)
    return None


def in_line(place: QueuePosition) -> str:
    """Describe a place in line, such as "You are 3rd in line, about 40 s"."""
    n, s = place.number, place.wait_s
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    if s < 2.5:
        wait = say.ANY_MOMENT
    elif s < 100:
        wait = say.about_seconds(5 * max(1, round(s / 5)))
    else:
        wait = say.about_minutes(round(s / 60))
    return say.in_line(f"{n}{ending}", wait)
