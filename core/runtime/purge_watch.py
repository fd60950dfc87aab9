"""Whether something was purged since, perhaps by another process: what is held in memory of it must go, too."""

from __future__ import annotations

import json
from pathlib import Path

from core.runtime.storage import home


def purges_home() -> Path:
    """Where the manifests of all purges lie."""
    return home() / "purges"


def generation() -> int:
    """Another number after each purge; one look at a folder."""
    try:
        return purges_home().stat().st_mtime_ns
    except OSError:
        return 0


def purged_since(before: int) -> set[str]:
    """Return the datasets of which something was purged after generation ``before``, named by a request or found by content."""
    found: set[str] = set()
    for path in purges_home().glob("*.json"):
        try:
            if path.stat().st_mtime_ns >= before:
                values = json.loads(path.read_bytes())
                found |= {str(values["dataset"]), *map(str, values.get("datasets", ()))}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


class PurgeWatch:
    """Says once of each purge that there was one."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def changed(self) -> bool:
        """Whether something was purged since the last time this was asked."""
        before, self._seen = self._seen, generation()
        return before is not None and before != self._seen
