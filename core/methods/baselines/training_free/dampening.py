"""Selective synaptic dampening, with labels (SSD) and without (LFSSD): shrink the weights that matter more for D_f than for D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.methods.base import IMAGES_F, IMAGES_R
from core.methods.baselines.base import BaselineState
from core.methods.baselines.training_free.base import TrainingFree, TrainingFreeConfig
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class DampeningConfig(TrainingFreeConfig):
    """The papers' settings: alpha 10 and lam 1. For random images LFSSD takes alpha 3.5."""

    alpha: float = 10.0  # a weight is dampened where its importance for D_f is alpha times that for D
    lam: float = 1.0  # λ, the strength: 0 sets such a weight to 0

    BOUNDS: ClassVar[dict[str, Bound]] = {"alpha": bounds.POSITIVE, "lam": bounds.WEIGHT}


class SSD(TrainingFree):
    """Weights whose squared gradient on D_f is ``alpha`` times that on D are multiplied by min(λ I_D / I_f, 1).

    I is the mean over batches of (∂ cross-entropy of the batch / ∂θ)². A step dampens one layer's weights or biases.
    """

    name = "ssd"
    title = "SSD"
    source = "Foster et al. 2024, arXiv 2308.07707"
    Config = DampeningConfig
    _tensors = 1

    def rows_to_read(self, split: Split) -> dict[str, Tensor]:
        """Return all rows of D, then those of D_f."""
        everything = torch.arange(len(split.train), device=split.forget_rows.device)
        return {"all": everything, "forget": split.forget_rows}

    def configure(self, model: Net | None, split: Split) -> None:
        """Choose the settings, and count the model's parameter tensors, which are the steps."""
        super().configure(model, split)  # type: ignore[arg-type]
        if model is not None:  # an estimate of the time knows the data only
            self._tensors = sum(1 for _ in model.parameters())

    def steps(self, split: Split, config: DampeningConfig) -> int:
        """Return the number of parameter tensors, known from ``configure`` on; 1 before."""
        return self._tensors

    def quantity(self, state: BaselineState, rows: Tensor) -> Tensor:
        """Return the cross-entropy () of the images ``rows`` (B,)."""
        train = state.split.train
        return functional.cross_entropy(state.original(train.floats(rows)), train.y[rows])

    def importance(self, gradient: Tensor) -> Tensor:
        """Return the gradient squared."""
        return gradient.square()

    def statistics(self, state: BaselineState, rows: Tensor) -> list[Tensor]:
        """Return the importance of each weight, from the gradient of ``quantity`` at the original."""
        model = state.original.requires_grad_(True)
        try:
            grads = torch.autograd.grad(
                self.quantity(state, rows), list(model.parameters()), allow_unused=True
            )
        finally:
            model.requires_grad_(False)
        pairs = zip(model.parameters(), grads, strict=True)
        return [torch.zeros_like(p) if g is None else self.importance(g) for p, g in pairs]

    def update(
        self, state: BaselineState, config: DampeningConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Dampen one parameter tensor and return the share of its weights that were dampened."""
        place = state.number
        everything, forget = (self.mean(state, name, config)[place] for name in ("all", "forget"))
        weight = list(state.model.parameters())[place]
        factors = dampening_factors(everything, forget, alpha=config.alpha, lam=config.lam)
        with torch.no_grad():
            weight.mul_(factors)
        return {"dampened_share": float((factors < 1).float().mean())}, {}


class LFSSD(SSD):
    """SSD without labels: the importance is the size of the gradient of the logits' squared length.

    I is the mean over batches of |∂ mean‖f(x)‖² / ∂θ|.
    """

    name = "lfssd"
    title = "LFSSD"
    source = "Foster et al. 2024, arXiv 2402.19308"
    needs_labels = False
    reads = (IMAGES_F, IMAGES_R)

    def quantity(self, state: BaselineState, rows: Tensor) -> Tensor:
        """Return the mean squared length () of the logits of the images ``rows`` (B,)."""
        logits: Tensor = state.original(state.split.train.floats(rows))
        return logits.square().sum(1).mean()

    def importance(self, gradient: Tensor) -> Tensor:
        """Return the gradient's absolute value."""
        return gradient.abs()


def dampening_factors(everything: Tensor, forget: Tensor, *, alpha: float, lam: float) -> Tensor:
    """Return the factor in [0, 1] of each weight: min(λ I_D / I_f, 1) where I_f > α I_D, else 1; same shapes.

    Foster et al. 2024 (arXiv 2308.07707), equations 4 and 5.
    """
    strength = (lam * everything / forget.clamp_min(1e-30)).clamp_max(1)
    return torch.where(forget > alpha * everything, strength, 1.0)
