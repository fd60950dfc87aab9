"""All kept runs, and what a person does with one besides playing it: name, note, share, delete."""

from __future__ import annotations

import logging
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.data.uploads.names import hidden
from core.errors import LabError, RequestError, StoreError
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runs.storage.recorder import held_here, hold
from core.runs.storage.run_folder import RunFolder, is_run_id, no_run, run_folder, runs_home
from core.runs.storage.serialization import setup_from
from core.runtime.ownership import Claims

log = logging.getLogger(__name__)

NAME, NOTE = 80, 4000  # characters


@dataclass(frozen=True)
class RunInfo:
    """What is known of a kept run without reading its frames."""

    id: str
    name: str
    note: str
    created: datetime
    setup: Setup
    forget: str  # "class 0"
    phase: Phase
    steps: int
    total_steps: int
    frames: int
    owner: str | None  # of ``core.runtime.ownership.owner``; None: made in a terminal
    shared: bool
    parent: str | None
    parent_step: int | None
    bytes: int  # on disk

    @property
    def title(self) -> str:
        """Its name, or what it does."""
        return self.name or f"{self.setup.method} · {self.setup.dataset} · {self.forget}"

    @property
    def claims(self) -> Claims:
        """Whose it is."""
        return Claims.of(self.owner, self.shared)

    def belongs_to(self, token: str | None) -> bool:
        """Whether the browser with ``token`` may see it; None sees all (a terminal)."""
        return self.claims.may_see(token)

    def is_of(self, token: str) -> bool:
        """Whether that browser made it, so that it may change and delete it."""
        return self.claims.is_of(token)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        s = self.setup
        return {
            "id": self.id, "name": self.name, "note": self.note, "created": self.created.isoformat(),
            "dataset": s.dataset, "task": s.task, "method": s.method, "seed": s.seed, "forget": self.forget,
            "phase": str(self.phase), "steps": self.steps, "total_steps": self.total_steps, "frames": self.frames,
            "shared": self.shared, "parent": self.parent, "parent_step": self.parent_step, "bytes": self.bytes,
        }  # fmt: skip


def list_runs(token: str | None = None) -> tuple[list[RunInfo], list[str]]:
    """Runs that the browser with ``token`` may see (None: all), newest first; and a sentence for each that cannot be read.

    Of another browser's run only the small file with its owner is read.
    """
    found, problems = [], []
    root = runs_home()
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.name.startswith("."):
            continue
        if not path.is_dir() or not is_run_id(path.name):
            if token is None:
                problems.append(f"{path} is no run of the Lab's; move it elsewhere")
            continue
        try:
            if token is not None and not RunFolder(path).claims().may_see(token):
                continue
            info = run_info(path.name)
            if info.belongs_to(token):
                found.append(info)
        except LabError as error:
            problems.append(str(error))
    return sorted(found, key=lambda i: (i.created, i.id), reverse=True), problems


def runs_of(token: str) -> list[str]:
    """The ids of the runs that the browser with ``token`` made, newest first; only their owners are read."""
    root = runs_home()
    names = (
        sorted((p.name for p in root.iterdir() if is_run_id(p.name)), reverse=True) if root.is_dir() else []
    )
    return [name for name in names if _is_of(name, token)]


def _is_of(run_id: str, token: str) -> bool:
    try:
        return run_folder(run_id).claims().is_of(token)
    except LabError:
        return False


def require_visible(run_id: str, token: str | None) -> RunFolder:
    """Return the folder of a run. Raises RequestError where there is none that the browser with ``token`` may see."""
    if token is None:
        return run_folder(run_id)
    try:
        folder = run_folder(run_id)
        if folder.claims().may_see(token):
            return folder
    except RequestError:
        pass
    raise RequestError(no_run(run_id))


def require_own(run_id: str, token: str | None) -> RunFolder:
    """Return the folder of a run that the browser with ``token`` may change. Raises RequestError for any other."""
    folder = require_visible(run_id, token)
    if token is not None:
        folder.claims().require_change(token, f"run {run_id}")
    return folder


