"""Trials of LAF's settings: the rates to try, what a trial leaves, and which trial is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from core.config import LAFConfig, VAEConfig
from core.data.split import UnlabelledSplit
from core.methods.laf.automatic.signals import Signals
from core.methods.laf.automatic.stopping import StoppingRule, score

CADENCE = {"class": 2, "data": 2, "indices": 2, "noise": 20}  # steps from one reading to the next
FAR = 0.2  # class removal: while more of D_f still gets an answer to forget, every second reading is left out
SLOW = 240  # noisy labels: up to this step, likewise
LONGEST = {"class": 80, "data": 40, "indices": 40, "noise": 440}  # steps of a trial
ENOUGH = 0.15, 0.95  # class removal: JS to p̃ and a_r about as retrained models have them end the search
WHOLE = 0.95  # noisy labels: with so much of the way done, likewise

Rates = tuple[float, float, float]  # (lr_RA, lr_UE, τ)
FIRST: dict[str, Rates] = {
    "class": (3e-3, 1e-3, 15.0),
    "data": (1e-3, 3e-4, 7.0),
    "noise": (4.8e-3, 2.4e-3, 15.0),
}
# after a first trial that D_r bore well; and after one that cost D_r much, or was there within a few steps
BOLDER: dict[str, tuple[Rates, ...]] = {
    "class": ((1e-2, 1e-4, 30.0), (6e-3, 1e-3, 15.0)),
    "data": ((3e-3, 1e-3, 7.0), (9e-3, 3e-3, 7.0)),
    "noise": ((4.8e-3, 1.2e-3, 4.0),),
}
GENTLER: dict[str, tuple[Rates, ...]] = {
    "class": ((1e-3, 2e-4, 10.0),),
    "data": ((3e-4, 1e-4, 5.0), (1e-4, 3e-5, 5.0)),
    "noise": ((2.4e-3, 8e-4, 4.0), (8e-4, 4e-4, 7.0)),
}
STILL: Rates = (1e-6, 1e-6, 15.0)  # one step of these, where doing nothing is best, moves no answer
# class removal, after the gentler trial: where it was done within few steps, where it cost D_r much still, and where it left D_f its answers
SLOWER: Rates = (1e-3, 1e-4, 15.0)
GENTLEST: Rates = (3e-4, 6e-5, 10.0)
# class removal, where the first trial left D_f its answers to the end; the quick one first, since little work may be left
FIRMER: tuple[Rates, ...] = ((6e-3, 1e-3, 10.0), (3e-3, 3e-4, 10.0))
BETWEEN: Rates = (2e-3, 5e-4, 12.0)
FIRST["indices"] = FIRST["data"]
BOLDER["indices"] = BOLDER["data"]
GENTLER["indices"] = GENTLER["data"]
NOT_SEEN = "On this data LAF was not seen to mend the answers"
SEEN_PARTLY = "On this data LAF was seen to mend only a part of the answers"
NOT_SURE = (
    "On this data it was not seen how many answers LAF mended, since similar images err as the original does"
)
NO_HARM = "one step at a rate of 1e-6 leaves the model as it is"
TRUSTED = 16  # steps: a trial that lost D_r by then hardly recovers
OVER = 0.05  # of D_f: with fewer answers to forget left, more forgetting is not what a trial lacks
QUICK = 24  # steps: after a first trial that needed fewer, gentler rates come before bolder ones
BORNE = {
    "class": 0.97,
    "data": 0.97,
    "indices": 0.97,
    "noise": 0.95,
}  # of the images kept at the best reading


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

    @property
    def shown(self) -> Signals | None:
        """The best reading, or else the one nearest to the aim, which ``model_state`` belongs to; None: the trial has none."""
        return next((s for s in self.signals if s.step == self.config.steps), None)

    @property
    def length(self) -> int:
        """Number of steps that the trial took up to its last reading."""
        return self.signals[-1].step if self.signals else 0


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
    return kept(trial.best) >= BORNE[task] and trial.best.step >= QUICK


def kept(s: Signals) -> float:
    """Return the share of images that keep the original's answer at ``s``: of D_r or, where it is less, of unseen images."""
    return s.remain_agreement if s.unseen_agreement is None else min(s.remain_agreement, s.unseen_agreement)


