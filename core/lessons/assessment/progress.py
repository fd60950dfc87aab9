"""The progress of each browser in each lesson: predictions, answers, and passed checks.

A file is $LAF_HOME/lessons/progress/CLASS/LESSON/BROWSER.json. The class's tally of predictions counts these files.
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

NO_CLASS = "everybody"  # folder of browsers without a class
_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
_BROWSER = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Progress:
    """One browser's progress in one lesson. The keys of ``answers`` and ``passed`` are numbers of steps, from 1, as text."""

    prediction: int | None = None  # from 1
    predicted: str | None = None  # time of the prediction, ISO 8601
    answers: Mapping[str, int] = field(default_factory=dict)
    passed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # see submission.evidence
    at: int = 0  # the shown part: 0 is goal and prediction, then the steps, then the summary
    furthest: int = 0

    def moved(self, at: int) -> Progress:
        """Return the progress with part ``at`` shown."""
        return replace(self, at=at, furthest=max(at, self.furthest))


def parse_class(text: str | None) -> str:
    """Return the class that a link names. Raises RequestError for a name that is not allowed for a folder."""
    if not text:
        return NO_CLASS
    if not _CLASS.fullmatch(text):
        raise RequestError(f"a class name has up to 40 letters, digits, '.', '-' and '_', not {text!r}")
    return text


def read_progress(lesson: Lesson, browser: str, group: str = NO_CLASS) -> Progress:
    """Return the progress of a browser; at the beginning if no readable file is kept."""
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
        log.warning("%s cannot be read (%s); the lesson begins again", path, error)
        return Progress()


def write_progress(lesson: Lesson, browser: str, progress: Progress, group: str = NO_CLASS) -> None:
    """Write the progress of a browser. Raises StoreError if it cannot be written."""
    write_bytes(_path(lesson, browser, group), json.dumps(asdict(progress)).encode())


@dataclass(frozen=True)
class Tally:
    """The number of predictions for each choice, in order."""

    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of all predictions."""
        return sum(self.counts)


def tally(lesson: Lesson, group: str = NO_CLASS, browser: str | None = None) -> Tally:
    """Count the predictions of ``group`` since the last reset of the count, for all or by ``browser`` for itself."""
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


def reset_tally(lesson: Lesson, group: str = NO_CLASS, browser: str | None = None) -> None:
    """Count only predictions from now on, for ``browser`` alone or for all.

    Raises DataError for a wrong browser name, StoreError if the disk cannot be written.
    """
    if browser is not None and not _BROWSER.fullmatch(browser):
        raise DataError("this browser has no valid name, so its progress cannot be kept; open the page again")
    name = "since.txt" if browser is None else f"since-{browser}.txt"
    write_bytes(_folder(lesson, group) / name, now().encode())


def now() -> str:
    """Return the current time as it is kept in files."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def finished(lesson: Lesson, progress: Progress) -> bool:
    """Return whether the browser reached the summary and passed every check."""
    return progress.furthest > len(lesson.parts) and all(str(i) in progress.passed for i in checked(lesson))


@dataclass(frozen=True)
class Score:
    """Points of one browser in one lesson: one for each passed check and each right answer, the prediction included."""

    points: int
    most: int


def score(lesson: Lesson, progress: Progress) -> Score:
    """Return the points so far. A question without a right answer gives none, neither gained nor lost."""
    questions = {str(i): p.question for i, p in enumerate(lesson.parts, 1) if p.question is not None}
    right = [progress.answers.get(i) == q.answer for i, q in questions.items() if q.answer is not None]
    if lesson.prediction.answer is not None:
        right.append(progress.prediction == lesson.prediction.answer)
    wanted = checked(lesson)
    return Score(sum(right) + sum(str(i) in progress.passed for i in wanted), len(right) + len(wanted))


def checked(lesson: Lesson) -> Sequence[int]:
    """Return the numbers, from 1, of the steps with a check."""
    return [i for i, part in enumerate(lesson.parts, 1) if part.check is not None]


def _since(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _folder(lesson: Lesson, group: str) -> Path:
    return home() / "lessons" / "progress" / parse_class(group) / lesson.id


def _path(lesson: Lesson, browser: str, group: str) -> Path:
    if not _BROWSER.fullmatch(browser):
        raise DataError("this browser has no valid name, so its progress cannot be kept; open the page again")
    return _folder(lesson, group) / f"{browser}.json"
