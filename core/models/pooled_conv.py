"""Convolution, 2x2 max-pool and ReLU with a backward pass that only visits the winners: values that pass the pool and ReLU.

Saves 3.04 of the 4.95 ms of autograd's backward pass of MNIST's second convolution (docs/performance.md). A
pool passes one of four values, and ReLU only some of those. Most of the gradient in a dense backward pass is
zero. The results equal autograd's except for the order of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

LEAST = 1_000_000  # multiplications of an image's convolutions; below it the import of numba does not pay


class PooledConv(torch.autograd.Function):
    """The function relu(max_pool(conv(x))) for x (B, C, H, W) float32 on a CPU with one thread.

    It has no second derivative.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        """Return relu(max_pool2d(conv2d(x, weight, bias), 2)) of x (B, C, H, W)."""
        convolved = conv2d(x, weight, bias, padding=padding)
        out, at = max_pool2d(convolved, 2, return_indices=True)
        out = out.relu_()
        ctx.save_for_backward(x, weight, out, at)
        ctx.padding, ctx.width = padding, convolved.shape[-1]
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Return the gradients of x (None if it needs none), weight and bias for ``slope``, the gradient of the output."""
        from core.models import pooled_conv_kernels

        x, weight, out, at = ctx.saved_tensors
        count, channels, height, across = weight.shape
        rows = _channels_last(weight).view(count, height, across * channels)
        d_rows, d_bias = torch.zeros_like(rows), torch.zeros(count)
        needs_x = ctx.needs_input_grad[0]
        d_x = torch.empty_like(_channels_last(x)) if needs_x else torch.empty(0, 0, 0, 0)
        images = (_channels_last(t).numpy() for t in (x, slope, out, at))
        work = pooled_conv_kernels.gradients if needs_x else pooled_conv_kernels.parameter_gradients
        work(*images, rows.numpy(), d_x.numpy(), d_rows.numpy(), d_bias.numpy(), ctx.padding, ctx.width)
        d_weight = d_rows.view(count, height, across, channels).permute(0, 3, 1, 2)
        return (d_x.permute(0, 3, 1, 2) if needs_x else None), d_weight, d_bias, None


def _channels_last(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) as (B, H, W, C), without a copy when the memory is in that order already."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


def find_blocks(extractor: nn.Module, x: Tensor) -> Sequence[nn.Module | tuple[nn.Conv2d, int]] | None:
    """Return the layers of an extractor, with (convolution, its padding) for three layers that become one ``PooledConv``.

    Return None when the extractor is not a sequence with such layers or its images are too small to gain.
    Return None also when ``PooledConv`` does not support ``x`` (B, C, H, W) or the number of threads.
    The result depends on nothing else, so that a run's results stay equal to the bit.
    """
    if not isinstance(extractor, nn.Sequential) or x.device.type != "cpu" or x.dtype != torch.float32:
        return None
    if torch.get_num_threads() != 1:
        return None
    layers, work = list(extractor), 0
    found: list[nn.Module | tuple[nn.Conv2d, int]] = []
    side = x.shape[-2] * x.shape[-1]
    while layers:
        first, *rest = layers
        padding = _padding(first)
        if (
            isinstance(first, nn.Conv2d)
            and padding is not None
            and len(rest) > 1
            and _halves(rest[0])
            and isinstance(rest[1], nn.ReLU)
        ):
            found.append((first, padding))
            work += first.weight.numel() * side
            side //= 4
            layers = rest[2:]
        else:
            found.append(first)
            layers = rest
    return found if work >= LEAST else None


def load_kernels(extractor: nn.Module, x: Tensor) -> None:
    """Load the compiled loops of the backward pass before the first step, where ``blocks`` finds layers that need them."""
    if find_blocks(extractor, x) is not None:
        from core.models import pooled_conv_kernels  # noqa: F401


def extract_blocks(found: Sequence[nn.Module | tuple[nn.Conv2d, int]], x: Tensor) -> Tensor:
    """Return the output of the layers ``found`` by ``blocks`` for x (B, C, H, W)."""
    for layer in found:
        if isinstance(layer, tuple):
            conv, padding = layer
            x = PooledConv.apply(x, conv.weight, conv.bias, padding)
        else:
            x = layer(x)
    return x


def _padding(layer: nn.Module) -> int | None:
    """Return the padding of a convolution that ``PooledConv`` supports; None for any other layer.

    Supported are equal padding on all sides, stride and dilation 1, one group and a bias.
    """
    if not isinstance(layer, nn.Conv2d) or isinstance(layer.padding, str) or layer.bias is None:
        return None
    plain = (
        layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    )
    return layer.padding[0] if plain and layer.padding[0] == layer.padding[1] else None


def _halves(layer: nn.Module) -> bool:
    """Return whether ``layer`` is a max-pool over 2x2 squares without overlap."""
    if not isinstance(layer, nn.MaxPool2d):
        return False
    pairs = [
        v if isinstance(v, tuple) else (v, v)
        for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    ]
    return pairs == [(2, 2), (2, 2), (0, 0), (1, 1)] and not layer.ceil_mode and not layer.return_indices