def start_config(split: UnlabelledSplit, task: str) -> LAFConfig:
    """Return settings for the start that all trials share: the VAEs and the batches, by the number of images and their channels."""
    n, channels = len(split.train), split.train.x.shape[1]
    batch = 128 if n <= 5000 else 256
    epochs = min(30, max(3, math.ceil(350 * batch / n)))
    lr_ra, lr_ue, temperature = FIRST[task]
    noise = task == "noise"
    vae = VAEConfig(
        latent=(4 if noise else 8) if channels == 1 else 16,
        epochs=max(3, epochs // 3) if noise else epochs,
        batch_size=batch,
        lr=3e-3,
        output="sigmoid" if noise else "linear",
    )
    return LAFConfig(
        steps=LONGEST[task],
        lr_ue=lr_ue,
        lr_ra=lr_ra,
        temperature=temperature,
        batch_size=16 if noise and n <= 5000 else 32,
        vae=vae,
    )


def is_due(task: str, number: int, signals: Sequence[Signals]) -> bool:
    """Return whether a reading is due after ``number`` steps of a trial that has read ``signals``; those far from the aim are spared."""
    far = task == "class" and bool(signals) and signals[-1].forget_agreement > FAR
    early = task == "noise" and number < SLOW
    since = number - (signals[-1].step if signals else 0)
    return since >= CADENCE[task] * (2 if far or early else 1)


def following(task: str, trials: Sequence[Trial]) -> Rates | None:
    """Return the rates to try after ``trials``, at least one; None when there are no more."""
    planned = _planned(task, trials)
    return planned[len(trials) - 1] if len(trials) <= len(planned) else None


def _planned(task: str, trials: Sequence[Trial]) -> list[Rates]:
    """Return the rates of all trials after the first, as far as they are known from ``trials``."""
    first = trials[0]
    left = task == "class" and first.best is None and bool(first.signals)
    if left and not is_too_bold(task, first.signals, ENOUGH[1]):
        return [*FIRMER]
    if was_borne(task, first):
        return [*BOLDER[task]]
    planned = [*GENTLER[task]]
    gentle = trials[1].shown if len(trials) > 1 else None
    if task != "class" or gentle is None:
        return planned
    if gentle.forget_agreement > OVER:
        planned.append(BETWEEN)
    elif trials[1].best is not None and gentle.step <= QUICK:
        planned.append(SLOWER)
    if gentle.forget_agreement <= OVER and kept(gentle) < BORNE[task]:
        planned.append(GENTLEST)
    if first.best is not None and kept(first.best) >= BORNE[task]:
        planned.append(BOLDER[task][-1])  # it was quick, and cost little
    return planned


def is_too_bold(task: str, signals: Sequence[Signals], least: float) -> bool:
    """Return whether a trial has lost D_r, from which such rates hardly recover; in class removal, after D_f is forgotten.

    ``least``: the share of D_r that must keep the original's answer.
    """
    if task not in ("class", "noise") or not signals or signals[-1].step < TRUSTED or len(signals) < 3:
        return False
    if task == "class" and signals[-1].forget_agreement > OVER:
        return False
    return all(s.remain_agreement < least for s in signals[-3:])


def is_enough(task: str, best: Signals | None) -> bool:
    """Return whether no trial is needed after one with this best reading.

    In class removal it is about as retrained models have it. With noisy labels D_f gets the answers voted for, and D_r bore it well.
    """
    if best is None or task not in ("class", "noise"):
        return False
    if task == "noise":
        return (best.mended or 0.0) >= WHOLE and best.remain_agreement >= BORNE["noise"]
    most, least = ENOUGH
    return best.distance is not None and best.distance <= most and kept(best) >= least


def is_still(trial: Trial) -> bool:
    """Return whether ``trial`` is the one step that leaves the model as it is."""
    c = trial.config
    return (c.lr_ra, c.lr_ue, c.temperature) == STILL


def nearest(task: str, signals: Sequence[Signals]) -> Signals:
    """Return the reading nearest to the aim, of a trial in which none met it; for data removal and chosen images the last."""
    return (
        min(signals, key=lambda s: _distance_to_aim(task, s)) if task in ("class", "noise") else signals[-1]
    )


def _distance_to_aim(task: str, s: Signals) -> float:
    if task == "noise":
        return score(task, s) + (0.0 if s.remain_agreement >= StoppingRule.kept else 1.0)
    return s.forget_agreement + 2 * (1 - s.remain_agreement)


def rank(task: str, trial: Trial) -> tuple[float, float]:
    """Return a key that sorts trials: those that met the aim by score, then the others by how far they are from it."""
    if trial.score is not None:
        return (0.0, trial.score)
    return (2.0, 0.0) if trial.shown is None else (1.0, _distance_to_aim(task, trial.shown))


def describe(trials: Sequence[Trial], chosen: int) -> str:
    """Return in one sentence why the settings of ``trials[chosen]`` are taken."""
    trial = trials[chosen]
    c = trial.config
    rates = f"lr_UE {c.lr_ue:g}, lr_RA {c.lr_ra:g}, τ {c.temperature:g} and {c.steps} steps"
    if trial.best is None:
        return f"none of {len(trials)} trials reached the aim; {rates} came nearest: {trial.reason}"
    of = f"the best of {len(trials)} trials" if len(trials) > 1 else "one trial sufficed"
    return f"{rates}: {of}; {trial.reason}"


def how_much_mended(trial: Trial, sure: bool) -> str:
    """Return the beginning of the sentence on noisy labels that says how much ``trial`` was seen to mend; "" where it met the aim.

    ``sure``: whether the votes of D_r can count the answers that were mended.
    """
    if trial.best is not None:
        return "" if sure else f"{NOT_SURE}: "
    seen = trial.shown is not None and trial.shown.mended is not None
    return f"{SEEN_PARTLY if seen else NOT_SEEN}: "
