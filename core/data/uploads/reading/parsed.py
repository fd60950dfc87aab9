"""Results of reading an upload, and the size to which its images are scaled. This module imports no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.names import printable_name
from core.data.uploads.reading.limits import MB

if TYPE_CHECKING:
    from torch import Tensor

IMAGES = 100_000  # 1.2 GB of memory at the largest size
CLASSES = 1000  # the most that a page can show
LARGEST, SMALLEST = 64, 8  # pixels a side that the Lab's nets accept
Progress = Callable[[int, int], None]  # called with the finished and the total amount of work
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, eq=False)
class ParsedUpload:
    """All images of an upload at one size, or all vectors or series, in the order of their ids."""

    classes: tuple[str, ...]
    x: Tensor  # (N, C, H, W) uint8, or (N, d) or (N, channels, length) float64
    y: Tensor  # (N,) int64
    is_test: Tensor | None  # (N,) bool, test images last; None when the upload has no test set
    sizes: tuple[
        tuple[int, int, int], ...
    ]  # width, height and number of images, most frequent first; () without images
    notes: tuple[str, ...]  # sentences about what was changed or left out
    paths: tuple[str, ...] = ()  # (N,) in the zip; () for an npz
    left_out: tuple[str, ...] = ()  # paths in the zip that are not among the images
    features: tuple[str, ...] = ()  # names of the columns of a CSV
    subjects: tuple[str, ...] = ()  # (N,) of the lines of a CSV, "" where unknown; () without such a column


class Rows:
    """Images of one size, (H, W) or (H, W, 3) uint8, in the order of their ids.

    Many of them are kept in a temporary file.
    """

    dtype = "uint8"

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=16 * MB)  # noqa: SIM115 - it lives as long as this object
        self._bands: list[int] = []
        self._size = (0, 0)
        self.is_colour = False  # whether any image needs three channels

    def __len__(self) -> int:
        return len(self._bands)

    def add(self, pixels: NDArray[np.uint8], is_colour: bool) -> None:
        """Append one image; ``is_colour`` is False when its three channels are equal."""
        self._file.write(np.ascontiguousarray(pixels).data)
        self._bands.append(3 if pixels.ndim == 3 else 1)
        self._size = (pixels.shape[0], pixels.shape[1])
        self.is_colour |= is_colour

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)"""
        return len(self), 3 if self.is_colour else 1, *self._size

    def each(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each image as (C, H, W), with the number of channels in ``shape``."""
        self._file.seek(0)
        height, width = self._size
        for bands in self._bands:
            pixels = np.frombuffer(self._file.read(height * width * bands), np.uint8)
            planes = pixels.reshape(height, width, bands).transpose(2, 0, 1)
            yield np.broadcast_to(planes, (3, height, width)) if self.is_colour else planes[:1]


class ValueRows:
    """Vectors (N, d) or series (N, channels, length), in the order of their ids."""

    dtype = "float64"

    def __init__(self, x: NDArray[np.float64]) -> None:
        self._x = np.ascontiguousarray(x)
        self.shape = self._x.shape

    def each(self) -> Iterator[NDArray[np.float64]]:
        """Yield each sample."""
        yield from self._x


@dataclass(frozen=True, eq=False)
class ReadResult:
    """The result of the reading process.

    Its fields are those of ParsedUpload, with ``rows`` in place of ``x``.
    """

    classes: tuple[str, ...]
    rows: Rows | ValueRows
    y: NDArray[np.int64]
    is_test: NDArray[np.bool_] | None
    sizes: tuple[tuple[int, int, int], ...]
    notes: tuple[str, ...]
    paths: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


def target_size(common: Size) -> Size:
    """Return the most frequent size scaled into the range that the nets accept, with its proportions where possible."""
    shrink = min(1.0, LARGEST / max(common))
    width, height = (max(SMALLEST, round(side * shrink)) for side in common)
    return width, height


def size_text(size: Size) -> str:
    """Return a size as text, such as "28×28"."""
    return f"{size[0]}×{size[1]}"


def resize_note(common: Size) -> str:
    """Return a sentence about the scaling of images of the most frequent size."""
    why = f"the nets take {SMALLEST} to {LARGEST} pixels a side"
    return f"Images of {size_text(common)} become {size_text(target_size(common))}: {why}."


def list_note(what: str, paths: Sequence[str], most: int = 3) -> str:
    """Return a sentence such as "Left out, no image: a.txt." or "Left out, no image: 5 files (a.txt, b.txt, c.txt, …)."."""
    named = ", ".join(printable_name(p) for p in paths[:most])
    if len(paths) > 1:
        named = f"{len(paths):,} files ({named}{', …' if len(paths) > most else ''})"
    return f"{what}: {named}."
