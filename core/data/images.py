"""Images, vectors and series with stable ids, with and without labels, and datasets of them.

In names and texts of the Lab "image" stands for one sample of any kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple, Self

import torch
from torch import Tensor

from core.data import mapped
from core.errors import RequestError
from core.runtime.bounds import join_names, require_kind

KINDS = {1: "vectors", 2: "series", 3: "images"}  # by the number of dimensions of one sample


def kind_of(shape: Sequence[int]) -> str:
    """Return the kind of samples of ``shape``: (d,) "vectors", (channels, length) "series", (C, H, W) "images"."""
    return KINDS[len(shape)]


def size_text(shape: Sequence[int]) -> str:
    """Return the shape of one sample as text: "13 features", "1 channel of 96 values", "28x28 grey" or "32x32 in colour"."""
    if len(shape) == 1:
        return f"{shape[0]:,} feature{'s' if shape[0] > 1 else ''}"
    if len(shape) == 2:
        return f"{shape[0]} channel{'s' if shape[0] > 1 else ''} of {shape[1]:,} values"
    return f"{shape[2]}x{shape[1]} {'in colour' if shape[0] == 3 else 'grey'}"


class Norm(NamedTuple):
    """Mean and standard deviation of each channel: of pixels in [0, 1], or of the values of a feature or channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, x: Tensor, white: int = 255) -> Norm:
        """Return the values for all pixels of x (N, C, H, W) uint8; a constant channel gets a deviation of 1."""
        values = torch.arange(256, dtype=torch.float64) / white
        mean, std = [], []
        counts = torch.zeros(x.shape[1], 256, dtype=torch.int64, device=x.device)
        for part in mapped.blocks(x):
            for channel in range(x.shape[1]):
                counts[channel] += torch.bincount(part[:, channel].flatten().int(), minlength=256)
        for channel in range(x.shape[1]):
            share = counts[channel].double()
            share /= share.sum()
            middle = float((share * values).sum())
            mean.append(middle)
            std.append(float((share * (values - middle).square()).sum().sqrt()) or 1.0)
        return cls(tuple(mean), tuple(std))

    @classmethod
    def of_values(cls, x: Tensor) -> Norm:
        """Return the values for each feature of x (N, d), or each channel of x (N, channels, length); a constant one gets a deviation of 1."""
        by_channel = x.double().transpose(0, 1).flatten(1)  # (d or channels, values)
        std = by_channel.std(1, correction=0)
        std = torch.where(std > 0, std, 1.0)
        return cls(tuple(by_channel.mean(1).tolist()), tuple(std.tolist()))

    def standardised(self, x: Tensor) -> Tensor:
        """Return (x - mean) / std by channel, the second dimension of x, as float32."""
        mean, std = (torch.tensor(v, dtype=torch.float64).reshape(-1, *[1] * (x.ndim - 2)) for v in self)
        return ((x.double() - mean) / std).float()


@dataclass(frozen=True, eq=False)
class Images:
    """N images, vectors or series without labels.

    ``x`` is (N, C, H, W) uint8 in [0, white] for images, in memory or mapped from disk (``core.data.mapped``), and standardised float32 for vectors (N, d) and for series
    (N, channels, length), whose ``white`` is 1. ``ids`` is (N,) int64; an image has the same id in every split of a dataset.
    """

    x: Tensor
    ids: Tensor
    white: int = 255  # the pixel value that becomes 1.0, before ``norm``
    norm: Norm | None = field(default=None, kw_only=True)  # None: a net reads pixels in [0, 1]

    def __len__(self) -> int:
        return len(self.x)

    def floats(self, rows: Tensor | slice) -> Tensor:
        """Return images ``rows`` as a net reads them, (B, C, H, W) float32 in [0, 1], or normalised by ``norm``; vectors and series as stored."""
        x = mapped.rows_of(self.x, rows) if isinstance(rows, Tensor) else self.x[rows]
        if isinstance(rows, slice):
            mapped.note_read(self.x, len(x))
        x = x.float() / self.white
        if self.norm is None:
            return x
        mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in self.norm)
        return (x - mean) / std

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {len(self):,} of {'x'.join(map(str, self.x.shape[1:]))}"

    def take(self, rows: Tensor) -> Self:
        """Return the images ``rows`` (int64 or bool mask), in that order."""
        return self._map_tensors(lambda t: mapped.take(t, rows.to(t.device)))

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


