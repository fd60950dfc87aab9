"""Lossless compression of the arrays in kept runs, and a rounding that makes representations compress well.

Bytes of equal significance are stored side by side, since exponents repeat and mantissas do not.
An array can be stored as its difference from an earlier array.
Each row of representations is rounded to its own grid. A step then moves most rows by a few grid points.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

GRAINS = 16  # least grid points in the root mean square of a row; rounding turns a row by at most 0.8 degrees
HALF_MAX = 65504  # the largest float16
_SMALLEST = np.float32(2.0**-24)  # float16
_MOST = np.float32(2**15 - 1)
_WIDTHS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_PLANES, _ROWS = b"p", b"r"


def rounded_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Return float32 rows (N, d) as float16, each row rounded to multiples of its own power of two.

    That power lies between 1/16 and 1/32 of the row's root mean square.
    """
    rows = np.clip(rows, -HALF_MAX, HALF_MAX)  # the square of a diverged model's value overflows float32
    grain = np.exp2(_powers(rows))
    found = np.clip(np.rint(rows / grain) * grain, -HALF_MAX, HALF_MAX)
    half: npt.NDArray[np.float16] = (found + np.float32(0.0)).astype(np.float16)
    return half  # no negative zero: the grid has one zero


def pack(array: Array, before: Array | None = None) -> bytes:
    """Return ``array`` compressed; ``unpack`` restores it.

    ``before`` is an earlier array of the same shape and type. The closer it is to ``array``, the smaller the result.
    """
    if array.dtype == np.float16 and array.ndim == 2 and array.size:
        packed = _pack_rows(array, before)
        if packed is not None:
            return _ROWS + packed
    return _PLANES + _pack_planes(_bits(array), before)


def unpack(data: bytes, dtype: str, shape: tuple[int, ...], before: Array | None = None) -> Array:
    """Return the array that ``pack`` compressed to ``data``.

    Raises ValueError for bytes that ``pack`` did not write.
    """
    how, data = data[:1], data[1:]
    if how == _ROWS and len(shape) == 2:
        return _unpack_rows(data, shape, before)
    if how != _PLANES:
        raise ValueError("packed in an unknown way")
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    planes = _inflate(data, count * kind.itemsize).reshape(kind.itemsize, count)
    bits = np.ascontiguousarray(planes.T).reshape(-1).view(_WIDTHS[kind.itemsize])
    if before is not None:
        bits = bits ^ _bits(before)
    return bits.view(kind).reshape(shape)


def same_layout(array: Array, before: Array | None) -> bool:
    """Return whether ``array`` can be packed as its difference from ``before``."""
    return before is not None and before.dtype == array.dtype and before.shape == array.shape


def _bits(array: Array) -> Array:
    """Return the array's bytes as unsigned integers (n,) of the same width."""
    return np.ascontiguousarray(array).reshape(-1).view(_WIDTHS[array.dtype.itemsize])


def _pack_planes(bits: Array, before: Array | None) -> bytes:
    if before is not None:
        bits = bits ^ _bits(before)
    return _deflate(bits.view(np.uint8).reshape(-1, bits.dtype.itemsize).T.tobytes())


def _pack_rows(array: Array, before: Array | None) -> bytes | None:
    """Return each row's grid points, less those of ``before`` and less the mean shift of each column, compressed.

    Returns None when the rows are not on a grid.
    """
    rows = array.astype(np.float32)
    if not np.isfinite(rows).all() or (array.view(np.uint16) == 0x8000).any():
        return None
    power = _powers(rows)
    points = rows * np.exp2(-power)
    off = (points != np.rint(points)).any(axis=1)
    if off.any():  # rounding made these rows longer, so that their exponent is one too large
        power[off] -= 1
        points[off] = rows[off] * np.exp2(-power[off])
    if (points != np.rint(points)).any() or np.abs(points).max() >= _MOST:
        return None
    if before is not None:
        points -= _points(before, power)
    drift = np.clip(np.rint(points.mean(axis=0)), -_MOST, _MOST)
    small = (
        (points - drift).astype(np.int32).astype(np.int16)
    )  # modulo 2^16; ``_unpack_rows`` adds modulo 2^16
    zigzag = ((small << 1) ^ (small >> 15)).view(np.uint16)
    high = (zigzag >> 8).astype(np.uint8)
    planes = [(zigzag & 255).astype(np.uint8), *([high] if high.any() else [])]
    head = power.astype(np.int8).tobytes() + drift.astype("<i2").tobytes()
    return _deflate(b"".join([head, *(p.tobytes() for p in planes)]))


def _unpack_rows(data: bytes, shape: tuple[int, ...], before: Array | None) -> Array:
    rows, columns = shape
    head, count = rows + 2 * columns, rows * columns
    found = _inflate(data, head + count, head + 2 * count)
    power = found[:rows].view(np.int8).astype(np.float32)[:, None]
    drift = found[rows:head].view("<i2")
    zigzag = found[head : head + count].astype(np.uint16)
    if len(found) > head + count:
        zigzag |= found[head + count :].astype(np.uint16) << 8
    small = ((zigzag >> 1).view(np.int16) ^ -(zigzag & 1).view(np.int16)).reshape(rows, columns) + drift
    if before is not None:
        small += _points(before, power).astype(np.int16)
    rounded: Array = (small.astype(np.float32) * np.exp2(power)).astype(np.float16)
    return rounded


def _powers(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the exponents (N, 1) of each row's grid."""
    size = np.sqrt(np.mean(np.square(rows), axis=1, keepdims=True))
    powers: npt.NDArray[np.float32] = np.floor(np.log2(np.maximum(size / GRAINS, _SMALLEST)))
    return powers


def _points(before: Array, power: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the rows of ``before`` as whole grid points of the grids with exponents ``power``."""
    return np.clip(np.floor(before.astype(np.float32) * np.exp2(-power)), -_MOST, _MOST)


def _deflate(data: bytes) -> bytes:
    """Compress with run lengths and a Huffman code.

    On floats the result is as small as with zlib's search for repeats, in half the time.
    """
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()


def _inflate(data: bytes, *sizes: int) -> npt.NDArray[np.uint8]:
    """Decompress ``data``. Raises ValueError unless the result has one of ``sizes`` bytes."""
    try:
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(data, max(sizes) + 1)  # the limit stops a decompression bomb
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(found) not in sizes or not unpacker.eof:
        raise ValueError("packed values of another number")
    return np.frombuffer(found, np.uint8)
