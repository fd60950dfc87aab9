"""Random labels: train further on D_r and on D_f with wrong labels, which are drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.data.split import Split
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches, mean_cross_entropy
from core.models.base import Net
from core.runtime import seeding


@dataclass(frozen=True)
class RandomLabelConfig(BaselineConfig):
    """The settings of Fan et al. 2024: SGD with momentum 0.9, 10 epochs, a rate searched from 5e-4 to 5e-2."""

    epochs: int = 10
    lr: float = 1e-2
    optimiser: str = "sgd"
    momentum: float = 0.9


class RandomLabel(Baseline):
    """Cross-entropy on a batch of D_f with wrong labels plus that on a batch of D_r. An epoch is the batches of D_f.

    The papers shuffle both sets into one. Here a small D_f weighs as much as D_r.
    """

    name = "random-label"
    title = "Random label"
    source = "Graves et al. 2021, arXiv 2010.10981"
    Config: ClassVar[type[Any]] = RandomLabelConfig
    passes = 2.0

    def epoch_steps(self, split: Split, config: Any) -> int:
        """Return the number of batches of D_f."""
        return batches(split.forget_rows, config.batch_size)

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """Start, and draw the wrong labels."""
        state = super().start(model, split, seed=seed)
        generator = seeding.generator(seed, "unlearn", "wrong")
        state.fixed["wrong"] = wrong_labels(split, generator).to(split.train.y.device)
        return state

    def update(self, state: BaselineState, config: Any) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one pair of minibatches."""
        losses = pair_losses(state)
        norm = state.descend(losses["forget"] + losses["remain"])
        return {k: float(v.detach()) for k, v in losses.items()}, {"both": norm}


def wrong_labels(split: Split, generator: torch.Generator) -> Tensor:
    """Return (N_f,) a wrong label for each image of D_f, drawn uniformly from the other classes."""
    classes = len(split.dataset.classes)
    offset = torch.randint(1, classes, (len(split.forget_rows),), generator=generator)
    return (split.train.y[split.forget_rows].cpu() + offset) % classes


def pair_losses(state: BaselineState) -> dict[str, Tensor]:
    """Return the mean cross-entropies () on a batch of D_f with wrong labels, and on a batch of D_r."""
    places, rows = state.rows("forget")
    wrong = state.fixed["wrong"].to(rows.device)[places]
    forget = mean_cross_entropy(state.model, state.split.train.floats(rows), wrong)
    return {"forget": forget, "remain": mean_cross_entropy(state.model, *state.batch("remain"))}
