"""The last layer of an extractor, and what goes into it: where only that layer learns, the rest is computed once for each image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.errors import RequestError
from core.models.base import Net


def last_layer(model: Net, sample: Tensor) -> nn.Linear:
    """The linear layer whose output is the representation, found on images ``sample`` (B, C, H, W).

    Raises RequestError for a net whose representation does not come straight from a linear layer.
    """
    found = [m for m in model.extractor.modules() if isinstance(m, nn.Linear)][-1:]
    if found:
        x, e = _run(model, found[0], sample)
        if x is not None and torch.equal(found[0](x), e):
            return found[0]
    raise RequestError(
        "the fast mode trains the linear layer that makes the representation, and this net's representation does not come"
        " straight from one; run it exactly"
    )


def features(model: Net, layer: nn.Linear, x: Tensor) -> Tensor:
    """What ``layer`` is given for images x (B, C, H, W): (B, layer.in_features)."""
    found = _run(model, layer, x)[0]
    assert found is not None
    return found


@torch.no_grad()
def _run(model: Net, layer: nn.Linear, x: Tensor) -> tuple[Tensor | None, Tensor]:
    parts: list[Tensor] = []  # a net may see a large batch in parts
    hook = layer.register_forward_pre_hook(lambda _, inputs: parts.append(inputs[0]))
    try:
        e = model.extract(x)
    finally:
        hook.remove()
    return (torch.cat(parts) if parts else None), e
