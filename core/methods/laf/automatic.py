"""Settings of LAF found on the data at hand, from signals that need no label and no retrained model.

From one start (the frozen original and two fitted VAEs), short trials run with different lr_UE, lr_RA and τ. A stopping rule ends each,
and the one whose best reading scores best gives the settings and the number of steps. LAF's losses stay as they are. A run with the
same seed repeats the chosen trial to the bit, since a trial is a fork from the state that the run starts in.

The choice depends on images, on which of them to forget, on the original and on the seed. It reads no clock.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.config import LAFConfig, VAEConfig
from core.data.images import Images
from core.data.split import UnlabelledSplit
from core.errors import DivergedError, RequestError
from core.methods.laf.laf import LAF
from core.methods.laf.laf_step import LAFState
from core.methods.laf.signals import SignalProbe, Signals
from core.methods.laf.stopping import Decision, StoppingRule, decide, score
from core.models.base import Net
from core.runtime.device import computing
from core.runtime.progress import Progress, Work, run_to_end
from core.training.arithmetic import multiply_adds

CADENCE = {"class": 2, "data": 2, "indices": 2, "noise": 20}  # steps from one reading to the next
LONGEST = {"class": 80, "data": 40, "indices": 40, "noise": 440}  # steps of a trial
ENOUGH = 0.15, 0.95  # class removal: JS to p̃ and a_r about as retrained models have them end the search
WORK = 300e9  # multiply-adds of all trials that come to nothing: about 10 s of one core
_PASSES = 2 * 3  # of a step over its images: two losses, each forward and (twice the work) backward

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


def automatic(
    model: Net,
    split: UnlabelledSplit,
    task: str,
    *,
    seed: int = 0,
    unseen: Images | None = None,
    rule: StoppingRule | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> AutomaticSettings:
    """Return LAF's settings for unlearning D_f of ``split`` from ``model``; see ``find``."""
    return run_to_end(find(model, split, task, seed=seed, unseen=unseen, rule=rule), progress)


def find(
    model: Net,
    split: UnlabelledSplit,
    task: str,
    *,
    seed: int = 0,
    unseen: Images | None = None,
    rule: StoppingRule | None = None,
) -> Work[AutomaticSettings]:
    """Yield the Progress of finding LAF's settings, and return them.

    ``seed`` is the one that the run will have. ``unseen`` are images that no training saw; data removal and chosen images need them.
    Raises RequestError for an unknown task or a D_f without images.
    """
    if task not in FIRST:
        raise RequestError(f"unknown task {task!r}; there are: {', '.join(FIRST)}")
    if not len(split.forget_rows) or not len(split.remain_rows):
        raise RequestError("D_f and D_r need at least one image each to find settings for")
    search = _Search(model, split, task, seed, unseen, rule or StoppingRule())
    while (rates := search.next()) is not None:
        yield Progress("automatic", len(search.trials), 1 + len(BOLDER[task]), search.seconds)
        search.run(rates)
    return search.found()


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
        steps=LONGEST[task], lr_ue=lr_ue, lr_ra=lr_ra, temperature=temperature,
        batch_size=16 if noise and n <= 5000 else 32, vae=vae,
    )  # fmt: skip


