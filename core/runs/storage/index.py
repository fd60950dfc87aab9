"""All kept runs: list them, and rename, annotate, share or delete one."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.data.uploads.names import invisible_character
from core.errors import LabError, RequestError, StoreError
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runs.storage.folder import RunFolder, is_run_id, no_run, run_folder, runs_home
from core.runs.storage.locks import lock_run, open_run_here
from core.runs.storage.serialization import setup_from
from core.runtime.ownership import Claims

log = logging.getLogger(__name__)

NAME, NOTE = 80, 4000  # characters at most


@dataclass(frozen=True)
class RunInfo:
    """A kept run as a list shows it; its frames are not read."""

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
        """Its name, or else method, dataset and forget set."""
        return self.name or f"{self.setup.method} · {self.setup.dataset} · {self.forget}"

    @property
    def claims(self) -> Claims:
        """The claim that says which browsers may see and change the run."""
        return Claims.of(self.owner, self.shared)

    def belongs_to(self, token: str | None) -> bool:
        """Return whether the browser with ``token`` may see it; None (a terminal) sees all."""
        return self.claims.may_see(token)

    def is_of(self, token: str) -> bool:
        """Return whether the browser with ``token`` made it, and so may change and delete it."""
        return self.claims.is_of(token)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for json."""
        s = self.setup
        return {
            "id": self.id,
            "name": self.name,
            "note": self.note,
            "created": self.created.isoformat(),
            "dataset": s.dataset,
            "task": s.task,
            "method": s.method,
            "seed": s.seed,
            "forget": self.forget,
            "phase": str(self.phase),
            "steps": self.steps,
            "total_steps": self.total_steps,
            "frames": self.frames,
            "shared": self.shared,
            "parent": self.parent,
            "parent_step": self.parent_step,
            "earlier": [request.run for request in s.earlier],  # of its chain
            "bytes": self.bytes,
        }


def list_runs(token: str | None = None) -> tuple[list[RunInfo], list[str]]:
    """Return the runs that the browser with ``token`` may see (None: all), newest first, and one sentence for each unreadable one.

    Of another browser's run only owner.json is read.
    """
    found, problems = [], []
    root = runs_home()
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.name.startswith("."):
            continue
        if not path.is_dir() or not is_run_id(path.name):
            if token is None:
                problems.append(f"{path} is not a run of the Lab; move it elsewhere")
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
    """Return the ids of the runs that the browser with ``token`` made, newest first; only owner.json is read."""
    return sorted((f.id for f in all_folders() if _is_of(f.id, token)), reverse=True)


def all_folders() -> list[RunFolder]:
    """Return the folders of all kept runs, in no order."""
    root = runs_home()
    return [RunFolder(p) for p in root.iterdir() if is_run_id(p.name)] if root.is_dir() else []


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
        pass  # an unknown run gets the sentence of a hidden one, which must not tell that the run exists
    raise RequestError(no_run(run_id))


def require_own(run_id: str, token: str | None) -> RunFolder:
    """Return the folder of a run that the browser with ``token`` may change. Raises RequestError for any other."""
    folder = require_visible(run_id, token)
    if token is not None:
        folder.claims().require_change(token, f"run {run_id}")
    return folder


def run_info(run_id: str, token: str | None = None) -> RunInfo:
    """Return one run's entry. Raises RequestError when ``token`` may see no such run, StoreError when it cannot be read."""
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
    """Name a run; "" removes the name. Raises RequestError for one that is too long, or a run of another owner."""
    name = " ".join(name.split())
    if len(name) > NAME:
        raise RequestError(f"a name has at most {NAME} characters, this has {len(name)}")
    _require_visible_text(name, "a name")
    require_own(run_id, token)
    _write_about(run_id, name=name)


def note_run(run_id: str, note: str, token: str | None = None) -> None:
    """Write a note on a run. Raises RequestError for one that is too long, or a run of another owner."""
    if len(note) > NOTE:
        raise RequestError(f"a note has at most {NOTE:,} characters, this has {len(note):,}")
    _require_visible_text(note, "a note")
    require_own(run_id, token)
    _write_about(run_id, note=note)


def _require_visible_text(text: str, what: str) -> None:
    if found := invisible_character(text):
        raise RequestError(
            f"{what} has a character that cannot be seen (U+{ord(found):04X}); type it again without it"
        )


def share_run(run_id: str, shared: bool = True, token: str | None = None) -> None:
    """Let every browser see a run, or only the one that made it. Raises RequestError for a run of another owner."""
    require_own(run_id, token)
    _write_about(run_id, shared=shared)


def note_export(run_id: str, path: Path, sha256: str) -> None:
    """Note a file that a run was exported to, so that a purge finds it; a run that is open elsewhere notes nothing."""
    try:
        made = run_folder(run_id).read_about().get("exports", [])
        made = [e for e in made if e["path"] != str(path.resolve())]
        _write_about(run_id, exports=[*made, {"path": str(path.resolve()), "sha256": sha256}])
    except RequestError as error:
        log.warning("the export is not noted: %s", error)


def later_runs(run_id: str) -> list[str]:
    """Return the ids of the kept runs of later requests in chains through run ``run_id``, oldest first."""
    found = []
    for folder in all_folders():
        with contextlib.suppress(LabError, KeyError, TypeError):
            if any(e["run"] == run_id for e in folder.read_about()["setup"].get("earlier", ())):
                found.append(folder.id)
    return sorted(found)


def remove_run(run_id: str, token: str | None = None) -> None:
    """Delete a run. Raises RequestError while it is open, while a later request follows it, or for a run of another owner."""
    folder = require_own(run_id, token)
    if later := later_runs(run_id):
        raise RequestError(
            f"run {run_id} is an earlier request of a chain; delete the later ones first: {', '.join(reversed(later))}"
        )
    if open_run_here(run_id) is not None:
        raise RequestError(f"run {run_id} is open in the Lab; reset the Lab or open another run first")
    with lock_run(folder):
        gone = folder.path.with_name(f".{run_id}-{secrets.token_hex(4)}")
        try:
            folder.path.rename(gone)  # no list shows it from here on
        except OSError as error:
            raise StoreError(f"{folder.path} cannot be removed ({error.strerror})") from error
    shutil.rmtree(gone, ignore_errors=True)


def _write_about(run_id: str, **values: Any) -> None:
    """Change run.json, through the Recorder where this process keeps the run, so that neither overwrites the other."""
    recorder = open_run_here(run_id)
    if recorder is not None:
        recorder.tell(**values)
        return
    folder = run_folder(run_id)
    with lock_run(folder):
        folder.write_about({**folder.read_about(), **values})
