"""SalUn: random labels, where only the weights with the largest gradients on D_f may move."""

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
from core.methods.step import SLICE_S, Stage
from core.runtime import bounds
from core.runtime.bounds import Bound
from core.runtime.progress import Progress


@dataclass(frozen=True)
class SalUnConfig(BaselineConfig):
    """The paper's settings: SGD with momentum 0.9 at 0.013, 10 epochs, batches of 256, half of the weights.

    The paper's weight decay of 5e-4 is left out, so that only masked gradients move a weight.
    """

    epochs: int = 10
    batch_size: int = 256
    lr: float = 0.013
    optimiser: str = "sgd"
    momentum: float = 0.9
    share: float = 0.5  # of the weights that may move, in (0, 1]
    alpha: float = 1.0  # weight of the loss on D_r

    BOUNDS: ClassVar[dict[str, Bound]] = {"share": bounds.SHARE, "alpha": bounds.WEIGHT}


class SalUn(RandomLabel):
    """Random labels on the ``share`` of weights whose gradient of the loss on D_f is largest.

    That gradient is computed before step 1, at the original.
    """

    name = "salun"
    title = "SalUn"
    source = "Fan et al. 2024, arXiv 2310.12508"
    Config = SalUnConfig

    def stages(self, split: Split, config: SalUnConfig) -> tuple[Stage, ...]:
        """Return a stage that passes over D_f for the saliency, then the stage of the steps."""
        first = Stage("saliency", "saliency of the weights", batches(split.forget_rows, config.batch_size))
        return (first, *super().stages(split, config))

    def prepare(self, state: BaselineState, config: SalUnConfig) -> Progress | None:
        """Add the gradients of some batches of D_f, in order; make the masks after the last batch."""
        extra = state.extra
        if "masks" in extra:
            return None
        start, rows = time.perf_counter(), state.split.forget_rows
        at: int = extra.get("at", 0)
        while at < len(rows):
            grads = _summed_gradients(state, rows[at : at + config.batch_size])
            before = extra.get("gradients")
            extra["gradients"] = (
                grads if before is None else [a + b for a, b in zip(before, grads, strict=True)]
            )
            at = extra["at"] = at + config.batch_size
            if time.perf_counter() - start > SLICE_S:
                break
        seconds = extra["seconds"] = extra.get("seconds", 0.0) + time.perf_counter() - start
        if at >= len(rows):
            extra["masks"] = salient_masks(extra["gradients"], config.share)
            for name in ("gradients", "at", "seconds"):
                del extra[name]
        return Progress("saliency", at // config.batch_size, batches(rows, config.batch_size), seconds)

    def update(self, state: BaselineState, config: Any) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one pair of minibatches; only salient weights move."""
        losses = pair_losses(state)
        masks = state.extra["masks"]
        norm = state.descend(losses["forget"] + config.alpha * losses["remain"], masks)
        if config.weight_decay:  # weight decay moves every weight
            with torch.no_grad():
                for p, p0, mask in zip(
                    state.model.parameters(), state.original.parameters(), masks, strict=True
                ):
                    p.copy_(torch.where(mask, p, p0))
        return {k: float(v.detach()) for k, v in losses.items()}, {"both": norm}


def _summed_gradients(state: BaselineState, rows: Tensor) -> list[Tensor]:
    """Return the gradient of the summed cross-entropy of images ``rows`` at the original, by parameter."""
    model = state.original.requires_grad_(True)
    try:
        train = state.split.train
        loss = functional.cross_entropy(model(train.floats(rows)), train.y[rows], reduction="sum")
        grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    finally:
        model.requires_grad_(False)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), grads, strict=True)]


def salient_masks(gradients: list[Tensor], share: float) -> list[Tensor]:
    """Return bool masks of the ``share`` of all entries with the largest absolute values; at least one, ties included."""
    sizes = torch.cat([g.abs().flatten() for g in gradients])
    count = max(1, round(share * len(sizes)))
    least = sizes.topk(count).values[-1]
    return [g.abs() >= least for g in gradients]
