"""Vectors and series of an upload, as numbers of 64 bits, and the reading of them from the arrays of an npz."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.names import printable_name
from core.data.uploads.reading.archives import Archive
from core.data.uploads.reading.array_file import ArrayFile
from core.data.uploads.reading.limits import MB
from core.data.uploads.reading.parsed import SMALLEST, Progress, ValueRows
from core.errors import DataError

VALUES = 10_000_000  # of all samples together; 80 MB
SERIES = "series"  # the name of an array that says so
_CHUNK = 2 * MB
_WANTED = "fill in or leave out rows with missing values"

Floats = NDArray[np.float64]


class Values:
    """The vectors or series of one array of an npz; ``notes`` are sentences about them."""

    def __init__(self, archive: Archive, name: str, file: ArrayFile) -> None:
        self._file, self._where = file, f"{archive.name} holds {printable_name(name)}"
        self.notes: list[str] = []
        self.count, self.shape = file.shape[0], file.shape[1:]
        if file.dtype.kind not in "fiu":
            raise DataError(f"{self._where} of type {printable_name(str(file.dtype))}; wanted numbers")
        if file.count > VALUES:
            raise DataError(
                f"{self._where} of {file.count:,} values; up to {VALUES:,} can be read, leave some out"
            )

    def read_into(self, x: Floats) -> None:
        """Write the values to ``x``. Raises DataError for a value that is missing or infinite."""
        first = 0
        for part in self._file.chunks(_CHUNK):
            x[first : first + len(part)] = part
            wrong = np.argwhere(~np.isfinite(x[first : first + len(part)]))
            if len(wrong):
                row, *place = (int(i) for i in wrong[0])
                raise DataError(
                    f"{self._where} with no number (NaN or infinite) in row {first + row}, place {tuple(place)}; {_WANTED}"
                )
            first += len(part)


def holds_values(name: str, file: ArrayFile) -> bool:
    """Return whether an array holds vectors or series, and no images, by its name, type and shape.

    An array of two dimensions holds vectors. One of three holds series if its name says so, or if its second dimension is smaller
    than an image can be and its type is not whole numbers; otherwise images (N, H, W).
    """
    if len(file.shape) == 3:
        few = file.dtype.kind == "f" and file.shape[1] < SMALLEST
        return few or SERIES in re.split(r"[_-]", name.casefold())
    return len(file.shape) == 2


def read_values(xs: Sequence[Values], progress: Progress) -> ValueRows:
    """Return the values of all arrays, one after the other."""
    total = sum(x.count for x in xs)
    found = np.empty((total, *xs[0].shape))
    first = 0
    for x in xs:
        progress(first, total)
        x.read_into(found[first : first + x.count])
        first += x.count
    return ValueRows(found)