def standardised_parts(x: Tensor, y: Tensor, is_test: Tensor) -> tuple[LabelledImages, LabelledImages, Norm]:
    """Return training and test set of vectors x (N, d) or series x (N, channels, length), and the Norm of the training set.

    Both are standardised by it, for each feature or channel. Ids are the rows of x; ``is_test`` is (N,) bool.
    """
    scale, ids = Norm.of_values(x[~is_test]), torch.arange(len(x))
    train, test = (
        LabelledImages(scale.standardised(x[rows]), ids[rows], 1, y[rows]) for rows in (~is_test, is_test)
    )
    return train, test, scale


@dataclass(frozen=True, eq=False)
class Clients:
    """The owners of a dataset's training images, who train models of it by federated averaging; ``core.data.clients`` divides."""

    count: int  # those who have left are counted
    partition: str  # a key of config.PARTITIONS
    local_epochs: int  # of each client in a round
    seed: int  # of the partition
    of: Tensor  # (N_train,) int64 number of the client who has the image, from 0

    def take(self, rows: Tensor) -> Clients:
        """Return the clients of the training images ``rows`` (n,)."""
        return replace(self, of=self.of[rows.to(self.of.device)])

    def sizes(self) -> list[int]:
        """Return the number of images of each client."""
        return self.of.bincount(minlength=self.count).tolist()

    def describe(self) -> str:
        """Return the division in a few words, such as "10 clients, iid"."""
        return f"{self.count} clients, {self.partition}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set. No id is in both.

    ``family`` is the name under which the presets are found; by default the dataset's own name.
    ``subject_of`` and ``test_subject_of`` hold, for each image, the index in ``subjects`` of the subject that
    it shows. ``clients`` are the owners of the training images, where there are several.
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
    scale: Norm | None = (
        None  # of vectors and series: what turns x into the values that were given, x * std + mean
    )
    features: tuple[str, ...] = ()  # names of a vector's features
    clients: Clients | None = None  # None: one owner has all images

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        return (
            f"Dataset: {self.title}, {len(self.train):,} training and {len(self.test):,} test {self.kind} of {size}, "
            f"{len(self.classes)} classes"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) of an image, (d,) of a vector, (channels, length) of a series."""
        return tuple(self.train.x.shape[1:])

    @property
    def kind(self) -> str:
        """Kind of the samples: "images", "vectors" or "series"."""
        return kind_of(self.shape)

    def with_train(self, rows: Tensor) -> Dataset:
        """Return the dataset with the training images ``rows`` (n,) only; ids stay the same."""
        subjects = None if self.subject_of is None else self.subject_of[rows.to(self.subject_of.device)]
        clients = None if self.clients is None else self.clients.take(rows)
        return replace(self, train=self.train.take(rows), subject_of=subjects, clients=clients)

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
        """Hash of all pixels, labels, ids and clients; caches use it in the keys of results from this data."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=12)
        for part in (self.train, self.test):
            for tensor in (part.x, part.y, part.ids):
                for block in mapped.blocks(tensor):
                    digest.update(block.cpu().contiguous().numpy().data)
        if self.clients is not None:
            digest.update(f"clients {self.clients.count} {self.clients.local_epochs}".encode())
            digest.update(self.clients.of.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def require_dataset(dataset: object) -> None:
    """Raise RequestError unless ``dataset`` is a Dataset."""
    require_kind(
        dataset, Dataset, "a forget request", 'load("digits") makes one, and a Split has one as split.dataset'
    )
