"""Guided unlearning: loosen D_f by gradient ascent, lead it to the original's next best answers, then recover on D_r."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from core.data.split import Split
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches, mean_cross_entropy
from core.runtime import bounds
from core.runtime.bounds import Bound

WARM_UP, FORGET, RECOVER = range(3)


@dataclass(frozen=True)
class GuidedConfig(BaselineConfig):
    """Settings of ours: SGD with momentum 0.9 at 0.01, one batch of warm-up, 3 epochs of D_f, one of D_r."""

    epochs: int = 1  # of the recovery, over D_r
    lr: float = 1e-2
    optimiser: str = "sgd"
    momentum: float = 0.9
    warm_up: int = 1  # batches of D_f that are ascended
    forget_epochs: int = 3  # of the forgetting, over D_f

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "warm_up": bounds.whole(100_000, 0),
        "forget_epochs": bounds.EPOCHS,
    }


class Guided(Baseline):
    """Warm-up: ascent on D_f. Forgetting: D_f learns the original's best wrong answers. Recovery: D_r with its labels.

    The three phases are the paper's. The authors' code takes ascent, the second answer as a hard label, and fine-tuning
    for them, as here, but repeats all three in each epoch, each with a rate and a batch size of its own.
    Here each phase is run once. An image that the original gets wrong never has its own label as the second answer.
    """

    name = "guided"
    title = "Guided unlearning"
    source = "Lee et al. 2025, arXiv 2508.12730"
    Config = GuidedConfig
    passes = 4 / 3

    def steps(self, split: Split, config: GuidedConfig) -> int:
        """Return the steps of the three phases together."""
        total = sum(phase_steps(split, config))
        return total if config.steps is None else min(total, config.steps)

    def epoch(self, state: BaselineState, config: GuidedConfig) -> int:
        """Return the epoch, from 1, of the last step within its phase."""
        lengths = phase_steps(state.split, config)
        phase, place = phase_of(state.number - 1, lengths)
        size = (max(1, config.warm_up), lengths[1] // config.forget_epochs, lengths[2] // config.epochs)
        return place // size[phase] + 1

    def update(self, state: BaselineState, config: GuidedConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Take one step of the phase."""
        phase, _ = phase_of(state.number, phase_steps(state.split, config))
        x, y = state.batch("remain" if phase == RECOVER else "forget")
        if phase == FORGET:
            with torch.no_grad():
                y = best_wrong(state.original(x), y)
        loss = mean_cross_entropy(state.model, x, y)
        norm = state.descend(-loss if phase == WARM_UP else loss)
        name = ("warm_up_forget", "forget", "remain")[phase]
        return {name: float(loss.detach())}, {"remain" if phase == RECOVER else "forget": norm}


def best_wrong(logits: Tensor, y: Tensor) -> Tensor:
    """Return (B,) the answer with the largest of ``logits`` (B, K) among those that are not ``y`` (B,)."""
    return logits.scatter(1, y[:, None], -torch.inf).argmax(1)


def phase_steps(split: Split, config: GuidedConfig) -> tuple[int, int, int]:
    """Return the steps of warm-up, forgetting and recovery."""
    forget = config.forget_epochs * batches(split.forget_rows, config.batch_size)
    return config.warm_up, forget, config.epochs * batches(split.remain_rows, config.batch_size)


def phase_of(step: int, lengths: tuple[int, int, int]) -> tuple[int, int]:
    """Return the phase of step ``step``, from 0, and its number within the phase, from 0."""
    for phase, length in enumerate(lengths[:2]):
        if step < length:
            return phase, step
        step -= length
    return RECOVER, step
