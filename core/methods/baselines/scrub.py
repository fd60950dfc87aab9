"""SCRUB: a student that alternately moves away from its teacher on D_f and towards it on D_r."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from core.data.split import Split
from core.methods.base import IMAGES_F, IMAGES_R, LABELS_R
from core.methods.baselines.base import (
    Baseline,
    BaselineConfig,
    BaselineState,
    batches,
    divergence,
    mean_cross_entropy,
)
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class ScrubConfig(BaselineConfig):
    """The paper's settings for large data: SGD with momentum 0.9 at 5e-4, weight decay 5e-4, 3 epochs, 2 of them with max-steps.

    Further, alpha 0.001, gamma 0.99, temperature 4, batches of 512 of D_f and 128 of D_r.
    """

    epochs: int = 3
    batch_size: int = 128  # of D_r
    forget_batch_size: int = 512
    lr: float = 5e-4
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    msteps: int = 2  # epochs that begin with max-steps; the last epochs should have none
    alpha: float = 0.001  # weight of the divergence on D_r
    gamma: float = 0.99  # weight of the cross-entropy on D_r
    temperature: float = 4.0

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "forget_batch_size": bounds.BATCH,
        "msteps": bounds.EPOCHS,
        **dict.fromkeys(("alpha", "gamma", "temperature"), bounds.POSITIVE),
    }


class Scrub(Baseline):
    """Max-steps raise KL(original ‖ student) on D_f; min-steps lower alpha · KL + gamma · cross-entropy on D_r.

    An epoch is a pass over D_f, in the first ``msteps`` epochs only, then a pass over D_r.
    """

    name = "scrub"
    title = "SCRUB"
    source = "Kurmanji et al. 2023, arXiv 2302.09880"
    Config = ScrubConfig
    reads = (IMAGES_F, IMAGES_R, LABELS_R)
    passes = 4 / 3

    def start(self, model: Any, split: Split, *, seed: int) -> BaselineState:
        """Start, with the batch size of D_f."""
        state = super().start(model, split, seed=seed)
        state.forget.batch_size = self.config.forget_batch_size
        return state

    def steps(self, split: Split, config: ScrubConfig) -> int:
        """Return the number of max-steps and min-steps together."""
        n_f, n_r = _batch_counts(split, config)
        total = config.epochs * n_r + min(config.msteps, config.epochs) * n_f
        return total if config.steps is None else min(total, config.steps)

    def epoch(self, state: BaselineState, config: ScrubConfig) -> int:
        """Return the epoch, from 1, of the last step; epochs with max-steps are longer."""
        return epoch_and_kind(state.number - 1, *_batch_counts(state.split, config), config.msteps)[0]

    def update(self, state: BaselineState, config: ScrubConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Take one max-step or one min-step."""
        _, is_max_step = epoch_and_kind(state.number, *_batch_counts(state.split, config), config.msteps)
        which = "forget" if is_max_step else "remain"
        x, y = state.batch(which)
        with torch.no_grad():
            target = state.original(x)
        kl = divergence(state.model(x), target, config.temperature)
        if is_max_step:
            return {"forget_kl": float(kl.detach())}, {"forget": state.descend(-kl)}
        ce = mean_cross_entropy(state.model, x, y)
        norm = state.descend(config.alpha * kl + config.gamma * ce)
        return {"remain_kl": float(kl.detach()), "remain": float(ce.detach())}, {"remain": norm}


def _batch_counts(split: Split, config: ScrubConfig) -> tuple[int, int]:
    """Return the batches of D_f and of D_r in an epoch."""
    return batches(split.forget_rows, config.forget_batch_size), batches(split.remain_rows, config.batch_size)


def epoch_and_kind(step: int, n_f: int, n_r: int, msteps: int) -> tuple[int, bool]:
    """Return the epoch, from 1, of step ``step``, from 0, and whether it is a max-step."""
    long_epoch = n_f + n_r
    if step < msteps * long_epoch:
        return step // long_epoch + 1, step % long_epoch < n_f
    return msteps + (step - msteps * long_epoch) // n_r + 1, False
