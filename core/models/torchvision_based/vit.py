"""A small vision transformer on torchvision's ``VisionTransformer``, trained from its initial weights.

Imported only when such a net is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer

from core.models.base import Net

GRID = 4  # patches a side: 16 tokens and the class token, whatever the size of the image, so that a CPU can train it
DEPTH = 3
HEADS = 4
WIDTH = 64
STEM = 32  # channels of the first convolution of the stem
HIDDEN = 128  # of the two linear layers in each block


class ViT(Net):
    """A transformer on 4x4 patches (Dosovitskiy et al., 2020, arXiv 2010.11929), whose class token is the representation.

    Three blocks of four heads and width 64 follow the linear map of the patches. The representation is the class token after the last
    layer norm. The head is linear.
    """

    width = WIDTH

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.extractor: ClassToken = ClassToken(shape, _patches)
        self.head = nn.Linear(self.width, classes)


class ConvViT(Net):
    """The transformer of ``ViT`` behind a convolutional stem in place of separate patches (Xiao et al., 2021, arXiv 2106.14881).

    Few images teach it more: neighbouring pixels meet before the first block, and each token sees half of a patch around its own.
    """

    width = WIDTH

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.extractor: ClassToken = ClassToken(shape, _stem)
        self.head = nn.Linear(self.width, classes)


class ClassToken(nn.Module):
    """torchvision's ``VisionTransformer`` without its head, on images padded with zeros to a square of whole patches."""

    def __init__(self, shape: tuple[int, int, int], embedding: Callable[[int, int], nn.Module]) -> None:
        """Build the layers; ``embedding`` makes the module of the patches (B, 64, 4, 4) from the channels and a patch's side in pixels."""
        super().__init__()
        channels, height, width = shape
        patch = math.ceil(max(height, width) / GRID)
        self.padding = (0, GRID * patch - width, 0, GRID * patch - height)  # left, right, top, bottom
        self.body = VisionTransformer(GRID * patch, patch, DEPTH, HEADS, WIDTH, HIDDEN)
        self.body.conv_proj = embedding(channels, patch)
        self.body.heads = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class tokens (B, 64) of images x (B, C, H, W)."""
        e: Tensor = self.body(functional.pad(x, self.padding) if any(self.padding) else x)
        return e

    def watched_layers(self) -> dict[str, tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        """Return by name the modules to compare models at, each with what to take of its output.

        Of the patches (B, 64, 4, 4) it is all, of a block's tokens (B, 17, 64) the class token (B, 64).
        """
        watched: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor]]] = {
            "patches": (self.body.conv_proj, lambda out: out)
        }
        for number, block in enumerate(self.body.encoder.layers, 1):
            watched[f"block {number}"] = (block, lambda out: out[:, 0])
        return watched


def _patches(channels: int, patch: int) -> nn.Conv2d:
    """Return the linear map of patches, initialised as torchvision does for three channels."""
    conv = nn.Conv2d(channels, WIDTH, patch, patch)
    with torch.no_grad():
        nn.init.trunc_normal_(conv.weight, std=math.sqrt(1 / (channels * patch * patch)))
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _stem(channels: int, patch: int) -> nn.Sequential:
    """Return two convolutions: 3×3 at full size, then over overlapping patches, half of one to each side."""
    edge = patch // 2
    return nn.Sequential(
        nn.Conv2d(channels, STEM, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(STEM, WIDTH, patch + 2 * edge, patch, edge),
    )
