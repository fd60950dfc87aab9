"""Convolution, 2x2 max-pool and ReLU with a backward pass that only visits what won its pool and passed ReLU.

A pool lets one of four values through and ReLU some of those, so most of the gradient that a convolution's own backward pass multiplies
is zero: of the paper's CNN on MNIST 92 to 96 % (python -m benchmarks.profile prints who passes). Sums are the same but for their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

LEAST = (
    1_000_000  # multiplications of an image's convolutions: below, importing numba costs more than it gives
)


class PooledConv(torch.autograd.Function):
    """relu(max_pool(conv(x))) for x (B, C, H, W) float32 on a CPU, one thread; the gradient of a gradient is not there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        convolved = conv2d(x, weight, bias, padding=padding)
        out, at = max_pool2d(convolved, 2, return_indices=True)
        out = out.relu_()
        ctx.save_for_backward(x, weight, out, at)
        ctx.padding, ctx.width = padding, convolved.shape[-1]
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        from core.models import pooled_conv_kernels

        x, weight, out, at = ctx.saved_tensors
        count, channels, height, across = weight.shape
        rows = _last(weight).view(count, height, across * channels)
        d_rows, d_bias = torch.zeros_like(rows), torch.zeros(count)
        needs_x = ctx.needs_input_grad[0]
        d_x = torch.empty_like(_last(x)) if needs_x else torch.empty(0, 0, 0, 0)
        images = (_last(t).numpy() for t in (x, slope, out, at))
        work = pooled_conv_kernels.gradients if needs_x else pooled_conv_kernels.parameter_gradients
        work(*images, rows.numpy(), d_x.numpy(), d_rows.numpy(), d_bias.numpy(), ctx.padding, ctx.width)
        d_weight = d_rows.view(count, height, across, channels).permute(0, 3, 1, 2)
        return (d_x.permute(0, 3, 1, 2) if needs_x else None), d_weight, d_bias, None


def _last(images: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H, W, C), without a copy where channels lie last already."""
    return images.detach().permute(0, 2, 3, 1).contiguous()


def blocks(extractor: nn.Module, x: Tensor) -> Sequence[nn.Module | tuple[nn.Conv2d, int]] | None:
    """The layers of an extractor, those that become one ``PooledConv`` as (convolution, its padding).

    None where the extractor is not a sequence with such layers, its images are too small to gain by it, or ``x`` (B, C, H, W) or the
    number of threads is not what ``PooledConv`` can do. The answer depends on nothing else, so that a run's bits do not.
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


def make_ready(extractor: nn.Module, x: Tensor) -> None:
    """Load, or once on a machine compile, what the backward pass needs, so that no step waits for it; nothing where ``blocks`` finds none."""
    if blocks(extractor, x) is not None:
        from core.models import pooled_conv_kernels  # noqa: F401


def extract(found: Sequence[nn.Module | tuple[nn.Conv2d, int]], x: Tensor) -> Tensor:
    """x (B, C, H, W) through what ``blocks`` found."""
    for layer in found:
        if isinstance(layer, tuple):
            conv, padding = layer
            x = PooledConv.apply(x, conv.weight, conv.bias, padding)
        else:
            x = layer(x)
    return x


def _padding(layer: nn.Module) -> int | None:
    """Of a convolution that ``PooledConv`` can do: all sides alike, every place, all channels; None for any other layer."""
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
    """Whether it is a max-pool of squares of two that do not overlap."""
    if not isinstance(layer, nn.MaxPool2d):
        return False
    pairs = [
        v if isinstance(v, tuple) else (v, v)
        for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    ]
    return pairs == [(2, 2), (2, 2), (0, 0), (1, 1)] and not layer.ceil_mode and not layer.return_indices
