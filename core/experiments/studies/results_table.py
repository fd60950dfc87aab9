"""What is kept of a study: its text and its rows, a line of JSON each, appended as they come and never rewritten.

Whatever moment a process dies at, all whole lines stand: each is written at one go and is on the disk before the next begins. A torn
last line counts as not written, and is cut off before the next is.
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

from core.errors import RequestError, StoreError
from core.experiments.studies.spec import Study, parse_study
from core.runtime.ownership import Claims, owner
from core.runtime.storage import home, write_bytes

SCHEMA = 1


def studies_home() -> Path:
    """Where all studies lie."""
    return home() / "studies"


class ResultsTable:
    """The rows of one study by the key of their content. One process at a time appends; any may read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = studies_home() / name
        self.rows: dict[str, dict[str, Any]] = {}
        self._read_to = 0  # bytes of whole lines
        self._file: BinaryIO | None = None
        self._lock: BinaryIO | None = None

    @property
    def _rows(self) -> Path:
        return self.path / "rows.jsonl"

    def refresh(self) -> bool:
        """Read the lines that were added since; whether there were any. Raises DataError when they cannot be read."""
        try:
            with open(self._rows, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_to:  # begun anew
                    self._read_to, self.rows = 0, {}
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{self._rows} cannot be read ({error.strerror}); allow it") from error
        whole = data.rfind(b"\n") + 1
        found: dict[str, dict[str, Any]] = {}
        for line in data[:whole].splitlines():
            try:
                row = json.loads(line)
                found[row["key"]] = row
            except (ValueError, KeyError, TypeError):
                continue  # a line that was torn by a dying machine; its run is done again
        self._read_to += whole
        self.rows = {**self.rows, **found}
        return bool(whole)

    def open(self, study: Study) -> None:
        """Begin to write, for ``study``. Raises RequestError while another process does, DataError when the folder cannot be written."""
        self.describe(study)
        self._lock = _hold(self.path, self.name)
        self.refresh()
        try:
            self._file = open(self._rows, "ab", buffering=0)  # noqa: SIM115 - open as long as the study runs
            self._file.truncate(self._read_to)
        except OSError as error:
            self.close()
            raise StoreError(f"{self._rows} cannot be written ({error.strerror}); allow it") from error

    def describe(self, study: Study, token: str | None = None) -> None:
        """Keep what ``study`` is; ``token`` is of the browser that begins it, and a study that is there keeps its owner.

        Raises DataError when the folder cannot be written.
        """
        claims = study_claims(self.name) if (self.path / "study.json").exists() else Claims().claimed(token)
        write_bytes(self.path / "study.toml", study.source.encode())
        about = {"schema": SCHEMA, "name": study.name, "data_dir": study.data_dir, "device": study.device,
                 "chosen": list(study.chosen), "reported": list(study.reported), "claims": claims.as_dict()}  # fmt: skip
        write_bytes(self.path / "study.json", json.dumps(about).encode())

    def append(self, row: dict[str, Any]) -> None:
        """Keep ``row``: on the disk when this returns. Raises DataError when the disk is full; the rows before are safe."""
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
                f"{self._rows}: {why}; the {len(self.rows):,} rows in it are safe, and running the study again goes on from there"
            ) from error
        self._read_to += len(data)
        self.rows = {**self.rows, row["key"]: row} if len(self.rows) < 5000 else _put(self.rows, row)

    def borrow(self) -> dict[str, dict[str, Any]]:
        """Rows that other studies have and this one lacks: what has one content is not done twice. Failures are not lent."""
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
        """No more rows."""
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None


def _put(rows: dict[str, dict[str, Any]], row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows[row["key"]] = row
    return rows


def _hold(folder: Path, name: str) -> BinaryIO | None:
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two processes apart
        return None
    file = open(folder / ".lock", "wb")  # noqa: SIM115 - open as long as it is held
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RequestError(
            f"the study {name} is being run already; cancel it there, or wait until it is done"
        ) from error
    return file


def is_running(name: str) -> bool:
    """Whether some process is running the study."""
    folder = studies_home() / name
    if not folder.is_dir():
        return False
    try:
        lock = _hold(folder, name)
    except (RequestError, OSError):
        return True
    if lock is not None:
        lock.close()
    return False


def kept_studies(token: str | None = None) -> list[str]:
    """Names of the studies that were begun and that the browser with ``token`` may see (None: all), the newest first."""
    root = studies_home()
    found = [p for p in root.iterdir() if (p / "study.toml").is_file()] if root.is_dir() else []
    return [p.name for p in sorted(found, key=lambda p: -_changed(p)) if study_claims(p.name).may_see(token)]


def study_claims(name: str) -> Claims:
    """Return the owners of a study; one whose file cannot be read has none, so that only a terminal sees it."""
    try:
        return Claims.read(json.loads((studies_home() / name / "study.json").read_bytes()).get("claims"))
    except (OSError, ValueError, AttributeError):
        return Claims()


def name_for(name: str, token: str | None) -> str:
    """Return what the study ``name`` of this browser is called on disk: browsers that choose one name keep two studies."""
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
    """Raise RequestError for a study that the browser with ``token`` may not change."""
    if name not in kept_studies(token):
        raise RequestError(_no_study(name))
    study_claims(name).require_change(token, f"the study {name}")


def _changed(path: Path) -> float:
    rows = path / "rows.jsonl"
    return (rows if rows.exists() else path / "study.toml").stat().st_mtime


def kept_study(name: str, token: str | None = None) -> Study:
    """A study that was begun, as it was last run. Raises RequestError when there is none that ``token`` may see."""
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
    return f"no study is kept as {name[:60]!r}; `laf study list` shows those there are"


def remove_study(name: str, token: str | None = None) -> None:
    """Keep it no longer. Raises RequestError while it runs, when there is none or it has another owner."""
    require_own_study(name, token)
    if is_running(name):
        raise RequestError(f"the study {name} is being run; cancel it first")
    shutil.rmtree(studies_home() / name, ignore_errors=True)
