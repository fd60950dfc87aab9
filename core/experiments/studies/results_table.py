"""The files of a study: its text, its description and its rows.

Rows are lines of JSON, appended and never rewritten. Each line is on the disk before the next is written, so a process that dies
loses no whole line. A torn last line counts as not written; the next writer cuts it off.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from core.errors import RequestError, StoreError
from core.experiments.studies.spec import Study
from core.experiments.studies.spec_parser import parse_study
from core.runtime.ownership import Claims, owner
from core.runtime.storage import home, write_bytes

SCHEMA = 1
MOST_COPIED = 5000  # rows; a larger dictionary is too slow to copy for each row


def studies_home() -> Path:
    """Return the folder of all studies."""
    return home() / "studies"


class ResultsTable:
    """The rows of one study by key. One process at a time appends; any process may read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = studies_home() / name
        self.rows: dict[str, dict[str, Any]] = {}
        self._read_to = 0  # bytes of the whole lines that were read
        self._file: BinaryIO | None = None
        self._lock: FileLock | None = None

    @property
    def _rows(self) -> Path:
        return self.path / "rows.jsonl"

    def refresh(self) -> bool:
        """Read the lines added since the last call; return whether there were any. Raises StoreError if they cannot be read."""
        try:
            with open(self._rows, "rb") as file:
                if (
                    os.fstat(file.fileno()).st_size < self._read_to
                ):  # another process removed the study and began it again
                    self._read_to, self.rows = 0, {}
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(
                f"{self._rows} cannot be read ({error.strerror}); give the Lab permission"
            ) from error
        whole = data.rfind(b"\n") + 1
        found: dict[str, dict[str, Any]] = {}
        for line in data[:whole].splitlines():
            try:
                row = json.loads(line)
                found[row["key"]] = row
            except (ValueError, KeyError, TypeError):
                continue  # a line torn by a crash; its job runs again
        self._read_to += whole
        self.rows = {**self.rows, **found}
        return bool(whole)

    def open(self, study: Study) -> None:
        """Begin to append rows of ``study``.

        Raises RequestError while another process runs the study, StoreError if the folder cannot be written.
        """
        self.describe(study)
        self._lock = _lock(self.path, self.name)
        self.refresh()
        try:
            self._file = open(self._rows, "ab", buffering=0)  # noqa: SIM115 - open while the study runs
            self._file.truncate(self._read_to)
        except OSError as error:
            self.close()
            raise StoreError(
                f"{self._rows} cannot be written ({error.strerror}); give the Lab permission"
            ) from error

    def describe(self, study: Study, token: str | None = None) -> None:
        """Write the text and description of ``study``; ``token`` is of the browser that begins it.

        A study that is kept already keeps its owner. Raises StoreError if the folder cannot be written.
        """
        claims = study_claims(self.name) if (self.path / "study.json").exists() else Claims().claimed(token)
        write_bytes(self.path / "study.toml", study.source.encode())
        about = {
            "schema": SCHEMA,
            "name": study.name,
            "data_dir": study.data_dir,
            "device": study.device,
            "chosen": list(study.chosen),
            "reported": list(study.reported),
            "claims": claims.as_dict(),
        }
        write_bytes(self.path / "study.json", json.dumps(about).encode())

    def append(self, row: dict[str, Any]) -> None:
        """Append ``row``; it is on the disk when this returns. Raises StoreError if the disk is full; earlier rows are safe."""
        assert self._file is not None
        data = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError(errno.ENOSPC, "no space is left")
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._read_to)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else f"it cannot be written ({error.strerror})"
            raise StoreError(
                f"{self._rows}: {why}; the {len(self.rows):,} rows in it are safe: run the study again to continue"
            ) from error
        self._read_to += len(data)
        if len(self.rows) < MOST_COPIED:  # readers in other threads keep a stable dictionary
            self.rows = {**self.rows, row["key"]: row}
        else:
            self.rows[row["key"]] = row

    def borrow(self) -> dict[str, dict[str, Any]]:
        """Return finished rows of other studies that this study lacks, by key."""
        found: dict[str, dict[str, Any]] = {}
        for name in kept_studies():
            if name != self.name:
                other = ResultsTable(name)
                other.refresh()
                found |= {
                    k: r for k, r in other.rows.items() if r.get("state") == "done" and k not in self.rows
                }
        return found

    def close(self) -> None:
        """Stop appending and let other processes run the study."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()
        self._file = self._lock = None


def _lock(folder: Path, name: str) -> FileLock:
    """Return the acquired lock of a study; the system releases it if the process is killed.

    Raises RequestError while another process or thread holds it.
    """
    lock = FileLock(folder / ".lock", blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RequestError(
            f"the study {name} is being run already; cancel it there, or wait until it is done"
        ) from error
    return lock


def is_running(name: str) -> bool:
    """Return whether a process is running the study."""
    folder = studies_home() / name
    if not folder.is_dir():
        return False
    try:
        _lock(folder, name).release()
    except (RequestError, OSError):
        return True
    return False


def kept_studies(token: str | None = None) -> list[str]:
    """Return the names of kept studies that the browser with ``token`` may see, the newest first; all if it is None."""
    root = studies_home()
    found = [p for p in root.iterdir() if (p / "study.toml").is_file()] if root.is_dir() else []
    return [
        p.name for p in sorted(found, key=lambda p: -_changed_s(p)) if study_claims(p.name).may_see(token)
    ]


def study_claims(name: str) -> Claims:
    """Return the owners of a study. A study whose file cannot be read has none, and only a terminal sees it."""
    try:
        return Claims.read(json.loads((studies_home() / name / "study.json").read_bytes()).get("claims"))
    except (OSError, ValueError, AttributeError):
        return Claims()


def name_for(name: str, token: str | None) -> str:
    """Return the name on disk of this browser's study ``name``: two browsers with one name keep two studies."""
    if token is None:
        return name
    mark = hashlib.blake2b(f"{owner(token)} {name}".encode(), digest_size=4).hexdigest()
    return f"{name[:51]}-{mark}"


