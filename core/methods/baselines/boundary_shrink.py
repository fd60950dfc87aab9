"""Boundary shrink: move each image of D_f over the nearest decision boundary of the frozen original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.data.split import Split
from core.methods.base import IMAGES_F, LABELS_F
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches, mean_cross_entropy
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class BoundaryShrinkConfig(BaselineConfig):
    """The paper's settings: SGD with momentum 0.9 at 1e-5, 10 epochs of D_f in batches of 64, a perturbation of 0.1."""

    epochs: int = 10
    lr: float = 1e-5
    optimiser: str = "sgd"
    momentum: float = 0.9
    bound: float = 0.1  # of the perturbation, in units of the net's input

    BOUNDS: ClassVar[dict[str, Bound]] = {"bound": bounds.POSITIVE}


class BoundaryShrink(Baseline):
    """Cross-entropy on D_f, each image labelled as the nearest wrong class."""

    name = "boundary-shrink"
    title = "Boundary shrink"
    source = "Chen et al. 2023, arXiv 2303.11570"
    Config = BoundaryShrinkConfig
    reads = (IMAGES_F, LABELS_F)
    passes = 7 / 3  # forward and backward for the images' gradient, forward for the class, then the step

    def epoch_steps(self, split: Split, config: Any) -> int:
        """Return the number of batches of D_f."""
        return batches(split.forget_rows, config.batch_size)

    def update(
        self, state: BaselineState, config: BoundaryShrinkConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one minibatch of D_f."""
        x, y = state.batch("forget")
        loss = mean_cross_entropy(state.model, x, nearest_wrong(state.original, x, y, config.bound))
        return {"forget": float(loss.detach())}, {"forget": state.descend(loss)}


def nearest_wrong(original: Net, x: Tensor, y: Tensor, bound: float) -> Tensor:
    """Return (B,) the most probable class other than ``y`` after a step of ``bound`` along the sign of the loss's gradient in x.

    The paper takes the most probable class, which is y where the step does not cross a boundary.
    """
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(mean_cross_entropy(original, x, y), x)
    with torch.no_grad():
        logits = original(x + bound * gradient.sign())
        nearest: Tensor = logits.scatter(1, y[:, None], -torch.inf).argmax(1)
        return nearest
