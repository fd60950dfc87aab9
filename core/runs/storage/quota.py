"""The room that all kept runs together may take, and what goes first when it is used up.

The limit is ``$LAF_RUNS_MB`` (default 5,000; 0: none). It is looked at when another run begins to be kept. Then, until the runs fit:

1. of finished runs, the states between the first and the last go: such a run is played, continued and forked as before, only slower;
2. whole runs go;
3. where that is not enough, the new run is not kept, and says so.

Each begins with the run that was left alone longest. A run goes only if it has no name and no note, is not shared, was made in a
browser, is not open, and was not written to for a day. The page Runs and `laf runs list` tell the rule, and afterwards what went.
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
from core.runs.storage.index import RunInfo, list_runs, remove_run
from core.runs.storage.recorder import held_here, hold
from core.runs.storage.run_folder import RunFolder, is_run_id, runs_home
from core.runtime.ownership import owner
from core.runtime.storage import write_bytes

log = logging.getLogger(__name__)

VARIABLE = "LAF_RUNS_MB"
DEFAULT_MB = 5000
NEAR = 0.8  # of the limit: from here on the next to go is named
ALONE_S = 86_400.0  # a run that was written to within a day stays
REMEMBERED = 20  # things that went, told afterwards


@dataclass(frozen=True)
class StorageQuota:
    """What kept runs take, in bytes, and what they may take; None without a limit."""

    used: int
    limit: int | None

    @property
    def is_near(self) -> bool:
        """Whether the limit is near enough to say what goes next."""
        return self.limit is not None and self.used >= NEAR * self.limit

    def describe(self) -> str:
        """One sentence on the size, one on what goes first."""
        if self.limit is None:
            return f"Kept runs take {megabytes(self.used)} in all, without a limit (${VARIABLE} is 0)."
        return (
            f"Kept runs take {megabytes(self.used)} of {megabytes(self.limit)} (${VARIABLE}). When that is full, states in between of the "
            "oldest finished runs go first, then the oldest runs; never one that has a name or a note, is shared, came from laf run --save, "
            "is open, or was written to within a day."
        )


def megabytes(size: float) -> str:
    """A size as it is told: "8.4 MB"."""
    return f"{size / 1e6:,.1f} MB"


def limit() -> int | None:
    """The most bytes that all kept runs may take; None: as many as they want. Raises RequestError for a limit that is no number."""
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


def room() -> StorageQuota:
    """How much is used, and how much may be. Raises RequestError as ``limit``."""
    return StorageQuota(sum(folder.bytes for folder in _folders()), limit())


def make_room() -> None:
    """Let go what may go, in order, until kept runs fit their limit. Raises DataError when they do not fit even so."""
    now = room()
    if now.limit is None or now.used < now.limit:
        return
    used = now.used
    for info, whole in _in_order():
        if used < now.limit:
            return
        freed = _remove(info) if whole else _thin(info)
        if freed:
            used -= freed
            _remember(info, whole, freed)
    if used >= now.limit:
        raise StoreError(
            f"kept runs take {megabytes(used)} of {megabytes(now.limit)}, and none of them may go by itself; delete some on the page Runs "
            f"or with `laf runs rm`, or set {VARIABLE} higher"
        )


def next_to_go(most: int = 3) -> list[str]:
    """What would go first, in words, if the limit were reached now; no more than ``most``."""
    found = []
    for info, whole in _in_order():
        if whole or _between(RunFolder(runs_home() / info.id)):
            found.append(f"{'all' if whole else 'states in between'} of {info.title} ({info.id})")
        if len(found) == most:
            break
    return found


def went(token: str | None = None) -> list[str]:
    """What has gone, in words, the last first: of the browser with ``token``, or all (None: a terminal)."""
    return [
        f"{e['when'][:10]}: {e['what']} of {e['title']} ({e['id']}) went, {megabytes(e['bytes'])}, since kept runs were at their limit"
        for e in reversed(_memory())
        if token is None or e["owner"] == owner(token)
    ]


# inside


def _folders() -> list[RunFolder]:
    root = runs_home()
    return [RunFolder(p) for p in root.iterdir() if is_run_id(p.name)] if root.is_dir() else []


def _in_order() -> Iterator[tuple[RunInfo, bool]]:
    """Runs in the order they go, and whether the whole run does."""
    may = [i for i in list_runs()[0] if not (i.name or i.note or i.shared or i.owner is None)]
    alone = sorted((w, i.id, i) for i in may if (w := _written(i.id)) < time.time() - ALONE_S)
    yield from ((i, False) for _, _, i in alone if i.phase is Phase.DONE)
    yield from ((i, True) for _, _, i in alone)


def _written(run_id: str) -> float:
    """When it was last written to."""
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
    """Delete the states between the first and the last; the bytes that were freed."""
    folder = RunFolder(runs_home() / info.id)
    if held_here(info.id) is not None:
        return 0
    freed = 0
    try:
        lock = hold(folder)
        try:
            for path in _between(folder):
                size = path.stat().st_size
                path.unlink()
                freed += size
        finally:
            if lock is not None:
                lock.close()
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


def _memory() -> list[dict[str, Any]]:
    try:
        found = json.loads((runs_home() / ".went.json").read_bytes())
        return [e for e in found if {"when", "what", "title", "id", "bytes", "owner"} <= set(e)]
    except (OSError, ValueError, TypeError):
        return []


def _remember(info: RunInfo, whole: bool, freed: int) -> None:
    what = "all" if whole else "states in between"
    log.warning("kept runs are at their limit: %s of run %s went", what, info.id)
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, "title": info.title,
        "id": info.id, "bytes": freed, "owner": info.owner,
    }  # fmt: skip
    write_bytes(runs_home() / ".went.json", json.dumps([*_memory(), entry][-REMEMBERED:]).encode())
