"""Settings of LAF found on the data at hand, from signals that need no label and no retrained model.

From one start (the frozen original and two fitted VAEs), short trials run with different lr_UE, lr_RA and τ. A stopping rule ends each,
and the one whose best reading scores best gives the settings and the number of steps. LAF's losses stay as they are. A run with the
same seed repeats the chosen trial to the bit, since a trial is a fork from the state that the run starts in.

The choice depends on images, on which of them to forget, on the original and on the seed. It reads no clock.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from core.data.images import Images
from core.data.split import UnlabelledSplit
from core.errors import DivergedError, RequestError
from core.methods.laf.automatic.cautions import AS_A_CLASS, cautions, holds_whole_answers
from core.methods.laf.automatic.signals import FEW, TRUSTED, SignalProbe
from core.methods.laf.automatic.stopping import StoppingRule, decide, reached, score
from core.methods.laf.automatic.trials import (
    BOLDER,
    CADENCE,
    FIRST,
    LONGEST,
    NO_HARM,
    NOT_SEEN,
    STILL,
    AutomaticSettings,
    Rates,
    Trial,
    describe,
    following,
    how_much_mended,
    is_due,
    is_enough,
    is_still,
    is_too_bold,
    nearest,
    rank,
    start_config,
)
from core.methods.laf.laf import LAF
from core.methods.laf.laf_step import LAFState
from core.models.base import Net, multiply_adds
from core.runtime.device import torch_threads
from core.runtime.progress import Progress, Work, run_to_end

WORK = 300e9  # multiply-adds of all trials, or those of the first where they are more: about 8 s of one core
STEP = 1e8  # multiply-adds in the time that a step takes beside them
LEAST = 80  # steps: a shorter trial on noisy labels tells little
_PASSES = 2 * 3  # of a step over its images: two losses, each forward and (twice the work) backward


def automatic(
    model: Net,
    split: UnlabelledSplit,
    task: str,
    *,
    seed: int = 0,
    unseen: Images | None = None,
    rule: StoppingRule | None = None,
    most_steps: int | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> AutomaticSettings:
    """Return LAF's settings for unlearning D_f of ``split`` from ``model``; see ``find``."""
    work = find(model, split, task, seed=seed, unseen=unseen, rule=rule, most_steps=most_steps)
    return run_to_end(work, progress)


