"""A student's submission: one JSON file with the answers, and for each check the settings and record of the run that passed it.

Digest and seal show that a file was edited; only the server that made the file can check the seal. A student who replaces both still
needs runs that pass the checks when ``core.lessons.assessment.grading`` plays them again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.lessons.assessment.progress import Progress, finished, now
from core.lessons.checks import Verdict
from core.lessons.schema import Lesson
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage.serialization import config_dict, setup_dict
from core.runtime.storage import home, write_bytes

FORMAT = 1
SEEDS = 9999
MOST_BYTES = 2_000_000
KEY = "seal.key"
REQUIRED: dict[str, type] = {"who": dict, "lesson": dict, "answers": dict, "checks": dict, "digest": str}


@dataclass(frozen=True)
class Student:
    """A student who hands in a submission; ``group`` is the class."""

    name: str
    number: str
    group: str


def seed_of(number: str) -> int:
    """Return the seed of a student's number, 1 to 9999, the same on every machine; 0 without a number."""
    plain = "".join(number.split()).lower()
    if not plain:
        return 0
    digest = hashlib.blake2b(plain.encode(), digest_size=8, person=b"laf-lesson").digest()
    return 1 + int.from_bytes(digest) % SEEDS


def evidence(run: Run, setup: Setup, check: str, verdict: Verdict, fork: Run | None = None) -> dict[str, Any]:
    """Return the run that passed ``check`` as plain values, enough to play it again."""
    values = {name: value for clause in verdict.clauses for name, value in clause.values.items()}
    return {
        "check": check,
        "when": now(),
        "values": {k: _plain(v) for k, v in values.items()},
        "setup": setup_dict(setup),
        "run": _run_values(run),
        "fork": None if fork is None else _run_values(fork),
    }


def _run_values(run: Run) -> dict[str, Any]:
    return {
        "settings": config_dict(run.config_at(0)),
        "changes": [{"after": c.after, "now": config_dict(c.now)} for c in run.changes],
        "steps": len(run.steps),
        "phase": str(run.phase),
        "record": record_digest(run),
    }


def record_digest(run: Run) -> str:
    """Return the SHA-256 of all steps without their times. Equal runs on one machine have the same digest."""
    plain = [{k: v for k, v in s.as_dict().items() if k != "seconds"} for s in run.steps]
    return hashlib.sha256(_canonical(plain)).hexdigest()


def submission(lesson: Lesson, student: Student, progress: Progress) -> dict[str, Any]:
    """Return the contents of the file, with digest and seal. Raises DataError if the seal's key cannot be kept."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "made_by": "LAF Lab",
        "made": now(),
        "who": {"name": student.name, "number": student.number, "class": student.group},
        "lesson": {"id": lesson.id, "title": lesson.title, "digest": lesson.digest},
        "seed": seed_of(student.number) if lesson.own_seed else lesson.setup.seed,
        "prediction": progress.prediction,
        "answers": dict(progress.answers),
        "checks": {k: dict(v) for k, v in progress.passed.items()},
        "finished": finished(lesson, progress),
    }
    values["digest"] = digest_of(values)
    values["seal"] = seal_of(values["digest"], _key(make=True))
    return values


def digest_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all values but digest and seal."""
    kept = {k: v for k, v in values.items() if k not in ("digest", "seal")}
    return hashlib.sha256(_canonical(kept)).hexdigest()


def seal_of(digest: str, key: bytes) -> str:
    """Return the seal of a digest, which needs this server's key."""
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()


def read_submission(path: Path) -> dict[str, Any]:
    """Return the contents of a submission. Raises DataError, which names the file, for any other file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} is no submission: it has more than {MOST_BYTES // 1_000_000} MB")
        values = json.loads(path.read_bytes())
        if (
            not isinstance(values, dict)
            or values.get("made_by") != "LAF Lab"
            or values.get("format") != FORMAT
        ):
            raise DataError(f"{path} is no submission of a lesson")
        for name, kind in REQUIRED.items():
            if not isinstance(values.get(name), kind):
                raise DataError(f"{path} lacks {name!r}, or its type is wrong; ask for the file again")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON; ask for the file again") from error
    return values


def edited(values: Mapping[str, Any]) -> str | None:
    """Return a sentence that says how a submission was edited; None if no edit shows."""
    if digest_of(values) != values.get("digest"):
        return "edited: its digest does not fit its contents"
    key = _key(make=False)
    if key is None or not values.get("seal"):
        return None
    if not hmac.compare_digest(seal_of(values["digest"], key), str(values["seal"])):
        return "not sealed by this server: made on another one, or edited and given a new digest"
    return None


def _key(*, make: bool) -> Any:
    """Return this server's key for seals; make one if there is none and ``make`` is set."""
    path = home() / "lessons" / KEY
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        if not make:
            return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read; delete it to get a new key: seals made with the old key can then no longer be checked"
        ) from error
    key = secrets.token_bytes(32)
    write_bytes(path, key.hex().encode())
    path.chmod(0o600)
    return key


def _canonical(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else float(value)
