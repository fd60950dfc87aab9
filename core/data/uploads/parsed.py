"""What a reader found in an upload, and the size that its images become; no torch, which the reading process does without."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.archives import shown
from core.data.uploads.limits import MB

if TYPE_CHECKING:
    from torch import Tensor

IMAGES = 100_000  # 1.2 GB of memory at the largest size
CLASSES = 1000  # more cannot be told apart on a page
LARGEST, SMALLEST = 64, 8  # pixels a side: what the Lab's nets are made for, and what they can still halve
Progress = Callable[[int, int], None]  # how much is done, of how much
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, eq=False)
class ParsedUpload:
    """All images of an upload, at one size, in the order of their ids."""

    classes: tuple[str, ...]
    x: Tensor  # (N, C, H, W) uint8
    y: Tensor  # (N,) int64
    is_test: Tensor | None  # (N,) bool, the test images last; None where no test set was brought
    sizes: tuple[tuple[int, int, int], ...]  # width, height, images; commonest first
    notes: tuple[str, ...]  # sentences on what was changed or left out
    paths: tuple[str, ...] = ()  # (N,) in the zip; none for an npz
    left_out: tuple[str, ...] = ()  # paths that are not among the images


class Rows:
    """Images of one size (H, W) or (H, W, 3) uint8 in the order of their ids, held in a nameless file once they are many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=16 * MB)  # noqa: SIM115 - it lives as long as this object
        self._bands: list[int] = []
        self._size = (0, 0)
        self.is_colour = False  # whether any image needs three channels

    def __len__(self) -> int:
        return len(self._bands)

    def add(self, pixels: NDArray[np.uint8], is_colour: bool) -> None:
        """Append one image; ``is_colour`` is False where its three channels agree."""
        self._file.write(np.ascontiguousarray(pixels).data)
        self._bands.append(3 if pixels.ndim == 3 else 1)
        self._size = (pixels.shape[0], pixels.shape[1])
        self.is_colour |= is_colour

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)"""
        return len(self), 3 if self.is_colour else 1, *self._size

    def each(self) -> Iterator[NDArray[np.uint8]]:
        """Yield (C, H, W) for each image, with the channels of ``shape``."""
        self._file.seek(0)
        height, width = self._size
        for bands in self._bands:
            pixels = np.frombuffer(self._file.read(height * width * bands), np.uint8)
            planes = pixels.reshape(height, width, bands).transpose(2, 0, 1)
            yield np.broadcast_to(planes, (3, height, width)) if self.is_colour else planes[:1]


@dataclass(frozen=True, eq=False)
class Read:
    """What the reading process found; its fields are those of Found."""

    classes: tuple[str, ...]
    rows: Rows
    y: NDArray[np.int64]
    is_test: NDArray[np.bool_] | None
    sizes: tuple[tuple[int, int, int], ...]
    notes: tuple[str, ...]
    paths: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def target_size(common: Size) -> Size:
    """The commonest size, cut to what the nets take, its proportions kept where they can be."""
    shrink = min(1.0, LARGEST / max(common))
    width, height = (max(SMALLEST, round(side * shrink)) for side in common)
    return width, height


def size_text(size: Size) -> str:
    """ "28×28" """
    return f"{size[0]}×{size[1]}"


def resized(common: Size) -> str:
    """A sentence on what images of the commonest size become."""
    why = f"the nets take {SMALLEST} to {LARGEST} pixels a side"
    return f"Images of {size_text(common)} become {size_text(target_size(common))}: {why}."


def note(what: str, paths: Sequence[str], most: int = 3) -> str:
    """ "Left out, no image: a.txt." or "Left out, no image: 5 files (a.txt, b.txt, c.txt, …)." """
    named = ", ".join(shown(p) for p in paths[:most])
    if len(paths) > 1:
        named = f"{len(paths):,} files ({named}{', …' if len(paths) > most else ''})"
    return f"{what}: {named}."
