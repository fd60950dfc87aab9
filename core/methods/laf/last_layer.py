"""The last linear layer of an extractor, and its inputs, which are computed once where only that layer learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.errors import RequestError
from core.models.base import Net


def last_layer(model: Net, sample: Tensor) -> nn.Linear:
    """Return the linear layer whose output is the representation, checked on images ``sample`` (B, C, H, W).

    Raises RequestError for a net whose representation is not the output of a linear layer.
    """
    linear = [m for m in model.extractor.modules() if isinstance(m, nn.Linear)]
    if linear:
        last = linear[-1]
        x, e = _forward(model, last, sample)
        if x is not None and torch.equal(last(x), e):
            return last
    raise RequestError(
        "the fast mode, and a server without images, train the linear layer that outputs the representation, and this net has no such "
        "layer; run it exactly and on images"
    )


def features(model: Net, layer: nn.Linear, x: Tensor) -> Tensor:
    """Return the inputs (B, layer.in_features) of ``layer`` for images x (B, C, H, W)."""
    inputs = _forward(model, layer, x)[0]
    assert inputs is not None
    return inputs


@torch.no_grad()
def _forward(model: Net, layer: nn.Linear, x: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the inputs of ``layer``, None where the net does not call it, and the representations of x."""
    parts: list[Tensor] = []  # a net may split a large batch
    hook = layer.register_forward_pre_hook(lambda _, inputs: parts.append(inputs[0]))
    try:
        e = model.extract(x)
    finally:
        hook.remove()
    return (torch.cat(parts) if parts else None), e
