"""The arithmetic of a net, counted and not timed, so that what is decided by it is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.models.base import device_of


@torch.no_grad()
def multiply_adds(net: nn.Module, shape: Sequence[int]) -> int:
    """Return the multiplications of one forward pass over one image of ``shape`` (C, H, W), in convolutions and linear layers."""
    counted = 0

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Conv2d):
            counted += out[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            counted += layer.weight.numel()

    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = net.training
    net.eval()
    try:
        net(torch.zeros(1, *shape, device=device_of(net)))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return counted
