"""What one browser tab holds; the only module that touches session_state."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core.data.datasets import load
from core.errors import LabError
from core.experiment import Experiment
from core.methods import METHODS
from core.methods.base import require_no_model
from core.prepared import Kept
from core.projection import UmapBackend
from core.run import Phase
from core.runner import Runner
from core.selection import Ids
from core.setup import Setup, usual_classes
from dashboard import scene
from dashboard.advice import Advice
from dashboard.attacking import Attacking
from dashboard.auditing import Auditing
from dashboard.comparing import Comparing
from dashboard.judging import Judging
from dashboard.picking import Picks, pick_scene
from dashboard.stream import Outbox


class Lab:
    """One tab's experiment and what of it the tab has been sent. Never shared with another tab."""

    def __init__(self, runner: Runner, umap: UmapBackend, map_runner: Runner, kept: Kept) -> None:
        self._runner = runner
        self._umap = umap
        self._map_runner = map_runner
        self._kept = kept
        self.comparing = Comparing(
            runner, self._experiment_of
        )  # of the page Compare; outlives a change of what is played
        self.auditing = Auditing(runner)
        self.judging = Judging(runner)
        self.attacking = Attacking(runner)
        self.open(Setup())

    def open(self, setup: Setup) -> None:
        """Replace the experiment; the old one's work stops."""
        if hasattr(self, "experiment"):
            self.experiment.close()
        self.token = secrets.token_hex(6)
        self._scene: bytes | None = None
        self._pick_scene: tuple[bytes, bytes] | None = None  # what it was made of, and it
        self._page: tuple[object, bytes] | None = None
        self.picked = Picks()  # on the Lab's map
        if not hasattr(self, "forget_set") or self.experiment.setup.dataset != setup.dataset:
            self.forget_set = Picks()  # of the page Forget set; ids of another dataset mean other images
        self.mode = "fixed"  # which map the browser shows: a new token begins on the fixed one
        self.outbox = Outbox()
        self.experiment = Experiment(
            setup, self._runner, self._umap, map_runner=self._map_runner, kept=self._kept
        )
        self.experiment.start()
        self.advice: Advice = getattr(self, "advice", None) or Advice(self._runner)

    def _experiment_of(self, setup: Setup) -> tuple[Experiment, bool]:
        """An experiment of these images and this model: the one that is played where it will do, or another, and whether it is."""
        mine = self.experiment
        if replace(mine.setup, method=setup.method) == setup and mine.run is not None:
            return mine, False
        other = Experiment(setup, self._runner, self._umap, map_runner=self._map_runner, kept=self._kept)
        other.start()
        return other, True

    def change(self, setup: Setup, *, usual: bool = False) -> str | None:
        """Open ``setup`` if it can be; else leave everything as it is and say in a sentence why not.

        ``usual``: with the classes that its task forgets of this dataset unless told.
        """
        try:
            dataset = load(setup.dataset, data_dir=setup.data_dir)
            if usual:
                setup = replace(setup, classes=usual_classes(setup.task, len(dataset.classes)))
            split = setup.split(dataset)
            setup.config(split)
            if setup.model is not None:
                require_no_model(METHODS[setup.method])
        except LabError as error:
            return str(error)
        self.open(setup)
        return None

    def forget_these(self, ids: Iterable[int]) -> str | None:
        """Open the same data with these images to forget; as ``change``."""
        chosen = tuple(int(i) for i in ids)
        return self.change(
            replace(self.experiment.setup, task="indices", ids=chosen, classes=(), fraction=None, plant=None)
        )

    def close(self) -> None:
        """The tab is gone."""
        self.experiment.close()
        self.advice.close()
        self.comparing.close()
        self.auditing.close()
        self.judging.close()
        self.attacking.close()

    def scene(self) -> bytes:
        """What does not move; packed once."""
        if self.experiment.run is None:
            return scene.scene(self.experiment, self.token)
        if self._scene is None:
            self._scene = scene.scene(self.experiment, self.token)
        return self._scene

    def pick_scene(self) -> bytes:
        """The same as a map to pick from; packed once."""
        scene = self.scene()
        if self._pick_scene is None or self._pick_scene[0] is not scene:
            self._pick_scene = (scene, pick_scene(scene))
        return self._pick_scene[1]

    def keep_page(self, key: object, make: Callable[[], bytes]) -> bytes:
        """The gallery's page called ``key``; made when it is another than last time."""
        key = (self.token, key)
        if self._page is None or self._page[0] != key:
            self._page = (key, make())
        return self._page[1]

    @property
    def map_ids(self) -> Ids:
        """(N,) the ids of the points on the map; none before there is one."""
        observer, split = self.experiment.observer, self.experiment.split
        if self.experiment.run is None or observer is None or split is None:
            return np.zeros(0, np.int64)
        ids: Ids = split.train.ids[observer.rows].cpu().numpy()
        return ids

    @property
    def phase(self) -> Phase | None:
        """Of the run and its fork together; None while the experiment is being prepared."""
        return self.experiment.phase

    def pulse(self) -> tuple[Any, ...]:
        """What the buttons and the stage depend on: when it changes, the whole page is drawn again."""
        e = self.experiment
        return (
            self.token,
            e.life,
            self.phase,
            e.error is not None,
            len(e.references),
            self.busy,
            self.is_preparing,
            e.forks,
            e.fork_run is None,
        )

    @property
    def busy(self) -> bool:
        """Whether something happens that the page must poll for."""
        e = self.experiment
        if e.error is not None and e.run is None:
            return False
        if e.run is None or e.work or e.phase is Phase.RUNNING:
            return True
        if e.noise is None and e.references:
            return True
        behind = self.outbox.is_behind(e)
        return behind or self.outbox.revision != e.revision or self.follow_is_behind

    @property
    def is_preparing(self) -> bool:
        """Whether a model is being trained behind the page, and no frame is on its way or wanted."""
        e = self.experiment
        if e.run is None:
            return True
        behind = self.outbox.is_behind(e) or self.follow_is_behind
        return bool(e.work) and e.phase is not Phase.RUNNING and not behind

    @property
    def follow_is_behind(self) -> bool:
        """Whether the follow map is wanted and not there for all frames."""
        e = self.experiment
        if self.mode != "follow" or e.run is None or e.closed:
            return False
        if e.follow is None:
            return True
        waits = bool(e.references) and e.follow.retrained is None
        return len(e.follow.positions) < len(e.run.frames) or self.outbox.follow < len(e.run.frames) or waits


def remember(key: str, value: Any) -> None:
    """Keep ``value`` for this tab under ``key``."""
    st.session_state[key] = value


def recall(key: str, default: Any = None) -> Any:
    """What was kept under ``key``."""
    return st.session_state.get(key, default)


def recall_and_forget(key: str) -> Any:
    """What was kept under ``key``, once."""
    return st.session_state.pop(key, None)
