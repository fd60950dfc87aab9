"""Narrower, wider, shallower and deeper relatives of the two plain nets, for studies of the extractor.

docs/findings.md has what they come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.models import Net

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