def share_study(name: str, shared: bool, token: str) -> None:
    """Let every browser see a study, or only its owner. Raises RequestError for a study of another owner."""
    require_own_study(name, token)
    path = studies_home() / name / "study.json"
    claims = study_claims(name).changed(token, shared=shared)
    write_bytes(path, json.dumps({**json.loads(path.read_bytes()), "claims": claims.as_dict()}).encode())


def require_own_study(name: str, token: str | None) -> None:
    """Raise RequestError if the browser with ``token`` may not change the study."""
    if name not in kept_studies(token):
        raise RequestError(_no_study(name))
    study_claims(name).require_change(token, f"the study {name}")


def _changed_s(path: Path) -> float:
    rows = path / "rows.jsonl"
    return (rows if rows.exists() else path / "study.toml").stat().st_mtime


def kept_study(name: str, token: str | None = None) -> Study:
    """Return a kept study as it was last run. Raises RequestError if there is none that ``token`` may see."""
    path = studies_home() / name
    if name not in kept_studies(token):
        raise RequestError(_no_study(name))
    try:
        text = (path / "study.toml").read_text(encoding="utf-8")
        about = json.loads((path / "study.json").read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({type(error).__name__}); run the study again from its file"
        ) from error
    study = parse_study(text, name, where=str(path / "study.toml"))
    return replace(study, data_dir=about.get("data_dir"), device=about.get("device", "auto"))


def _no_study(name: str) -> str:
    return f"no study is kept as {name[:60]!r}; `laf study list` shows all kept studies"


def remove_study(name: str, token: str | None = None) -> None:
    """Remove a kept study. Raises RequestError while it runs, if there is none, or if it has another owner."""
    require_own_study(name, token)
    if is_running(name):
        raise RequestError(f"the study {name} is being run; cancel it first")
    shutil.rmtree(studies_home() / name, ignore_errors=True)
