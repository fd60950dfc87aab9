"""Fine-tuning: train further on D_r only (Golatkar et al., CVPR 2020, as a baseline)."""

from __future__ import annotations

from dataclasses import dataclass

from core.methods.base import IMAGES_R, LABELS_R
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, mean_cross_entropy


@dataclass(frozen=True)
class FinetuneConfig(BaselineConfig):
    """The settings of later comparisons (Kurmanji et al. 2023): SGD with momentum 0.9 at a raised rate of 0.01, 10 epochs."""

    epochs: int = 10
    lr: float = 1e-2
    optimiser: str = "sgd"
    momentum: float = 0.9


class Finetune(Baseline):
    """Cross-entropy on D_r."""

    name = "finetune"
    title = "Fine-tune"
    source = "Golatkar et al. 2020, arXiv 1911.04933"
    Config = FinetuneConfig
    reads = (IMAGES_R, LABELS_R)

    def update(
        self, state: BaselineState, config: FinetuneConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one minibatch of D_r."""
        loss = mean_cross_entropy(state.model, *state.batch("remain"))
        return {"remain": float(loss.detach())}, {"remain": state.descend(loss)}
