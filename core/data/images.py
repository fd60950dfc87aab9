"""Images as uint8 tensors with stable ids; with labels, and without a place for any."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Norm(NamedTuple):
    """Mean and standard deviation of each channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, x: Tensor, white: int = 255) -> Norm:
        """Of all pixels of x (N, C, H, W) uint8; a channel that does not vary gets a deviation of 1."""
        values = torch.arange(256, dtype=torch.float64) / white
        mean, std = [], []
        for channel in range(x.shape[1]):
            share = torch.bincount(x[:, channel].flatten().int(), minlength=256).double()
            share /= share.sum()
            middle = float((share * values).sum())
            mean.append(middle)
            std.append(float((share * (values - middle).square()).sum().sqrt()) or 1.0)
        return cls(tuple(mean), tuple(std))


@dataclass(frozen=True, eq=False)
class Images:
    """N images without labels.

    ``x`` (N, C, H, W) uint8 in [0, white]; ``ids`` (N,) int64, the same for an image in every split of a dataset.
    """

    x: Tensor
    ids: Tensor
    white: int = 255  # the pixel value that a net sees as 1.0, before ``norm``
    norm: Norm | None = field(default=None, kw_only=True)  # None: a net sees [0, 1]

    def __len__(self) -> int:
        return len(self.x)

    def floats(self, rows: Tensor | slice) -> Tensor:
        """Images ``rows`` as a net reads them, (B, C, H, W) float32: in [0, 1], or normalised by ``norm`` on their device."""
        x = self.x[rows].float() / self.white
        if self.norm is None:
            return x
        mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in self.norm)
        return (x - mean) / std

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
        return Images(self.x, self.ids, self.white, norm=self.norm)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A train and a test set. Train ids and test ids never meet.

    ``family`` names whose presets fit: the dataset's own name unless given. ``subject_of`` says of each training image which of
    ``subjects`` it shows, ``test_subject_of`` of each test image, where that is known.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    family: str = ""
    subjects: tuple[str, ...] = ()
    subject_of: Tensor | None = None  # (N_train,) int64; -1: not known
    test_subject_of: Tensor | None = None  # (N_test,) likewise; None also for data imported without it

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    def counts_of(self, subject: int) -> tuple[int, int]:
        """Return how many training and how many test images are known to show ``subject``, an index of ``subjects``."""
        of = (self.subject_of, self.test_subject_of)
        train, test = (0 if t is None else int((t == subject).sum()) for t in of)
        return train, test

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all pixels, labels and ids: the key under which things made from this data are kept."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=12)
        for part in (self.train, self.test):
            for tensor in (part.x, part.y, part.ids):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
