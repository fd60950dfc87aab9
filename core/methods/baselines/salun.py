"""SalUn: random labels, but only the weights that matter most to D_f may move."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.methods.baselines.base import BaselineConfig, BaselineState, batches
from core.methods.baselines.random_label import RandomLabel, pair_losses
from core.methods.step import Stage
from core.runtime import bounds
from core.runtime.bounds import Bound
from core.runtime.progress import Progress

SLICE_S = 0.05


@dataclass(frozen=True)
class SalUnConfig(BaselineConfig):
    """The paper's: SGD with momentum 0.9 at 0.013, 10 epochs, batches of 256, weight decay 5e-4 (none here: only masked gradients move
    a weight), the most salient half of the weights."""

    epochs: int = 10
    batch_size: int = 256
    lr: float = 0.013
    optimiser: str = "sgd"
    momentum: float = 0.9
    share: float = 0.5  # of all weights that may move, in (0, 1]
    alpha: float = 1.0  # weight of D_r's loss

    BOUNDS: ClassVar[dict[str, Bound]] = {"share": bounds.SHARE, "alpha": bounds.WEIGHT}


class SalUn(RandomLabel):
    """Before step 1, the gradient of D_f's loss at the original; then random labels on the ``share`` of weights where it is largest."""

    name = "salun"
    title = "SalUn"
    source = "Fan et al. 2024, arXiv 2310.12508"
    Config = SalUnConfig

    def stages(self, split: Split, config: SalUnConfig) -> tuple[Stage, ...]:
        """Once through D_f for the saliency, then the steps."""
        first = Stage("saliency", "saliency of the weights", batches(split.forget_rows, config.batch_size))
        return (first, *super().stages(split, config))

    def prepare(self, state: BaselineState, config: SalUnConfig) -> Progress | None:
        """Some batches of D_f, in order; the mask after the last one."""
        extra = state.extra
        if "masks" in extra:
            return None
        start, rows = time.perf_counter(), state.split.forget_rows
        at: int = extra.get("at", 0)
        while at < len(rows):
            found = _summed_gradients(state, rows[at : at + config.batch_size])
            before = extra.get("gradients")
            extra["gradients"] = (
                found if before is None else [a + b for a, b in zip(before, found, strict=True)]
            )
            at = extra["at"] = at + config.batch_size
            if time.perf_counter() - start > SLICE_S:
                break
        seconds = extra["seconds"] = extra.get("seconds", 0.0) + time.perf_counter() - start
        if at >= len(rows):
            extra["masks"] = salient(extra["gradients"], config.share)
            for name in ("gradients", "at", "seconds"):
                del extra[name]
        return Progress("saliency", at // config.batch_size, batches(rows, config.batch_size), seconds)

    def update(self, state: BaselineState, config: Any) -> tuple[dict[str, float], dict[str, float]]:
        """One pair of minibatches; only salient weights move."""
        losses = pair_losses(state)
        masks = state.extra["masks"]
        norm = state.descend(losses["forget"] + config.alpha * losses["remain"], masks)
        if config.weight_decay:  # it moves every weight
            with torch.no_grad():
                for p, p0, mask in zip(
                    state.model.parameters(), state.original.parameters(), masks, strict=True
                ):
                    p.copy_(torch.where(mask, p, p0))
        return {k: float(v.detach()) for k, v in losses.items()}, {"both": norm}


def _summed_gradients(state: BaselineState, rows: Tensor) -> list[Tensor]:
    """The gradient of the summed cross-entropy of images ``rows`` at the original, one a parameter."""
    model = state.original.requires_grad_(True)
    try:
        train = state.split.train
        loss = functional.cross_entropy(model(train.floats(rows)), train.y[rows], reduction="sum")
        found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    finally:
        model.requires_grad_(False)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), found, strict=True)]


def salient(gradients: list[Tensor], share: float) -> list[Tensor]:
    """Masks, bool, of the ``share`` of all entries with the largest absolute value; at least one, and all that equal the least."""
    size = torch.cat([g.abs().flatten() for g in gradients])
    count = max(1, round(share * len(size)))
    least = size.topk(count).values[-1]
    return [g.abs() >= least for g in gradients]