def run_info(run_id: str, token: str | None = None) -> RunInfo:
    """What is known of one run. Raises RequestError when there is none that ``token`` may see, DataError when it cannot be read."""
    folder = require_visible(run_id, token)
    about = folder.read_about()
    try:
        return RunInfo(
            id=run_id,
            name=str(about["name"]),
            note=str(about["note"]),
            created=datetime.fromisoformat(about["created"]),
            setup=setup_from(about["setup"]),
            forget=str(about["forget"]),
            phase=Phase(about["phase"]),
            steps=folder.count_steps(),
            total_steps=int(about["total_steps"]),
            frames=folder.count_frames(),
            owner=about["owner"],
            shared=bool(about["shared"]),
            parent=about["parent"],
            parent_step=about["parent_step"],
            bytes=folder.bytes,
        )
    except (KeyError, TypeError, ValueError, LabError) as error:
        raise StoreError(f"{folder.path / 'run.json'} cannot be used ({error}); delete the run") from error


def rename_run(run_id: str, name: str, token: str | None = None) -> None:
    """Give a run a name; "" takes it away. Raises RequestError for one that is too long, or a run of another owner."""
    name = " ".join(name.split())
    if len(name) > NAME:
        raise RequestError(f"a name has at most {NAME} characters, this has {len(name)}")
    _require_seen(name, "a name")
    require_own(run_id, token)
    _tell(run_id, name=name)


def note_run(run_id: str, note: str, token: str | None = None) -> None:
    """Write a note on a run. Raises RequestError for one that is too long, or a run of another owner."""
    if len(note) > NOTE:
        raise RequestError(f"a note has at most {NOTE:,} characters, this has {len(note):,}")
    _require_seen(note, "a note")
    require_own(run_id, token)
    _tell(run_id, note=note)


def _require_seen(text: str, what: str) -> None:
    if found := hidden(text):
        raise RequestError(
            f"{what} has a character that cannot be seen (U+{ord(found):04X}); type it again without it"
        )


def share_run(run_id: str, shared: bool = True, token: str | None = None) -> None:
    """Let every browser see a run, or only the one that made it. Raises RequestError for a run of another owner."""
    require_own(run_id, token)
    _tell(run_id, shared=shared)


def note_export(run_id: str, path: Path, sha256: str) -> None:
    """Remember a file that was made of a run, so that a purge finds it; a run that is open elsewhere remembers nothing."""
    try:
        made = run_folder(run_id).read_about().get("exports", [])
        made = [e for e in made if e["path"] != str(path.resolve())]
        _tell(run_id, exports=[*made, {"path": str(path.resolve()), "sha256": sha256}])
    except RequestError as error:
        log.warning("the export is not noted: %s", error)


def remove_run(run_id: str, token: str | None = None) -> None:
    """Delete a run for good. Raises RequestError while it is open somewhere, or for a run of another owner."""
    folder = require_own(run_id, token)
    if held_here(run_id) is not None:
        raise RequestError(f"run {run_id} is open in the Lab; reset the Lab or open another run first")
    lock = hold(folder)
    gone = folder.path.with_name(f".{run_id}-{secrets.token_hex(4)}")
    try:
        folder.path.rename(gone)  # out of sight at once
    except OSError as error:
        raise StoreError(f"{folder.path} cannot be removed ({error.strerror})") from error
    finally:
        if lock is not None:
            lock.close()
    shutil.rmtree(gone, ignore_errors=True)


def _tell(run_id: str, **values: Any) -> None:
    """Through whoever keeps it now, so that neither overwrites the other."""
    recorder = held_here(run_id)
    if recorder is not None:
        recorder.tell(**values)
        return
    folder: RunFolder = run_folder(run_id)
    lock = hold(folder)
    try:
        folder.write_about({**folder.read_about(), **values})
    finally:
        if lock is not None:
            lock.close()
