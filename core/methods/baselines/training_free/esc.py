"""ESC: erase the directions in which the representations of D_f are longest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.data.split import Split
from core.errors import RequestError
from core.methods.base import IMAGES_F
from core.methods.baselines.base import BaselineState
from core.methods.baselines.training_free.base import TrainingFree, TrainingFreeConfig
from core.methods.laf.last_layer import last_layer
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound


@dataclass(frozen=True)
class ESCConfig(TrainingFreeConfig):
    """The paper's setting: the first 1.5 % of the directions are erased, at least one."""

    share: float = 0.015  # of the directions, in (0, 1]

    BOUNDS: ClassVar[dict[str, Bound]] = {"share": bounds.SHARE}


class ESC(TrainingFree):
    """The representation loses its first left singular vectors on D_f, which are not centred: e ← U₋U₋ᵀe.

    A step erases one direction. The projection is folded into the weights of a linear layer.
    """

    name = "esc"
    title = "ESC"
    source = "Lee et al. 2025, ESC: Erasing Space Concept for Knowledge Deletion, CVPR 2025, arXiv 2504.02199"
    Config = ESCConfig
    needs_labels = False
    reads = (IMAGES_F,)
    _width = 1

    def configure(self, model: Net | None, split: Split) -> None:
        """Choose the settings, and read the width of the model's representation."""
        super().configure(model, split)  # type: ignore[arg-type]
        if model is not None:  # an estimate of the time knows the data only
            self._width = model.width

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """Start, and find the layer that takes the projection."""
        state = super().start(model, split, seed=seed)
        sample = state.split.train.floats(state.split.forget_rows[:2])
        state.fixed["layer"] = projected_layer(state.model, sample)
        return state

    def steps(self, split: Split, config: ESCConfig) -> int:
        """Return the number of directions that are erased, known from ``configure`` on; 1 before."""
        return max(1, round(config.share * self._width))

    @torch.no_grad()
    def statistics(self, state: BaselineState, rows: Tensor) -> list[Tensor]:
        """Return Σ e eᵀ (width, width) in float64 over the images ``rows``."""
        e = state.original.extract(state.split.train.floats(rows)).double()
        return [e.T @ e]

    def update(self, state: BaselineState, config: ESCConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Erase the next direction and return its share of the squared length of D_f's representations."""
        (gram,) = state.extra["sums"]["forget"]
        lengths, directions = torch.linalg.eigh(gram.cpu())  # ascending
        place = -1 - state.number
        u = directions[:, place].to(gram.device)
        layer, side = state.fixed["layer"]
        erase(layer, side, u)
        return {"erased_share": float(lengths[place] / lengths.sum().clamp_min(1e-30))}, {}


def projected_layer(model: Net, sample: Tensor) -> tuple[nn.Linear, str]:
    """Return a linear layer and "output" or "input": the side of it that is the representation.

    The layer that outputs the representation is preferred, so that the representation itself changes.
    Raises RequestError for a net without such a layer.
    """
    try:
        return last_layer(model, sample), "output"
    except RequestError:
        # in a net that ends in pooling, the head's first layer can take the projection
        return _first_of_head(model, sample), "input"


def _first_of_head(model: Net, sample: Tensor) -> nn.Linear:
    """Return the linear layer of the head that reads the representation. Raises RequestError for a head without one."""
    first = next((m for m in model.head.modules() if isinstance(m, nn.Linear)), None)
    if first is not None and first.in_features == model.width and _is_input(model, first, sample):
        return first
    raise RequestError(
        "ESC erases directions of a representation that a linear layer outputs or reads, and this net has no such layer; "
        "choose another method"
    )


@torch.no_grad()
def _is_input(model: Net, layer: nn.Linear, sample: Tensor) -> bool:
    """Return whether ``layer`` reads the representation itself."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        e = model.extract(sample)
        model.classify(e)
    finally:
        hook.remove()
    return bool(seen) and torch.equal(seen[0], e)


@torch.no_grad()
def erase(layer: nn.Linear, side: str, u: Tensor) -> None:
    """Replace the representation e by e − u uᵀe, for the unit vector u (width,), on one ``side`` of ``layer``."""
    weight: Any = layer.weight.double()
    if side == "input":
        layer.weight.copy_(weight - (weight @ u)[:, None] * u)
        return
    layer.weight.copy_(weight - u[:, None] * (u @ weight))
    if layer.bias is not None:
        layer.bias.copy_(layer.bias.double() - u * (u @ layer.bias.double()))
