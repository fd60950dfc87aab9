"""JiT: make the answers on D_f as smooth as a small Lipschitz constant demands, from images of D_f alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from core.data.split import Split
from core.methods.base import IMAGES_F
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class JiTConfig(BaselineConfig):
    """The paper's settings for a class: SGD at 3e-4, one epoch of D_f, 25 noisy copies of each image, deviation 0.5."""

    epochs: int = 1
    lr: float = 3e-4
    optimiser: str = "sgd"
    copies: int = 25  # N, noisy copies of an image
    deviation: float = 0.5  # σ of the noise, in units of the net's input

    BOUNDS: ClassVar[dict[str, Bound]] = {"copies": bounds.whole(1000), "deviation": bounds.POSITIVE}


class JiT(Baseline):
    """The change of the logits per unit of noise in the image is made small on D_f, so that the answers there flatten."""

    name = "jit"
    title = "JiT"
    source = "Foster et al. 2024, arXiv 2402.01401"
    Config = JiTConfig
    needs_labels = False
    reads = (IMAGES_F,)
    passes = 1 + 25 / 3

    def epoch_steps(self, split: Split, config: JiTConfig) -> int:
        """Return the number of batches of D_f."""
        return batches(split.forget_rows, config.batch_size)

    def update(self, state: BaselineState, config: JiTConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one minibatch of D_f."""
        x = state.images("forget")
        noise = config.deviation * torch.randn(
            (config.copies, *x.shape), generator=state.chance, device=x.device
        )
        loss = lipschitz_loss(state.model, x, noise)
        return {"forget": float(loss.detach())}, {"forget": state.descend(loss)}


def lipschitz_loss(model: Net, x: Tensor, noise: Tensor) -> Tensor:
    """Return the mean () over images and copies of ‖f(x) − f(x + ε)‖ / ‖ε‖, where f(x + ε) has no gradient.

    x (B, C, H, W) and noise ε (N, B, C, H, W). Foster et al. 2024 (arXiv 2402.01401), section 4, with the batch's mean in
    place of its sum.
    """
    copies, count = noise.shape[:2]
    with torch.no_grad():
        near = model((x + noise).flatten(0, 1)).reshape(copies, count, -1)  # (N, B, K)
    change = (model(x) - near).norm(dim=2)
    loss: Tensor = (change / noise.flatten(2).norm(dim=2).clamp_min(1e-12)).mean()
    return loss
