"""StorageQuota: the disk space of all kept runs together, and what is deleted when it is used up.

The limit is ``$LAF_RUNS_MB`` (default 5,000; 0: none). It is checked when another run begins to be kept. Until the runs fit, in this
order:

1. the states between the first and the last of finished runs are deleted: such a run plays, continues and forks as before, but slower;
2. whole runs are deleted;
3. where that is not enough, the new run is not kept, and its page says so.

Each begins with the run that was unused longest. A run is deleted only if it has no name and no note, is not shared, was made in a
browser, is not open, and was not written to for a day. The page Runs and `laf runs list` state the rule, and what was deleted.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import LabError, RequestError, StoreError
from core.runs.records import Phase
from core.runs.storage.folder import RunFolder, runs_home
from core.runs.storage.index import RunInfo, all_folders, list_runs, remove_run
from core.runs.storage.locks import lock_run, open_run_here
from core.runtime.ownership import owner
from core.runtime.storage import write_bytes

log = logging.getLogger(__name__)

VARIABLE = "LAF_RUNS_MB"
DEFAULT_MB = 5000
NEAR = 0.8  # of the limit: from here on the runs to be deleted next are listed
UNUSED_S = 86_400.0  # a run that was written to within a day stays
REMEMBERED = 20  # deletions that are listed afterwards


@dataclass(frozen=True)
class StorageQuota:
    """Bytes that kept runs use, and may use; None: without a limit."""

    used: int
    limit: int | None

    @property
    def is_near(self) -> bool:
        """True if the limit is near enough to say which runs are deleted next."""
        return self.limit is not None and self.used >= NEAR * self.limit

    def describe(self) -> str:
        """Return one sentence on the size and one on what is deleted first."""
        if self.limit is None:
            return f"Kept runs take {megabytes(self.used)} in all, without a limit (${VARIABLE} is 0)."
        return (
            f"Kept runs take {megabytes(self.used)} of {megabytes(self.limit)} (${VARIABLE}). When that is full, the Lab first deletes "
            "states in between of the oldest finished runs, then the oldest runs. It never deletes one that has a name or a note, is "
            "shared, came from laf run --save, is open, or was written to within a day."
        )


def megabytes(size: float) -> str:
    """Return a size as messages show it: "8.4 MB"."""
    return f"{size / 1e6:,.1f} MB"


def limit() -> int | None:
    """Return the most bytes that all kept runs may use; None: no limit. Raises RequestError for a limit that is no number."""
    said = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_MB)
    try:
        found = float(said)
        if not 0 <= found < float("inf"):
            raise ValueError
    except ValueError:
        raise RequestError(
            f"{VARIABLE} must be a number of megabytes, 0 for no limit; it is {said[:40]!r}"
        ) from None
    return int(found * 1e6) or None


def storage_quota() -> StorageQuota:
    """Return what is used and what may be. Raises RequestError as ``limit``."""
    return StorageQuota(sum(folder.bytes for folder in all_folders()), limit())


def make_room() -> None:
    """Delete what may be deleted, in order, until kept runs fit their limit. Raises StoreError when they still do not fit."""
    now = storage_quota()
    if now.limit is None or now.used < now.limit:
        return
    used = now.used
    for info, whole in _in_order():
        if used < now.limit:
            return
        freed = _remove(info) if whole else _thin(info)
        if freed:
            used -= freed
            _note_deletion(info, whole, freed)
    if used >= now.limit:
        raise StoreError(
            f"kept runs take {megabytes(used)} of {megabytes(now.limit)}, and none of them may be deleted automatically; "
            f"delete some on the page Runs or with `laf runs rm`, or set {VARIABLE} higher"
        )


def next_deletions(most: int = 3) -> list[str]:
    """Return in words what would be deleted first if the limit were reached now; at most ``most`` entries."""
    found = []
    for info, whole in _in_order():
        if whole or _between(RunFolder(runs_home() / info.id)):
            found.append(f"{'all' if whole else 'states in between'} of {info.title} ({info.id})")
        if len(found) == most:
            break
    return found


def past_deletions(token: str | None = None) -> list[str]:
    """Return in words what was deleted, newest first, of the browser with ``token``; None (a terminal): of all."""
    return [
        f"{e['when'][:10]}: deleted {e['what']} of {e['title']} ({e['id']}), {megabytes(e['bytes'])}; kept runs were at their limit"
        for e in reversed(_read_log())
        if token is None or e["owner"] == owner(token)
    ]


# inside


def _in_order() -> Iterator[tuple[RunInfo, bool]]:
    """Yield runs in the order of deletion, and whether the whole run is deleted."""
    kept = list_runs()[0]
    earlier = {
        request.run for i in kept for request in i.setup.earlier
    }  # later requests begin with their results
    may = [i for i in kept if not (i.name or i.note or i.shared or i.owner is None)]
    unused = sorted((w, i.id, i) for i in may if (w := _last_written(i.id)) < time.time() - UNUSED_S)
    yield from ((i, False) for _, _, i in unused if i.phase is Phase.DONE)
    yield from ((i, True) for _, _, i in unused if i.id not in earlier)


def _last_written(run_id: str) -> float:
    """Return the time that a run was last written to."""
    folder = runs_home() / run_id
    times = []
    for name in ("run.json", "steps.jsonl", "frames"):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def _between(folder: RunFolder) -> list[Path]:
    return sorted(folder.states.glob("[0-9]*-[0-9]*.safetensors"))[1:-1]


def _thin(info: RunInfo) -> int:
    """Delete the states between the first and the last; return the bytes that were freed."""
    folder = RunFolder(runs_home() / info.id)
    if open_run_here(info.id) is not None:
        return 0
    freed = 0
    try:
        with lock_run(folder):
            for path in _between(folder):
                size = path.stat().st_size
                path.unlink()
                freed += size
    except (LabError, OSError) as error:
        log.warning("states of run %s stay: %s", info.id, error)
    return freed


def _remove(info: RunInfo) -> int:
    size = RunFolder(runs_home() / info.id).bytes
    try:
        remove_run(info.id)
    except LabError as error:
        log.warning("run %s stays: %s", info.id, error)
        return 0
    return size


def _read_log() -> list[dict[str, Any]]:
    try:
        found = json.loads((runs_home() / ".went.json").read_bytes())
        return [e for e in found if {"when", "what", "title", "id", "bytes", "owner"} <= set(e)]
    except (OSError, ValueError, TypeError):
        return []


def _note_deletion(info: RunInfo, whole: bool, freed: int) -> None:
    what = "all" if whole else "states in between"
    log.warning("kept runs are at their limit; deleted %s of run %s", what, info.id)
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "title": info.title,
        "id": info.id,
        "bytes": freed,
        "owner": info.owner,
    }
    write_bytes(runs_home() / ".went.json", json.dumps([*_read_log(), entry][-REMEMBERED:]).encode())
