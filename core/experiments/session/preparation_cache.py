"""What Experiments of one process share: everything a Setup leads to before anybody plays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from core.data.images import Dataset
from core.data.split import Split
from core.models.base import Net
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.runs.records import Frame
from core.runs.setup import Setup
from core.runtime.purge_watch import PurgeWatch, generation


@dataclass(frozen=True, eq=False)
class Reference:
    """A retrained model, looked at through the same Observer as the run."""

    model: Net
    frame: Frame
    seconds: float  # retraining took, when it was done
    fit: float | None = (
        None  # mean cosine to the original on held-out D_r once turned into its coordinates; None: not turned
    )


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
    generation: int = 0  # of ``core.runtime.purge_watch``, when its images were read


class PreparationCache:
    """The last few Setups that were prepared: a second page of the same one shows its map at once.

    What is being prepared is claimed, so that a class that opens one address at once makes its model, map and references once.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._found: OrderedDict[Setup, Prepared] = OrderedDict()
        self._lock = Lock()
        self._makers: dict[Setup, object] = {}
        self._waiting: dict[Setup, dict[object, Callable[[], None]]] = {}
        self._purged = PurgeWatch()

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
            waiting = self._waiting.pop(setup, {})
        _call(waiting)

    def claim(self, setup: Setup, who: object, again: Callable[[], None]) -> bool:
        """Whether ``who`` is to make what is missing of ``setup``; else ``again`` is called once, when there is more of it."""
        with self._lock:
            if self._makers.setdefault(setup, who) is who:
                return True
            self._waiting.setdefault(setup, {})[who] = again
            return False

    def release(self, who: object) -> None:
        """``who`` makes nothing any more and waits for nothing; who waits for it looks again."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.pop(who, None)
            mine = [setup for setup, maker in self._makers.items() if maker is who]
            for setup in mine:
                del self._makers[setup]
            left = [self._waiting.pop(setup, {}) for setup in mine]
        for waiting in left:
            _call(waiting)

    def _drop_purged(self) -> None:
        if self._purged.changed():
            self._found.clear()


def _call(waiting: dict[object, Callable[[], None]]) -> None:
    for again in waiting.values():
        again()
