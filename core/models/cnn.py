"""The two plain nets, and narrower, wider, shallower and deeper variants of them for studies of the extractor.

docs/findings.md has the results of the variants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.models.base import Net


class DigitsCNN(Net):
    """A net for 8x8 images: two 3x3 convolutions, a 128-d representation, a linear head.

    ReLU comes after the pool, where it has a quarter of the values; the result is the same.
    """

    width = 128

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 32, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * (h // 4) * (w // 4), self.width),
        )
        self.head = nn.Linear(self.width, classes)


class CNN(Net):
    """The paper's CNN for 28x28 images: two 5x5 convolutions, a 256-d representation, a linear head of two layers."""

    width = 256

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 16, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (h // 4) * (w // 4), self.width),
        )
        self.head = nn.Sequential(nn.Linear(self.width, 128), nn.Linear(128, classes))


# base -> kernel, channels of its blocks, width of the representation
_BASES: dict[str, tuple[int, tuple[int, ...], int]] = {
    "digits-cnn": (3, (32, 64), 128),
    "cnn": (5, (16, 32), 256),
}


class Variant(Net):
    """A net of blocks of convolutions, ReLU and pooling, then a linear layer to the representation, and a linear head.

    "narrow" has half the channels and half the representation, "wide" twice both. "shallow" has only the
    first block. "deep" has two convolutions in each block.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        kernel: int,
        channels: Sequence[int],
        depth: int,
        width: int,
    ) -> None:
        super().__init__()
        before, h, w = shape
        layers: list[nn.Module] = []
        for count in channels:
            for _ in range(depth):
                layers += [nn.Conv2d(before, count, kernel, padding=kernel // 2), nn.ReLU()]
                before = count
            layers.append(nn.MaxPool2d(2))
            h, w = h // 2, w // 2
        self.width = width
        self.extractor = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * h * w, width))
        self.head = nn.Linear(width, classes)

    @classmethod
    def named(cls, name: str, shape: tuple[int, ...], classes: int) -> Self:
        """Return the net called "BASE-VARIANT", such as "digits-cnn-wide"."""
        base, _, variant = name.rpartition("-")
        kernel, channels, width = _BASES[base]
        if variant in ("narrow", "wide"):
            channels = tuple(c // 2 if variant == "narrow" else c * 2 for c in channels)
            width = width // 2 if variant == "narrow" else width * 2
        if variant == "shallow":
            channels = channels[:1]
        depth = 2 if variant == "deep" else 1
        return cls(shape, classes, kernel=kernel, channels=channels, depth=depth, width=width)
