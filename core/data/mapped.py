"""Pixels on disk as a tensor: a memory-mapped file of uint8 images, of which only a small part is in memory at a time.

The operating system maps pages of the file at their first use, and they count as memory of this process until they are released. Walks in
order report what they read (``note_read``), and every BUDGET bytes all pages are released; a released page is mapped again when it is needed.
Single rows are read from the file and not through the mapping, since Linux maps up to some megabytes around each.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from core.errors import StoreError
from core.runtime.storage import home

BUDGET = (
    16 * 2**20
)  # bytes read between two releases; the system may map up to 64 KB for each image that is read
BLOCK = 8 * 2**20  # bytes of a block of rows in a walk over all images
IN_MEMORY = 256 * 2**20  # bytes; a larger part of mapped images becomes a mapped file of its own


class _Mapping:
    """A mapped file with its own descriptor, and the bytes that were read since its pages were last released."""

    def __init__(self, array: Any, descriptor: int) -> None:
        self.file = weakref.ref(array)
        self.descriptor = descriptor
        self.start = int(array.offset)  # of the first pixel in the file
        self.read = 0
        self.lock = threading.Lock()

    def note(self, count: int) -> None:
        """Count bytes that were read, and give the pages back to the system after each BUDGET of them."""
        with self.lock:
            self.read += count
            if self.read < BUDGET:
                return
            self.read = 0
        array = self.file()
        if array is not None and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            array._mmap.madvise(mmap.MADV_DONTNEED)


_MAPPINGS: dict[int, _Mapping] = {}  # by the address of the first pixel


def map_pixels(file: Path | IO[bytes], shape: tuple[int, ...] | None = None) -> Tensor:
    """Return the uint8 array of a .npy file (or of a bare file of ``shape``) as a tensor whose values stay on disk.

    Do not write to it: a page that was written loses its changes when it is released. Raises OSError and ValueError for a file that is no such array.
    """
    if isinstance(file, Path):
        array: Any = np.load(file, mmap_mode="c", allow_pickle=False)
    else:
        array = np.memmap(file, np.uint8, "c", shape=shape)
    if array.dtype != np.uint8 or not array.flags.c_contiguous or not isinstance(array, np.memmap):
        raise ValueError(f"{file} is no array of uint8 in C order")
    tensor = torch.from_numpy(array)
    address = tensor.data_ptr()
    descriptor = os.open(file, os.O_RDONLY) if isinstance(file, Path) else os.dup(file.fileno())
    _MAPPINGS[address] = _Mapping(array, descriptor)
    weakref.finalize(array, _forget, address)
    return tensor


def _forget(address: int) -> None:
    os.close(_MAPPINGS.pop(address).descriptor)


def is_mapped(x: Tensor) -> bool:
    """Return whether ``x`` is a mapped tensor or a view of one."""
    return bool(_MAPPINGS) and x.device.type == "cpu" and x.untyped_storage().data_ptr() in _MAPPINGS


def note_read(x: Tensor, rows: int) -> None:
    """Note that ``rows`` images of x were read; release its pages where it is mapped and enough was read."""
    if is_mapped(x):
        _MAPPINGS[x.untyped_storage().data_ptr()].note(rows * _row_bytes(x))


def rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """Return ``x[rows]`` in memory, for row numbers (n,) int64 or a mask; rows of a mapped x are read from its file."""
    if rows.dtype == torch.bool:
        rows = rows.nonzero().flatten()
    if not (len(rows) and is_mapped(x) and x.is_contiguous() and hasattr(os, "preadv")):  # Windows has none
        return x[rows]
    mapping, size = _MAPPINGS[x.untyped_storage().data_ptr()], _row_bytes(x)
    found = torch.empty(len(rows), *x.shape[1:], dtype=x.dtype)
    into, start = found.numpy().data.cast("B"), mapping.start + x.storage_offset()
    for place, row in enumerate(rows.tolist()):
        if not -len(x) <= row < len(x):
            raise IndexError(f"row {row} of {len(x)} images")
        to = into[place * size : (place + 1) * size]
        if os.preadv(mapping.descriptor, [to], start + (row % len(x)) * size) != size:
            raise OSError(f"the images on disk end before row {row}")
    return found


def memory_bytes(x: Tensor, copies: float = 1.0) -> float:
    """Return how many bytes of memory x takes with its ``copies``: at most IN_MEMORY where it is mapped, since copies are mapped too."""
    return min(x.nbytes, IN_MEMORY) if is_mapped(x) else copies * x.nbytes


def blocks(x: Tensor, most: int = BLOCK) -> Iterator[Tensor]:
    """Yield the rows of x in order, in views of at most ``most`` bytes and at least one row; a part that was used is released."""
    for part in torch.split(x, max(1, most // max(1, _row_bytes(x)))):
        yield part
        note_read(x, len(part))


def take(x: Tensor, rows: Tensor) -> Tensor:
    """Return ``x[rows]`` for row numbers or a mask.

    All rows in order are x itself. Other large parts of a mapped x are written to a temporary file in blocks, and mapped from there. The
    file is deleted with the tensor. Raises StoreError where the disk is full.
    """
    if not is_mapped(x):
        return x[rows]
    if rows.dtype == torch.bool:
        rows = rows.nonzero().flatten()
    if len(rows) == len(x) and torch.equal(rows, torch.arange(len(x))):
        return x
    if len(rows) * _row_bytes(x) <= IN_MEMORY:
        return rows_of(x, rows)
    return _written((rows_of(x, some) for some in _parts(x, rows)), (len(rows), *x.shape[1:]))


def changed(x: Tensor, rows: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return x with ``change(x[rows])`` in place of ``rows`` (n,) int64; x itself stays as it is.

    A large mapped x is written to a temporary file in blocks, as by ``take``. Raises as ``take``.
    """
    if not is_mapped(x) or x.nbytes <= IN_MEMORY:
        whole = x.clone()
        whole[rows] = change(whole[rows])
        return whole
    mask = torch.zeros(len(x), dtype=torch.bool)
    mask[rows] = True

    def parts() -> Iterator[Tensor]:
        for some in _parts(x, torch.arange(len(x))):
            part, here = rows_of(x, some), mask[some]
            part[here] = change(part[here])
            yield part

    return _written(parts(), tuple(x.shape))


def _parts(x: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    return torch.split(rows, max(1, BLOCK // _row_bytes(x)))


def _written(parts: Iterator[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Return ``parts``, all of whose rows make ``shape``, as a mapped file that is deleted with the tensor."""
    try:
        with tempfile.TemporaryFile(dir=_scratch()) as file:
            for part in parts:
                file.write(part.numpy().data)
            file.flush()
            return map_pixels(file, shape)
    except OSError as error:
        raise StoreError(
            f"{math.prod(shape) / 2**30:.1f} GB of images cannot be written to {_scratch()} ({error.strerror}); free space there"
        ) from error


def _row_bytes(x: Tensor) -> int:
    return math.prod(x.shape[1:]) * x.element_size()


def _scratch() -> str | None:
    """Return the Lab's folder, whose disk holds the datasets too; None, the system's own, where it cannot be made."""
    try:
        os.makedirs(home(), exist_ok=True)
    except OSError:
        return None
    return str(home())
