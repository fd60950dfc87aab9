"""Images as uint8 tensors with stable ids; with labels, and without a place for any."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """N images without labels.

    ``x`` (N, C, H, W) uint8 in [0, white]; ``ids`` (N,) int64, the same for an image in every split of a dataset.
    """

    x: Tensor
    ids: Tensor
    white: int = 255  # the pixel value that a net sees as 1.0

    def __len__(self) -> int:
        return len(self.x)

    def floats(self, rows: Tensor | slice) -> Tensor:
        """Images ``rows`` as a net reads them: (B, C, H, W) float32 in [0, 1]."""
        return self.x[rows].float() / self.white

    def take(self, rows: Tensor) -> Self:
        """The images ``rows`` (int64 or bool mask), in that order."""
        return self._each(lambda t: t[rows.to(t.device)])

    def to(self, device: torch.device | str) -> Self:
        """The same images on ``device``; itself when they are there already."""
        device = torch.device(device)
        return self if self.x.device == device else self._each(lambda t: t.to(device))

    def _each(self, change) -> Self:  # type: ignore[no-untyped-def]
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: change(v) for k, v in tensors.items() if isinstance(v, Tensor)})


@dataclass(frozen=True, eq=False)
class LabelledImages(Images):
    """Images with labels ``y`` (N,) int64."""

    y: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.y is None or len(self.y) != len(self.x):
            raise ValueError("labelled images need one label each")

    def unlabelled(self) -> Images:
        """The same images as an object that has no ``y``."""
        return Images(self.x, self.ids, self.white)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A train and a test set. Train ids and test ids never meet."""

    name: str
    title: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all pixels, labels and ids: the key under which things made from this data are kept."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=12)
        for part in (self.train, self.test):
            for tensor in (part.x, part.y, part.ids):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
