"""NegGrad, gradient ascent on D_f, and NegGrad+, which also descends on D_r."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from core.data.split import Split
from core.methods.base import IMAGES_F, LABELS_F
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches, mean_cross_entropy
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class NegGradConfig(BaselineConfig):
    """The settings of its comparisons (Fan et al. 2024): SGD with momentum 0.9, 5 epochs of D_f, rates 1e-6 to 1e-3."""

    lr: float = 1e-4
    optimiser: str = "sgd"
    momentum: float = 0.9


class NegGrad(Baseline):
    """Minus the cross-entropy on D_f. It is unbounded and ignores D_r, so it works for few steps only."""

    name = "neggrad"
    title = "NegGrad (gradient ascent)"
    source = "Golatkar et al. 2020, arXiv 1911.04933"
    Config = NegGradConfig
    reads = (IMAGES_F, LABELS_F)

    def epoch_steps(self, split: Split, config: Any) -> int:
        """Return the number of batches of D_f."""
        return batches(split.forget_rows, config.batch_size)

    def update(
        self, state: BaselineState, config: NegGradConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one minibatch of D_f."""
        loss = mean_cross_entropy(state.model, *state.batch("forget"))
        return {"forget": float(loss.detach())}, {"forget": state.descend(-loss)}


@dataclass(frozen=True)
class NegGradPlusConfig(BaselineConfig):
    """The paper's settings for small data: SGD with momentum 0.9 at 0.01, 10 epochs, alpha 0.95 (0.9999 for large data).

    The weight decay is the paper's 5e-4 for large data, not its 0.1 for small data.
    """

    epochs: int = 10
    lr: float = 1e-2
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    alpha: float = 0.95  # weight of the loss on D_r, in (0, 1]; 1 is fine-tuning

    BOUNDS: ClassVar[dict[str, Bound]] = {"alpha": bounds.SHARE}


class NegGradPlus(Baseline):
    """alpha · L(D_r) − (1 − alpha) · L(D_f) on a pair of batches. An epoch is the batches of D_r."""

    name = "neggrad+"
    title = "NegGrad+"
    source = "Kurmanji et al. 2023, arXiv 2302.09880"
    Config = NegGradPlusConfig
    passes = 2.0

    def update(
        self, state: BaselineState, config: NegGradPlusConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one pair of minibatches."""
        remain = mean_cross_entropy(state.model, *state.batch("remain"))
        forget = mean_cross_entropy(state.model, *state.batch("forget"))
        norm = state.descend(config.alpha * remain - (1 - config.alpha) * forget)
        return {"remain": float(remain.detach()), "forget": float(forget.detach())}, {"both": norm}
