"""What Experiments of one process share: everything a Setup leads to before anybody plays."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from core.data.images import Dataset
from core.data.split import Split
from core.models import Net
from core.observer import Observer
from core.projection import Projection
from core.purged import Watch, generation
from core.setup import Setup
from core.tasks import Reference


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a Setup leads to before anybody plays. Immutable, so that the Experiments of a process may share it."""

    dataset: Dataset
    split: Split
    config: Any  # of the method
    model: Net
    observer: Observer
    projection: Projection
    map_key: str
    references: tuple[Reference, ...] = ()
    generation: int = 0  # of ``core.purged``, when its images were read


class Kept:
    """The last few Setups that were prepared: a second page of the same one shows its map at once."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._found: OrderedDict[Setup, Prepared] = OrderedDict()
        self._lock = Lock()
        self._purged = Watch()

    def get(self, setup: Setup) -> Prepared | None:
        """What was prepared for ``setup``, or None."""
        with self._lock:
            self._drop_purged()
            if setup in self._found:
                self._found.move_to_end(setup)
            return self._found.get(setup)

    def put(self, setup: Setup, prepared: Prepared) -> None:
        """Keep ``prepared``; the one asked for longest ago goes. What was read before a purge is not kept."""
        with self._lock:
            self._drop_purged()
            if prepared.generation != generation():
                return
            self._found[setup] = prepared
            self._found.move_to_end(setup)
            while len(self._found) > self._most:
                self._found.popitem(last=False)

    def _drop_purged(self) -> None:
        if self._purged.changed():
            self._found.clear()
