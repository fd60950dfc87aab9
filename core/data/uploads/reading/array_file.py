"""One array of an npz or of a folder, whose header is checked before its values are read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.names import printable_name
from core.data.uploads.reading.archives import FILE_BYTES
from core.data.uploads.reading.limits import MB
from core.errors import DataError

_HEADER = 16 * 1024  # bytes; numpy itself accepts no header above 10,000


class Pieces(Protocol):
    """One file that is read from start to end."""

    def take(self, count: int) -> bytearray:
        """Return the next ``count`` bytes. Raises DataError when there are fewer."""
        ...


class Files(Protocol):
    """An archive or a folder of arrays."""

    @property
    def name(self) -> str:
        """Name for messages."""
        ...

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        ...

    def stream(self, path: str) -> AbstractContextManager[Pieces]:
        """Open a file to read it in pieces."""
        ...


class ArrayFile:
    """One array of an npz or of a folder. The header is checked at once; ``read_all`` and ``chunks`` read the values.

    The values begin at byte ``start``, in Fortran order where ``is_fortran``.
    Raises DataError for pickled objects, and for a header that does not fit the size of the file.
    """

    def __init__(self, archive: Files, path: str) -> None:
        self._archive, self._path = archive, path
        self._where = f"{archive.name} holds {printable_name(path)}"
        size = archive.size(path)
        with archive.stream(path) as stream:
            file = io.BytesIO(bytes(stream.take(min(size, _HEADER))))
        try:
            version = np.lib.format.read_magic(file)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            self.shape, self.is_fortran, self.dtype = reader(file)
        except Exception as error:  # numpy parses a header as Python; a hostile one can raise any type
            raise DataError(
                f"{self._where}, which is no array that can be read; write it with numpy.savez again"
            ) from error
        self.start = file.tell()
        self._check_type()
        self.count = self._checked_count(size)

    def _check_type(self) -> None:
        where = self._where
        if self.dtype.hasobject:
            raise DataError(
                f"{where}, which has pickled objects; they can run code and are never read: save plain numbers, or fixed-length text (rows of unequal length become objects: cut or fill them to one length)"
            )
        if not self.dtype.itemsize or self.dtype.names is not None or self.dtype.subdtype is not None:
            raise DataError(
                f"{where} of type {printable_name(str(self.dtype))}, which is neither numbers nor text; wanted uint8 images and integer labels"
            )

    def _checked_count(self, size: int) -> int:
        """Return the number of values by the shape.

        Raises DataError unless they take the rest of the file's ``size`` bytes.
        """
        count = 1
        shape = printable_name(str(self.shape))
        for side in self.shape:
            if not isinstance(side, int) or side < 0 or len(self.shape) > 8:
                raise DataError(
                    f"{self._where}, whose shape {shape} is impossible; write it with numpy.savez again"
                )
            count *= side
        if self.dtype.itemsize * count != size - self.start:
            raise DataError(
                f"{self._where}, whose header promises {shape} of {printable_name(str(self.dtype))} and whose bytes are another number; write it again"
            )
        if not count:
            raise DataError(f"{self._where}, which is empty (shape {shape}); wanted one row for each image")
        return count

    def read_all(self, most: int) -> NDArray[np.generic]:
        """Return all values. Raises DataError when they take more than ``most`` bytes."""
        size = self.dtype.itemsize * self.count
        if size > most:
            raise DataError(f"{self._where} of {size // MB:,} MB; at most {most // MB} MB can be read of it")
        with self._archive.stream(self._path) as stream:
            stream.take(self.start)
            flat = np.frombuffer(stream.take(size), self.dtype)
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")

    def chunks(self, most: int) -> Iterator[NDArray[np.generic]]:
        """Yield the rows in order, in chunks of at most ``most`` bytes and at least one row."""
        if self.is_fortran and len(self.shape) > 1:
            if self.dtype.itemsize * self.count > FILE_BYTES:
                raise DataError(
                    f"{self._where} in Fortran order, of more than {FILE_BYTES // MB} MB; save numpy.ascontiguousarray of it"
                )
            yield self.read_all(FILE_BYTES)
            return
        row = self.dtype.itemsize * (self.count // self.shape[0])
        step = max(1, most // row)
        with self._archive.stream(self._path) as stream:
            stream.take(self.start)
            for first in range(0, self.shape[0], step):
                rows = min(step, self.shape[0] - first)
                yield np.frombuffer(stream.take(rows * row), self.dtype).reshape(rows, *self.shape[1:])
