"""DELETE: distil the original on D_f with one answer struck out, here the original's own answer in place of the label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.methods.base import IMAGES_F
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches


@dataclass(frozen=True)
class DeleteConfig(BaselineConfig):
    """The paper's optimiser, SGD with momentum 0.9. The rate of 1e-3 and the 10 epochs of D_f are ours."""

    epochs: int = 10
    optimiser: str = "sgd"
    momentum: float = 0.9


class Delete(Baseline):
    """KL(original without its own answer ‖ student) on D_f. The paper strikes out the label; the original's own answer reads none."""

    name = "delete"
    title = "DELETE (own answer)"
    source = "Zhou et al. 2025, arXiv 2503.23751"
    Config = DeleteConfig
    needs_labels = False
    reads = (IMAGES_F,)
    passes = 4 / 3

    def epoch_steps(self, split: Split, config: DeleteConfig) -> int:
        """Return the number of batches of D_f."""
        return batches(split.forget_rows, config.batch_size)

    def update(self, state: BaselineState, config: DeleteConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one minibatch of D_f."""
        x = state.images("forget")
        with torch.no_grad():
            target = without_own_answer(state.original(x))
        loss = functional.kl_div(functional.log_softmax(state.model(x), dim=1), target, reduction="batchmean")
        return {"forget_kl": float(loss.detach())}, {"forget": state.descend(loss)}


def without_own_answer(logits: Tensor) -> Tensor:
    """Return softmax(z) (B, K) with the largest entry of each row of z (B, K) at −∞."""
    return logits.scatter(1, logits.argmax(1, keepdim=True), -torch.inf).softmax(1)