def find(
    model: Net,
    split: UnlabelledSplit,
    task: str,
    *,
    seed: int = 0,
    unseen: Images | None = None,
    rule: StoppingRule | None = None,
    most_steps: int | None = None,
    as_class: str = "",
) -> Work[AutomaticSettings]:
    """Yield the Progress of finding LAF's settings, and return them.

    ``seed`` is the one that the run will have. ``unseen`` are images that no training saw: data removal and chosen images need them, and
    in class removal they show what a trial costs images that are not learnt by heart.
    ``most_steps`` bounds the steps of each trial, and so of the run, further than the task does. ``as_class``: why D_f is forgotten as a
    class is, in one sentence; "" leaves that to the answers on D_f. Raises RequestError for an unknown task, a D_f without images or a
    bound below one step.
    """
    if task not in FIRST:
        raise RequestError(f"unknown task {task!r}; there are: {', '.join(FIRST)}")
    if not len(split.forget_rows) or not len(split.remain_rows):
        raise RequestError("D_f and D_r need at least one image each to find settings for")
    if most_steps is not None and most_steps < 1:
        raise RequestError(f"a trial needs at least 1 step, got a bound of {most_steps}")
    if not as_class and task in ("data", "indices") and holds_whole_answers(model, split, seed=seed):
        as_class = AS_A_CLASS
    task = "class" if as_class else task
    longest = min(LONGEST[task], most_steps or LONGEST[task])
    search = _Search(model, split, task, seed, unseen, rule or StoppingRule(), longest)
    if as_class:
        search.cautions = (as_class, *search.cautions)
    for _ in search.prepare():
        yield search.progress
    while (rates := search.next()) is not None:
        for _ in search.run(rates):
            yield search.progress
    return search.found()


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
        longest: int,
    ) -> None:
        began = time.perf_counter()
        self.longest = longest
        self.cautions = cautions(model, split)
        self.task, self.seed, self.rule = task, seed, rule
        self.base = start_config(split, task)
        self.trials: list[Trial] = []
        self.laf = LAF(self.base)
        self.start: dict[str, Any] = {}  # once it is prepared
        with torch_threads(self.base.threads):
            self.state: LAFState = self.laf.start(model, split, seed=seed)
            few = max(FEW, rule.forgotten)
            self.probe = SignalProbe(model, split, task, unseen=unseen, seed=seed, few=few)
            self.first = self.probe.read(model, 0)
            self.original = decide(task, [self.first], rule)
        macs = multiply_adds(model, tuple(split.train.x.shape[1:]))
        self.step_work = _PASSES * 2 * self.base.batch_size * macs
        self.image_work = macs
        self.seconds = time.perf_counter() - began

    @property
    def progress(self) -> Progress:
        """The trials that are done, and the time spent."""
        return Progress("automatic", len(self.trials), 1 + len(BOLDER[self.task]), self.seconds)

    def prepare(self) -> Iterator[None]:
        """Fit the VAEs in slices, and keep the state that all trials start from."""
        going_on = True
        while going_on:
            began = time.perf_counter()
            with torch_threads(self.base.threads):
                going_on = self.laf.prepare(self.state, self.base) is not None
            self.seconds += time.perf_counter() - began
            yield
        self.start = copy.deepcopy(self.state.state_dict())

    def next(self) -> Rates | None:
        """Return the rates of the next trial; None when what was found is good enough, or the work is spent."""
        if any(is_still(t) for t in self.trials):
            return None
        rates = self._next_that_moves()
        return STILL if rates is None and self._nothing() else rates

    def _next_that_moves(self) -> Rates | None:
        if self.original.stop or self.cannot_tell:
            return None
        if not self.trials:
            return FIRST[self.task]
        if any(is_enough(self.task, t.best) for t in self.trials):
            return None
        rates = following(self.task, self.trials)
        return rates if self._affordable() >= min(self.trials[0].length, LEAST) / 2 else None

    def _spent(self) -> float:
        """Return the multiply-adds of all trials."""
        steps = sum(t.length for t in self.trials)
        return steps * (self.step_work + STEP) + self.probe.images_read * self.image_work

    def _affordable(self) -> int:
        """Return how many steps the next trial may take: all trials share WORK, of which a first one on noisy labels takes half."""
        step = self.step_work + STEP + self.probe.images * self.image_work / CADENCE[self.task]
        if self.trials:
            return min(self.longest, int((WORK - self._spent()) / step))
        if self.task != "noise":
            return self.longest
        return min(self.longest, max(LEAST, int(WORK / 2 / step)))

    def run(self, rates: Rates) -> Iterator[None]:
        """Run one trial from the common start, to where the rule or its longest length ends it; yield after each reading."""
        began = time.perf_counter()
        lr_ra, lr_ue, temperature = rates
        config = replace(self.base, lr_ra=lr_ra, lr_ue=lr_ue, temperature=temperature)
        self.state.load_state_dict(copy.deepcopy(self.start))
        trial = Trial(config, (), None, None, "", 0.0)
        last, goes_on = 1 if rates == STILL else self._affordable(), True
        while goes_on:
            with torch_threads(self.base.threads):
                trial, goes_on = self._to_next_reading(trial, last)
            spent = time.perf_counter() - began
            trial, self.seconds = replace(trial, seconds=trial.seconds + spent), self.seconds + spent
            yield
            began = time.perf_counter()
        signals, steps = trial.signals, 1
        if signals:
            steps = (trial.best or nearest(self.task, signals)).step
        if trial.best is not None:
            at_end = trial.best is signals[-1] and trial.length == last
            at_bound = f"its readings were still improving after {last} steps, the most that it could take"
            reason = at_bound if at_end else reached(self.task, trial.best, self.rule)
            trial = replace(trial, reason=NO_HARM if rates == STILL else reason)
        self.trials.append(replace(trial, config=replace(config, steps=steps)))

    def _to_next_reading(self, trial: Trial, last: int) -> tuple[Trial, bool]:
        """Take the steps to the next reading, at most ``last`` in all; return the trial with it, and whether it goes on."""
        signals, number = trial.signals, trial.length
        try:
            while True:
                number += 1
                self.laf.step(self.state, trial.config)
                if number >= last or is_due(self.task, number, signals):
                    break
            signals = (*signals, self.probe.read(self.state.model, number))
        except DivergedError as error:
            return replace(trial, reason=str(error)), False
        decision = decide(self.task, signals, self.rule)
        best = decision.best
        if (best or nearest(self.task, signals)).step == number:
            trial = replace(trial, model_state=_copied(self.state.model))
        lost = not decision.stop and best is None and is_too_bold(self.task, signals, self.rule.kept)
        reason = f"{decision.reason}, too few to go on" if lost else decision.reason
        trial = replace(
            trial, signals=signals, best=best, score=score(self.task, best) if best else None, reason=reason
        )
        return trial, number < last and not decision.stop and not lost

    @property
    def cannot_tell(self) -> bool:
        """True if the votes of D_r tell nothing of the answers on D_f."""
        return self.probe.votes is not None and self.probe.votes.kappa < TRUSTED

    def found(self) -> AutomaticSettings:
        """Return the settings of the best trial: of those that met the aim, else of the one that came nearest."""
        chosen = self._best()
        nothing = self._nothing()
        still = [i for i, t in enumerate(self.trials) if is_still(t)]
        if still:  # no run is better; one that is made all the same must harm nothing
            chosen = still[0]
        trial = self.trials[chosen]
        why = nothing or describe(self.trials, chosen)
        if self.task == "noise" and not nothing:
            why = how_much_mended(trial, self.probe.is_sure) + why
        return AutomaticSettings(
            self.task,
            self.seed,
            trial.config,
            tuple(self.trials),
            chosen,
            trial.best is not None and (self.task != "noise" or (not nothing and self.probe.is_sure)),
            bool(nothing) and self.task != "noise",
            ". ".join((why, *self.cautions)),
            self.seconds,
        )

    def _best(self) -> int:
        """Return the place of the best trial that moves the model; 0 where there is none."""
        moving = [i for i, t in enumerate(self.trials) if not is_still(t)]
        return min(moving, key=lambda i: rank(self.task, self.trials[i]), default=0)

    def _nothing(self) -> str:
        """Return why doing nothing is as near to retraining as the best trial, as far as signals can tell; "" where it is not."""
        if self.original.stop:
            return self.original.reason
        if self.cannot_tell:
            return f"{NOT_SEEN}: similar images do not get the same answer of the original, so nothing tells which are right; {NO_HARM}"
        if self.task not in ("data", "indices", "noise"):
            return ""
        trial = self.trials[self._best()]
        if self.task == "noise":
            best = trial.shown
            gain = 0.0 if best is None else (best.neighbours or 0.0) - (self.first.neighbours or 0.0)
            if best is not None and gain > 0 and best.remain_agreement >= self.rule.kept:
                return ""
            tried = sum(not is_still(t) for t in self.trials)
            return f"{NOT_SEEN}: in the best of {tried} trials {trial.reason}; {NO_HARM}"
        # a gain below the error of the AUC may be chance, and each step moves the model away from retraining
        gain = self.first.recognised_error or 0.0
        if trial.score is not None and trial.score < score(self.task, self.first) - gain:
            return ""
        return f"no trial came nearer to retraining than the original is: doing nothing is as near ({trial.reason})"


def _copied(model: Net) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
