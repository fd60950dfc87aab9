"""Detection of purges, also by other processes, so that a process drops purged data from its memory."""

from __future__ import annotations

import json
from pathlib import Path

from core.runtime.storage import home


def purges_folder() -> Path:
    """Return the folder of the manifests of all purges."""
    return home() / "purges"


def purge_generation() -> int:
    """Return a number that changes with each purge: the modification time of the folder of manifests."""
    try:
        return purges_folder().stat().st_mtime_ns
    except OSError:
        return 0


def purged_since(before: int) -> set[str]:
    """Return the names of the datasets that lost images to a purge after generation ``before``.

    These are the dataset of the request and each dataset in which the purge found the same content.
    """
    found: set[str] = set()
    for path in purges_folder().glob("*.json"):
        try:
            if path.stat().st_mtime_ns >= before:
                values = json.loads(path.read_bytes())
                found |= {str(values["dataset"]), *map(str, values.get("datasets", ()))}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


class PurgeWatch:
    """A check that reports each purge once to its owner."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def changed(self) -> bool:
        """Return whether there was a purge since the last call; the first call returns False."""
        before, self._seen = self._seen, purge_generation()
        return before is not None and before != self._seen
