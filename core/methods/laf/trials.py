"""Trials of LAF's settings: the rates to try, what a trial leaves, and which trial is the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from core.config import LAFConfig
from core.methods.laf.signals import Signals

CADENCE = {"class": 2, "data": 2, "indices": 2, "noise": 20}  # steps from one reading to the next
LONGEST = {"class": 80, "data": 40, "indices": 40, "noise": 440}  # steps of a trial
ENOUGH = 0.15, 0.95  # class removal: JS to p̃ and a_r about as retrained models have them end the search

Rates = tuple[float, float, float]  # (lr_RA, lr_UE, τ)
FIRST: dict[str, Rates] = {
    "class": (3e-3, 1e-3, 15.0),
    "data": (1e-3, 3e-4, 7.0),
    "noise": (2.4e-3, 1.2e-3, 7.0),
}
# after a first trial that D_r bore well; and after one that cost D_r much, or was there within a few steps
BOLDER: dict[str, tuple[Rates, ...]] = {
    "class": ((6e-3, 2e-3, 15.0), (6e-3, 1e-3, 15.0), (1e-2, 1e-4, 30.0), (6e-3, 1e-3, 30.0)),
    "data": ((3e-3, 1e-3, 7.0), (9e-3, 3e-3, 7.0)),
    "noise": ((4.8e-3, 2.4e-3, 15.0),),
}
GENTLER: dict[str, tuple[Rates, ...]] = {
    "class": ((1e-3, 2e-4, 10.0), (3e-3, 3e-4, 10.0)),
    "data": ((3e-4, 1e-4, 5.0), (1e-4, 3e-5, 5.0)),
    "noise": ((8e-4, 4e-4, 7.0), (3e-4, 3e-4, 7.0)),
}
FIRST["indices"] = FIRST["data"]
BOLDER["indices"] = BOLDER["data"]
GENTLER["indices"] = GENTLER["data"]
QUICK = 24  # steps: a first trial that needed fewer leaves no room for bolder rates
BORNE = {"class": 0.97, "data": 0.97, "indices": 0.97, "noise": 0.95}  # a_r of the best reading


@dataclass(frozen=True)
class Trial:
    """A short fork from the common start: its settings, what it read on the way, and how it ended."""

    config: LAFConfig  # with as many steps as its best reading had
    signals: tuple[Signals, ...]
    best: Signals | None  # None: no reading met the task's aim
    score: float | None  # of ``best``; lower is better
    reason: str  # why it stopped, in one sentence
    seconds: float = field(default=0.0, compare=False)
    # weights at the best reading (at the last one where none met the aim), on the CPU, to draw the trial on a map; None: it diverged
    model_state: dict[str, Tensor] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class AutomaticSettings:
    """Settings that were found, with the trials that they were chosen from."""

    task: str
    seed: int
    config: LAFConfig
    trials: tuple[Trial, ...]
    chosen: int  # of ``trials``
    met: bool  # whether the chosen trial met the task's aim
    nothing_to_do: bool  # whether doing nothing is as near to retraining, as far as signals can tell
    reason: str  # why these settings, in one sentence
    seconds: float = field(default=0.0, compare=False)


def was_borne(task: str, trial: Trial) -> bool:
    """Return whether D_r bore a trial well and was given time, so that bolder rates may do better."""
    if not trial.signals:
        return False  # it diverged
    if trial.best is None:
        return trial.signals[-1].remain_agreement >= BORNE[task]
    return trial.best.remain_agreement >= BORNE[task] and trial.best.step >= QUICK


def is_enough(best: Signals | None) -> bool:
    """Return whether a best reading of class removal is about as retrained models have it, so that no other trial is needed."""
    most, least = ENOUGH
    return (
        best is not None
        and best.distance is not None
        and best.distance <= most
        and best.remain_agreement >= least
    )


def rank(task: str, trial: Trial) -> tuple[float, float]:
    """Return a key that sorts trials: those that met the aim by score, then the others by how far they are from it."""
    if trial.score is not None:
        return (0.0, trial.score)
    if not trial.signals:
        return (2.0, 0.0)
    last = trial.signals[-1]
    return (1.0, last.forget_agreement + 2 * (1 - last.remain_agreement))


def describe(trials: Sequence[Trial], chosen: int) -> str:
    """Return in one sentence why the settings of ``trials[chosen]`` are taken."""
    trial = trials[chosen]
    c = trial.config
    rates = f"lr_UE {c.lr_ue:g}, lr_RA {c.lr_ra:g}, τ {c.temperature:g} and {c.steps} steps"
    if trial.best is None:
        return f"none of {len(trials)} trials reached the aim; {rates} came nearest: {trial.reason}"
    of = f"the best of {len(trials)} trials" if len(trials) > 1 else "one trial sufficed"
    return f"{rates}: {of}; {trial.reason}"
