"""Images as uint8 tensors with stable ids, with and without labels, and datasets of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple, Self

import torch
from torch import Tensor

from core.errors import RequestError
from core.runtime.bounds import join_names


class Norm(NamedTuple):
    """Mean and standard deviation of each channel, for pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, x: Tensor, white: int = 255) -> Norm:
        """Return the values for all pixels of x (N, C, H, W) uint8; a constant channel gets a deviation of 1."""
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

    ``x`` is (N, C, H, W) uint8 in [0, white]. ``ids`` is (N,) int64; an image has the same id in every split of a dataset.
    """

    x: Tensor
    ids: Tensor
    white: int = 255  # the pixel value that becomes 1.0, before ``norm``
    norm: Norm | None = field(default=None, kw_only=True)  # None: a net reads pixels in [0, 1]

    def __len__(self) -> int:
        return len(self.x)

    def floats(self, rows: Tensor | slice) -> Tensor:
        """Return images ``rows`` as a net reads them, (B, C, H, W) float32 in [0, 1], or normalised by ``norm``."""
        x = self.x[rows].float() / self.white
        if self.norm is None:
            return x
        mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in self.norm)
        return (x - mean) / std

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {len(self):,} of {'x'.join(map(str, self.x.shape[1:]))}"

    def take(self, rows: Tensor) -> Self:
        """Return the images ``rows`` (int64 or bool mask), in that order."""
        return self._map_tensors(lambda t: t[rows.to(t.device)])

    def to(self, device: torch.device | str) -> Self:
        """Return the same images on ``device``; the object itself when they are on it already."""
        device = torch.device(device)
        return self if self.x.device == device else self._map_tensors(lambda t: t.to(device))

    def _map_tensors(self, change) -> Self:  # type: ignore[no-untyped-def]
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: change(v) for k, v in tensors.items() if isinstance(v, Tensor)})


@dataclass(frozen=True, eq=False, repr=False)
class LabelledImages(Images):
    """Images with labels ``y`` (N,) int64."""

    y: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.y is None or len(self.y) != len(self.x):
            raise ValueError("each labelled image needs one label")

    def unlabelled(self) -> Images:
        """Return the same images as an object without ``y``."""
        return Images(self.x, self.ids, self.white, norm=self.norm)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set. No id is in both.

    ``family`` is the name under which the presets are found; by default the dataset's own name.
    ``subject_of`` and ``test_subject_of`` hold, for each image, the index in ``subjects`` of the subject that
    it shows.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    family: str = ""
    subjects: tuple[str, ...] = ()
    subject_of: Tensor | None = None  # (N_train,) int64; -1: unknown
    test_subject_of: Tensor | None = None  # (N_test,) int64; -1: unknown

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        return (
            f"Dataset: {self.title}, {len(self.train):,} training and {len(self.test):,} test images of {size}, "
            f"{len(self.classes)} classes"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    def with_train(self, rows: Tensor) -> Dataset:
        """Return the dataset with the training images ``rows`` (n,) only; ids stay the same."""
        subjects = None if self.subject_of is None else self.subject_of[rows.to(self.subject_of.device)]
        return replace(self, train=self.train.take(rows), subject_of=subjects)

    def counts_of(self, subject: int) -> tuple[int, int]:
        """Return the numbers of training and of test images that show ``subject``, an index of ``subjects``."""
        of = (self.subject_of, self.test_subject_of)
        train, test = (0 if t is None else int((t == subject).sum()) for t in of)
        return train, test

    def unknown_ids(self, ids: Sequence[int]) -> RequestError:
        """Return the error for ``ids`` that are no training images of this dataset."""
        first, last = int(self.train.ids.min()), int(self.train.ids.max())
        return RequestError(
            f"{len(ids):,} of the ids are no training image of {self.title}: {join_names(ids)}; its ids lie between {first} and {last}"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all pixels, labels and ids; caches use it in the keys of results from this data."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=12)
        for part in (self.train, self.test):
            for tensor in (part.x, part.y, part.ids):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