class _Search:
    """The trials of one search, and the state that each is a fork of."""

    def __init__(
        self,
        model: Net,
        split: UnlabelledSplit,
        task: str,
        seed: int,
        unseen: Images | None,
        rule: StoppingRule,
    ) -> None:
        began = time.perf_counter()
        self.task, self.seed, self.rule = task, seed, rule
        self.base = start_config(split, task)
        self.trials: list[Trial] = []
        self.laf = LAF(self.base)
        with computing(self.base.threads):
            self.state: LAFState = self.laf.start(model, split, seed=seed)
            while self.laf.prepare(self.state, self.base) is not None:
                pass
            self.start: dict[str, Any] = copy.deepcopy(self.state.state_dict())
            self.probe = SignalProbe(model, split, task, unseen=unseen, seed=seed)
            self.first = self.probe.read(model, 0)
            self.original = decide(task, [self.first], rule)
        images = 2 * self.base.batch_size
        macs = multiply_adds(model, tuple(split.train.x.shape[1:]))
        self.step_work = _PASSES * images * macs
        self.seconds = time.perf_counter() - began

    def next(self) -> Rates | None:
        """Return the rates of the next trial; None when what was found is good enough, or the work is spent."""
        if not self.trials:
            return FIRST[self.task]
        if self.task == "class" and any(_is_enough(t.best) for t in self.trials):
            return None
        if self.original.stop:
            return None  # nothing to do
        borne = _was_borne(self.task, self.trials[0])
        left = (BOLDER if borne else GENTLER)[self.task][len(self.trials) - 1 :]
        return left[0] if left and self._longest() >= self._steps()[0] / 2 else None

    def _steps(self) -> list[int]:
        """Return how many steps each trial took."""
        return [len(t.signals) * CADENCE[self.task] for t in self.trials]

    def _longest(self) -> int:
        """Return how many steps the next trial may take: trials that lose may cost WORK in all, or what the longest costs."""
        if not self.trials:
            return LONGEST[self.task]
        taken = self._steps()
        allowed = max(int(WORK / self.step_work), max(taken)) - (sum(taken) - max(taken))
        return min(LONGEST[self.task], allowed)

    def run(self, rates: Rates) -> None:
        """Run one trial from the common start, to where the rule or its longest length ends it."""
        began = time.perf_counter()
        lr_ra, lr_ue, temperature = rates
        config = replace(self.base, lr_ra=lr_ra, lr_ue=lr_ue, temperature=temperature)
        self.state.load_state_dict(copy.deepcopy(self.start))
        signals: list[Signals] = []
        decision = Decision(False, None, "")
        with computing(self.base.threads):
            try:
                for number in range(1, self._longest() + 1):
                    self.laf.step(self.state, config)
                    if number % CADENCE[self.task]:
                        continue
                    signals.append(self.probe.read(self.state.model, number))
                    decision = decide(self.task, signals, self.rule)
                    if decision.stop:
                        break
            except DivergedError as error:
                decision = replace(decision, reason=str(error))
        best = decision.best
        steps = best.step if best else signals[-1].step if signals else 1
        self.trials.append(
            Trial(
                replace(config, steps=steps), tuple(signals), best, score(self.task, best) if best else None,
                decision.reason, time.perf_counter() - began,
            )
        )  # fmt: skip
        self.seconds += self.trials[-1].seconds

    def found(self) -> AutomaticSettings:
        """Return the settings of the best trial: of those that met the aim, else of the one that came nearest."""
        order = [_rank(self.task, t) for t in self.trials]
        chosen = order.index(min(order))
        trial = self.trials[chosen]
        nothing, why = self._nothing(trial)
        return AutomaticSettings(
            self.task, self.seed, trial.config, tuple(self.trials), chosen, trial.best is not None, nothing,
            why or _why(self.trials, chosen), self.seconds,
        )  # fmt: skip

    def _nothing(self, trial: Trial) -> tuple[bool, str]:
        """Return whether doing nothing is as near to retraining as ``trial``, and why."""
        if self.original.stop:
            return True, self.original.reason
        if self.task not in ("data", "indices"):
            return False, ""
        if trial.score is not None and trial.score < score(self.task, self.first):
            return False, ""
        return (
            True,
            f"no trial came nearer to retraining than the original is: doing nothing is as near ({trial.reason})",
        )


def _was_borne(task: str, trial: Trial) -> bool:
    """Return whether D_r bore a trial well and was given time, so that bolder rates may do better."""
    if not trial.signals:
        return False  # it diverged
    if trial.best is None:
        return trial.signals[-1].remain_agreement >= BORNE[task]
    return trial.best.remain_agreement >= BORNE[task] and trial.best.step >= QUICK


def _is_enough(best: Signals | None) -> bool:
    most, least = ENOUGH
    return (
        best is not None
        and best.distance is not None
        and best.distance <= most
        and best.remain_agreement >= least
    )


def _rank(task: str, trial: Trial) -> tuple[float, float]:
    """Return a key that sorts trials: those that met the aim by score, then the others by how far they are from it."""
    if trial.score is not None:
        return (0.0, trial.score)
    if not trial.signals:
        return (2.0, 0.0)
    last = trial.signals[-1]
    return (1.0, last.forget_agreement + 2 * (1 - last.remain_agreement))


def _why(trials: Sequence[Trial], chosen: int) -> str:
    trial = trials[chosen]
    c = trial.config
    rates = f"lr_UE {c.lr_ue:g}, lr_RA {c.lr_ra:g}, τ {c.temperature:g} and {c.steps} steps"
    if trial.best is None:
        return f"none of {len(trials)} trials reached the aim; {rates} came nearest: {trial.reason}"
    of = f"the best of {len(trials)} trials" if len(trials) > 1 else "one trial sufficed"
    return f"{rates}: {of}; {trial.reason}"
