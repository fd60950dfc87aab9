"""The two plain nets, and narrower, wider, shallower and deeper relatives of them for studies of the extractor.

docs/findings.md has what they come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.models.base import Net


class DigitsCNN(Net):
    """Two 3x3 convolutions for 8x8 images; 128-d representation, linear head."""

    width = 128

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),  # in this order ReLU has a quarter to do, to the same bits
            nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * (h // 4) * (w // 4), self.width),
        )  # fmt: skip
        self.head = nn.Linear(self.width, classes)


class CNN(Net):
    """The paper's CNN for 28x28 images: two 5x5 convolutions, 256-d representation, two-layer linear head."""

    width = 256

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 16, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(16, 32, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * (h // 4) * (w // 4), self.width),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(self.width, 128), nn.Linear(128, classes))


# base -> kernel, channels of its blocks, width of the representation
_BASES: dict[str, tuple[int, tuple[int, ...], int]] = {
    "digits-cnn": (3, (32, 64), 128),
    "cnn": (5, (16, 32), 256),
}


class Variant(Net):
    """Blocks of convolutions, ReLU and pooling, then a linear layer to the representation; a linear head.

    narrow: half the channels and half the representation; wide: twice both; shallow: the first block alone; deep: two convolutions
    in each block.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        *,
        kernel: int,
        channels: Sequence[int],
        each: int,
        width: int,
    ) -> None:
        super().__init__()
        before, h, w = shape
        layers: list[nn.Module] = []
        for count in channels:
            for _ in range(each):
                layers += [nn.Conv2d(before, count, kernel, padding=kernel // 2), nn.ReLU()]
                before = count
            layers.append(nn.MaxPool2d(2))
            h, w = h // 2, w // 2
        self.width = width
        self.extractor = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * h * w, width))
        self.head = nn.Linear(width, classes)

    @classmethod
    def named(cls, name: str, shape: tuple[int, int, int], classes: int) -> Self:
        """The net "BASE-HOW", as "digits-cnn-wide"."""
        base, _, how = name.rpartition("-")
        kernel, channels, width = _BASES[base]
        if how in ("narrow", "wide"):
            channels = tuple(c // 2 if how == "narrow" else c * 2 for c in channels)
            width = width // 2 if how == "narrow" else width * 2
        if how == "shallow":
            channels = channels[:1]
        return cls(
            shape, classes, kernel=kernel, channels=channels, each=2 if how == "deep" else 1, width=width
        )
