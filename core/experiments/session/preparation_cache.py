"""PreparationCache: what was prepared for a Setup, shared by the Experiments of one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from core.data.images import Dataset
from core.data.split import Split
from core.experiments.automatic_run import AutomaticRecord
from core.experiments.outcome.trial_paths import TrialPath
from core.models.base import Net
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.runs.records import Frame
from core.runs.setup import Setup
from core.runtime.purge_watch import PurgeWatch, purge_generation
from core.training.recipe import LearningCheck


@dataclass(frozen=True, eq=False)
class Reference:
    """A retrained model with a frame that the run's Observer made of it."""

    model: Net
    frame: Frame
    seconds: float  # of retraining
    # mean cosine to the original on held-out D_r, once turned into its coordinates; None: not turned
    fit: float | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that a Setup needs before a run. Immutable, so that the Experiments of a process may share it."""

    dataset: Dataset
    split: Split
    config: Any  # of the method
    model: Net
    observer: Observer
    projection: Projection
    map_key: str
    references: tuple[Reference, ...] = ()
    learning: LearningCheck | None = None  # whether the original has learnt
    automatic: AutomaticRecord | None = None  # where the settings were found on these images
    trials: tuple[TrialPath, ...] = ()  # of the search for them
    generation: int = 0  # of ``core.runtime.purge_watch``, when its images were read


class PreparationCache:
    """The last few Setups that were prepared, so that a second page of one shows its map at once.

    An Experiment claims a Setup while it prepares it. A class that opens one address at once makes model, map and references once.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._found: OrderedDict[Setup, Prepared] = OrderedDict()
        self._lock = Lock()
        self._makers: dict[Setup, object] = {}
        self._waiting: dict[Setup, dict[object, Callable[[], None]]] = {}
        self._purged = PurgeWatch()

    def get(self, setup: Setup) -> Prepared | None:
        """Return what was prepared for ``setup``, or None."""
        with self._lock:
            self._drop_purged()
            if setup in self._found:
                self._found.move_to_end(setup)
            return self._found.get(setup)

    def put(self, setup: Setup, prepared: Prepared) -> None:
        """Keep ``prepared`` and drop the entry unused longest. What was read before a purge is not kept."""
        with self._lock:
            self._drop_purged()
            if prepared.generation != purge_generation():
                return
            self._found[setup] = prepared
            self._found.move_to_end(setup)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
            waiting = self._waiting.pop(setup, {})
        _call(waiting)

    def claim(self, setup: Setup, who: object, again: Callable[[], None]) -> bool:
        """Return whether ``who`` makes what is missing of ``setup``; if not, ``again`` is called once there is more."""
        with self._lock:
            if self._makers.setdefault(setup, who) is who:
                return True
            self._waiting.setdefault(setup, {})[who] = again
            return False

    def release(self, who: object) -> None:
        """Give up the claims of ``who``; all that wait for it are called."""
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


class SetupClaim:
    """One Experiment's use of a PreparationCache for its setup; without a cache it makes everything itself."""

    def __init__(self, setup: Setup, cache: PreparationCache | None) -> None:
        self._setup = setup
        self._cache = cache

    def get(self) -> Prepared | None:
        """Return what was prepared for the setup, or None."""
        return None if self._cache is None else self._cache.get(self._setup)

    def put(self, prepared: Prepared) -> None:
        """Keep ``prepared`` for other Experiments."""
        if self._cache is not None:
            self._cache.put(self._setup, prepared)

    def claim(self, again: Callable[[], None]) -> bool:
        """Return whether this Experiment makes what is missing; if not, ``again`` is called once there is more."""
        return self._cache is None or self._cache.claim(self._setup, self, again)

    def release(self) -> None:
        """Make nothing any more and wait for nothing, so that another Experiment goes on."""
        if self._cache is not None:
            self._cache.release(self)


def _call(waiting: dict[object, Callable[[], None]]) -> None:
    for again in waiting.values():
        again()
