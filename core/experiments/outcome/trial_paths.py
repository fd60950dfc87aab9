"""TrialPath: one trial of the search for settings, as the map and the curves draw it beside the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from core.config import LAFConfig
from core.methods.laf.automatic.signals import Signals
from core.methods.laf.automatic.trials import AutomaticSettings, Trial
from core.models.base import Net, outputs
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.training.supervised import copy_of


@dataclass(frozen=True, eq=False)
class TrialPath:
    """One trial: its settings and its end in words, its signals, and where its best model puts the points of the map."""

    number: int  # from 1
    is_chosen: bool
    score: float | None  # lower is better; None: it did not meet the task's aim
    reason: str  # why it stopped, in one sentence
    settings: str  # in words
    config: LAFConfig  # with as many steps as its best reading had
    steps: tuple[int, ...]  # of its readings
    signals: Mapping[str, tuple[float | None, ...]]  # by field of Signals, one value for each reading
    positions: np.ndarray | None  # (N, 2) float32, rows as the Observer's; None where the model is not known
    seconds: float


def trial_paths(
    found: AutomaticSettings, model: Net, observer: Observer, projection: Projection
) -> Iterator[TrialPath]:
    """Yield the path of each trial in order; ``model`` is the original that all began with."""
    for index, trial in enumerate(found.trials):
        yield TrialPath(
            number=index + 1,
            is_chosen=index == found.chosen,
            score=trial.score,
            reason=trial.reason,
            settings=settings_in_words(trial.config),
            config=trial.config,
            steps=tuple(s.step for s in trial.signals),
            signals={
                f.name: tuple(getattr(s, f.name) for s in trial.signals)
                for f in fields(Signals)
                if f.name != "step"
            },
            positions=_positions(trial, model, observer, projection),
            seconds=trial.seconds,
        )


def settings_in_words(config: LAFConfig) -> str:
    """Return the settings that trials differ in, as in "lr_UE 0.001, lr_RA 0.003, τ 15, 24 steps"."""
    return f"lr_UE {config.lr_ue:g}, lr_RA {config.lr_ra:g}, τ {config.temperature:g}, {config.steps} steps"


def _positions(trial: Trial, model: Net, observer: Observer, projection: Projection) -> np.ndarray | None:
    """Return the places (N, 2) of the trial's best model on the map; None without its weights, or where they diverged."""
    if trial.model_state is None:
        return None
    twin = copy_of(model).eval()
    twin.load_state_dict(trial.model_state)
    images = observer.evaluator.split.train.take(observer.rows)
    e = outputs(twin, images, batch_size=observer.config.batch_size).representations
    if not bool(e.isfinite().all()):
        return None
    return projection.place(e).positions
