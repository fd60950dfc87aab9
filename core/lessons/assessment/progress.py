"""How far each browser is in each lesson, on the server's disk: predictions, answers, and the checks that a run passed.

$LAF_HOME/lessons/progress/CLASS/LESSON/BROWSER.json; the class's tally of predictions is a count over these files.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import DataError, RequestError
from core.lessons.schema import Lesson
from core.runtime.storage import home, write_bytes

log = logging.getLogger(__name__)

EVERYBODY = "everybody"  # the class of whoever names none
_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
_BROWSER = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Progress:
    """One browser's way through one lesson. ``answers`` and ``passed`` by the number of the step from 1, as text."""

    prediction: int | None = None  # from 1
    predicted: str | None = None  # when, ISO 8601; a class that begins anew counts from then on
    answers: Mapping[str, int] = field(default_factory=dict)
    passed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # evidence: see submission
    at: int = 0  # part that is shown: 0 goal and prediction, then the steps, then the summary
    furthest: int = 0

    def moved(self, at: int) -> Progress:
        """Showing part ``at``."""
        return replace(self, at=at, furthest=max(at, self.furthest))


def class_named(text: str | None) -> str:
    """The class of a link. Raises RequestError for a name that cannot be a folder's."""
    if not text:
        return EVERYBODY
    if not _CLASS.fullmatch(text):
        raise RequestError(f"a class is named by up to 40 letters, digits, '.', '-' and '_', not {text!r}")
    return text


def read_progress(lesson: Lesson, browser: str, group: str = EVERYBODY) -> Progress:
    """Where this browser is; at the beginning where nothing is kept, or nothing that can be read."""
    path = _path(lesson, browser, group)
    try:
        values = json.loads(path.read_bytes())
        known = {k: values[k] for k in Progress.__dataclass_fields__ if k in values}
        found = Progress(**known)
        most = len(lesson.parts) + 1
        if not all(isinstance(v, int) and 0 <= v <= most for v in (found.at, found.furthest)):
            raise ValueError("no part of the lesson")
        if found.prediction is not None and not 1 <= int(found.prediction) <= len(lesson.prediction.choices):
            raise ValueError("no choice of the prediction")
        return replace(found, answers=dict(found.answers), passed=dict(found.passed))
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        log.warning("%s cannot be read (%s); the lesson begins anew", path, error)
        return Progress()


def write_progress(lesson: Lesson, browser: str, progress: Progress, group: str = EVERYBODY) -> None:
    """Keep it. Raises DataError when the disk does not take it."""
    write_bytes(_path(lesson, browser, group), json.dumps(asdict(progress)).encode())


@dataclass(frozen=True)
class Tally:
    """The class's predictions: how many chose each, in order."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


def tally(lesson: Lesson, group: str = EVERYBODY, browser: str | None = None) -> Tally:
    """Predictions of all browsers of ``group`` since the count was last begun anew: for all, or by ``browser`` for itself."""
    folder = _folder(lesson, group)
    since = max(
        _since(folder / name) for name in ("since.txt", *([f"since-{browser}.txt"] if browser else []))
    )
    counts = [0] * len(lesson.prediction.choices)
    for path in folder.glob("*.json") if folder.is_dir() else ():
        if not _BROWSER.fullmatch(path.stem):
            continue
        try:
            values = json.loads(path.read_bytes())
            choice, when = values["prediction"], values["predicted"]
            if isinstance(choice, int) and 1 <= choice <= len(counts) and str(when) >= since:
                counts[choice - 1] += 1
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return Tally(tuple(counts))


def begin_anew(lesson: Lesson, group: str = EVERYBODY, browser: str | None = None) -> None:
    """Count only predictions from now on: for ``browser`` alone, or for all. Raises DataError when the disk does not take it."""
    if browser is not None and not _BROWSER.fullmatch(browser):
        raise DataError("this browser has no name to keep its progress under")
    name = "since.txt" if browser is None else f"since-{browser}.txt"
    write_bytes(_folder(lesson, group) / name, now().encode())


def now() -> str:
    """This moment, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def finished(lesson: Lesson, progress: Progress) -> bool:
    """Whether its end was reached with every check passed."""
    wanted = checked(lesson)
    return progress.furthest > len(lesson.parts) and all(str(i) in progress.passed for i in wanted)


def checked(lesson: Lesson) -> Sequence[int]:
    """Numbers, from 1, of the steps that have a check."""
    return [i for i, part in enumerate(lesson.parts, 1) if part.check is not None]


def _since(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _folder(lesson: Lesson, group: str) -> Path:
    return home() / "lessons" / "progress" / class_named(group) / lesson.id


def _path(lesson: Lesson, browser: str, group: str) -> Path:
    if not _BROWSER.fullmatch(browser):
        raise DataError("this browser has no name to keep its progress under")
    return _folder(lesson, group) / f"{browser}.json"
