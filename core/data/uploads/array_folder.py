"""A folder of .npy files with more images than fit memory: it is checked, and its pixels are read in blocks.

The names of the arrays are those of an npz, so an npz that was unpacked is such a folder.
"""

from __future__ import annotations

import itertools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.uploads.names import printable_name
from core.data.uploads.preview import TEST_SHARE, draw_test_set, hashed_key, require_classes, title_of
from core.data.uploads.reading.array_file import ArrayFile
from core.data.uploads.reading.labels import number_labels, read_labels
from core.data.uploads.reading.npz import find_pairs
from core.data.uploads.reading.parsed import LARGEST, SMALLEST, ParsedUpload
from core.data.uploads.reading.sources import open_source
from core.errors import DataError, RequestError

_LABEL_BYTES = 2**30
_BLOCK = 8 * 2**20  # bytes of pixels in memory at a time


class _File:
    """One file, read from start to end."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, count: int) -> bytearray:
        """Return the next ``count`` bytes. Raises DataError when there are fewer."""
        data = bytearray(self._file.read(count))
        if len(data) < count:
            raise DataError(f"{self._name} ends too early; write it again")
        return data


class ArrayFolder:
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W) uint8 with 1 or 3 channels, and their labels, in a folder of .npy files.

    Raises RequestError for a folder without arrays, DataError that names the folder or the array when it cannot be used.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self._folder = folder
        self.name = printable_name(name or str(folder))
        arrays = {p.stem: p.name for p in sorted(folder.glob("*.npy"))}
        if not arrays:
            raise RequestError(
                f"{self.name} is a folder without .npy files; put images.npy and labels.npy into it, or make a zip of its class folders and name that"
            )
        self.title = title_of(name or folder.resolve().name)
        pairs, _ = find_pairs(self, arrays)
        labels = [(n, read_labels(self, n, ArrayFile(self, arrays[n]), _LABEL_BYTES)) for _, _, n in pairs]
        self._arrays = [_Pixels(self, folder / arrays[x], ArrayFile(self, arrays[x])) for _, x, _ in pairs]
        for x, (y_name, y) in zip(self._arrays, labels, strict=True):
            if x.count != len(y):
                raise DataError(
                    f"{self.name} has {x.count:,} images in {x.file} and {len(y):,} labels in {printable_name(y_name)}.npy; wanted one each"
                )
        shapes = {x.shape for x in self._arrays}
        if len(shapes) > 1:
            raise DataError(
                f"{self.name} has training and test images of other shapes ({' and '.join(map(str, shapes))}); wanted one"
            )
        self.shape = shapes.pop()  # (C, H, W)
        ys, self.classes, told = number_labels(self, arrays, labels)
        self.y = torch.from_numpy(np.concatenate(ys))  # (N,)
        given = None
        if len(pairs) > 1:
            given = torch.arange(len(self.y)) >= len(labels[0][1])
        found = ParsedUpload(self.classes, torch.empty(0), self.y, given, (), ())
        require_classes(found, self.name)
        self.is_test = draw_test_set(found, self.name) if given is None else given  # (N,) bool
        drawn = f"The folder has no test set: a random {TEST_SHARE:.0%} of each class becomes its test set."
        self.notes = (*told, *([drawn] if given is None else []))

    @property
    def bytes(self) -> int:
        """Bytes of all pixels."""
        return len(self.y) * int(np.prod(self.shape))

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return (self._folder / path).stat().st_size

    def stream(self, path: str) -> _File:
        """Open one file to read it in pieces. Raises DataError when it cannot be read."""
        return _File(open_source(self._folder / path), f"{self.name}/{path}")

    def part(self, is_test: bool) -> tuple[Tensor, Tensor]:
        """Return labels and ids of the test or the training set."""
        rows = (self.is_test == is_test).nonzero().flatten()
        return self.y[rows], rows

    def pixels(self, is_test: bool) -> Iterator[Tensor]:
        """Yield the images of the test or the training set in order, in blocks (n, C, H, W) uint8."""
        at = 0
        for array in self._arrays:
            if not bool((self.is_test[at : at + array.count] == is_test).any()):
                at += array.count
                continue
            for block in array.blocks():
                wanted = self.is_test[at : at + len(block)] == is_test
                at += len(block)
                yield torch.from_numpy(np.ascontiguousarray(block))[wanted]

    def key(self) -> str:
        """Return the key of the content, which is that of an upload of the same images; it reads all pixels."""
        plain: list[object] = [self.classes, (), self.shape, int((~self.is_test).sum())]
        parts = (itertools.chain(self.pixels(t), self.part(t)) for t in (False, True))
        return hashed_key(plain, itertools.chain.from_iterable(parts))


class _Pixels:
    """One array of pixels: its ``count``, the ``shape`` (C, H, W) of an image, and its values in blocks."""

    def __init__(self, folder: ArrayFolder, path: Path, header: ArrayFile) -> None:
        self._path, self._header, self.file = path, header, printable_name(path.name)
        where = f"{folder.name} holds {self.file}"
        given = printable_name(str(header.shape))
        if header.dtype != np.uint8:
            raise DataError(
                f"{where} of type {printable_name(str(header.dtype))}; wanted uint8 from 0 to 255 (pixels from 0 to 1: 255 times, rounded)"
            )
        shape = header.shape
        self._is_first = len(shape) == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3)  # the channels
        if len(shape) == 3:
            shape = (*shape, 1)
        if len(shape) != 4 or not (self._is_first or shape[3] in (1, 3)):
            raise DataError(
                f"{where} of shape {given}; wanted images (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels"
            )
        self.count = shape[0]
        self.shape = tuple(shape[1:]) if self._is_first else (shape[3], *shape[1:3])
        if not all(SMALLEST <= side <= LARGEST for side in self.shape[1:]):
            raise DataError(
                f"{where} of shape {given}; images of a folder keep their size, and the nets take {SMALLEST} to {LARGEST} pixels a side: scale them first"
            )
        if header.is_fortran:
            raise DataError(f"{where} in Fortran order; save numpy.ascontiguousarray of it")

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the images in order, (n, C, H, W) uint8."""
        row = int(np.prod(self.shape))
        step = max(1, _BLOCK // row)
        channels, height, width = self.shape
        with open_source(self._path) as file:
            file.seek(self._header.start)
            for first in range(0, self.count, step):
                count = min(step, self.count - first)
                flat = np.fromfile(file, np.uint8, count * row)
                if len(flat) < count * row:
                    raise DataError(f"{self.file} ends too early; write it again")
                if self._is_first:
                    yield flat.reshape(count, channels, height, width)
                else:
                    yield flat.reshape(count, height, width, channels).transpose(0, 3, 1, 2)


def unpack(source: Path, into: Path) -> None:
    """Unpack the arrays of an npz into a folder, without reading it into memory. Raises DataError for a broken npz, OSError for a full disk."""
    try:
        with zipfile.ZipFile(open_source(source)) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".npy") and "/" not in member.filename:
                    archive.extract(member, into)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{source} is cut off or broken ({error}); write it with numpy.savez again"
        ) from error
