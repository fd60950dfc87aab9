"""Reading of an npz of images, vectors or series, and labels."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.names import printable_name
from core.data.uploads.reading.archives import Archive
from core.data.uploads.reading.array_file import ArrayFile, Files
from core.data.uploads.reading.image_decoding import is_grey, on_white, scaled
from core.data.uploads.reading.labels import number_labels, read_labels
from core.data.uploads.reading.limits import MB, PIXELS, ROW_BYTES, TOTAL_PIXELS, seconds
from core.data.uploads.reading.parsed import (
    IMAGES,
    Progress,
    ReadResult,
    Rows,
    ValueRows,
    resize_note,
    target_size,
)
from core.data.uploads.reading.value_rows import SERIES, Values, holds_values, read_values
from core.errors import DataError

Array = NDArray[Any]
_PARTS = {"train": False, "test": True, "": None}
_CHUNK = 2 * MB  # of rows read at once
_IMAGES = ("x", "images", "data", SERIES, "image")
_LABELS = ("y", "labels", "targets", "label", "target")  # scikit-learn's data have "data" and "target"


def read(archive: Archive, progress: Progress, allow: Callable[[float], None]) -> ReadResult:
    """Return all images of an npz in the order of its rows, training images before test images.

    ``allow`` is called with the processor seconds that the upload may take by its headers.
    Raises DataError that names the array.
    """
    arrays = {path.removesuffix(".npy"): path for path in archive.files}
    pairs, used = find_pairs(archive, arrays)
    xs, ys = _open_pairs(archive, arrays, pairs)
    total = sum(x.count for x in xs)
    labels = [(name, y) for (_, _, name), y in zip(pairs, ys, strict=True)]
    ys, classes, notes = number_labels(archive, arrays, labels)
    rows: Rows | ValueRows
    sizes: tuple[tuple[int, int, int], ...] = ()
    values = [x for x in xs if isinstance(x, Values)]
    images = [x for x in xs if isinstance(x, _Images)]
    if values:
        allow(seconds(total, archive.unpacked))
        rows = read_values(values, progress)
    else:
        height, width = xs[0].shape[:2]
        allow(seconds(total, archive.unpacked, total * height * width))
        rows = _read_rows(images, total, progress)
        sizes = ((width, height, total),)
        if target_size((width, height)) != (width, height):
            notes.append(resize_note((width, height)))
    for x in xs:
        notes += x.notes
    unused = sorted(printable_name(name) for name in arrays if name not in used and name != "classes")
    if unused:
        notes.append(f"Left out, neither images nor labels: {', '.join(unused[:5])}.")
    test = [np.full(len(y), bool(is_test)) for (is_test, _, _), y in zip(pairs, ys, strict=True)]
    return ReadResult(
        classes,
        rows,
        np.concatenate(ys),
        np.concatenate(test) if len(pairs) > 1 else None,
        sizes,
        tuple(dict.fromkeys(notes)),
    )


def _open_pairs(
    archive: Archive, arrays: dict[str, str], pairs: list[tuple[bool | None, str, str]]
) -> tuple[list[_Images | Values], list[Array]]:
    """Return the images, vectors or series, whose values are not read yet, and the labels of each pair.

    Raises DataError when they do not fit.
    """
    xs: list[_Images | Values] = []
    ys = []
    for _, x_name, y_name in pairs:
        y = read_labels(archive, y_name, ArrayFile(archive, arrays[y_name]))
        file = ArrayFile(archive, arrays[x_name])
        x = (Values if holds_values(x_name, file) else _Images)(archive, x_name, file)
        if x.count != len(y):
            raise DataError(
                f"{archive.name} has {x.count:,} images in {x_name} and {len(y):,} labels in {y_name}; wanted one each"
            )
        xs.append(x)
        ys.append(y)
    if len({(type(x), x.shape) for x in xs}) > 1:
        shapes = " and ".join(f"{name} {x.shape}" for (_, name, _), x in zip(pairs, xs, strict=True))
        raise DataError(f"{archive.name} has training and test images of other shapes ({shapes}); wanted one")
    total = sum(x.count for x in xs)
    if total > IMAGES:
        raise DataError(f"{archive.name} has {total:,} images; up to {IMAGES:,} can be read, leave some out")
    if isinstance(xs[0], _Images) and total * math.prod(xs[0].shape[:2]) > TOTAL_PIXELS:
        raise DataError(
            f"{archive.name} has more than {TOTAL_PIXELS // 1_000_000:,} million pixels; leave images out, or make them smaller"
        )
    return xs, ys


def _read_rows(xs: list[_Images], total: int, progress: Progress) -> Rows:
    """Return the pixels of all images, scaled to the target size."""
    height, width = xs[0].shape[:2]
    target = target_size((width, height))
    rows = Rows()
    for x in xs:
        for part in x.chunks():
            progress(len(rows), total)
            for one in part:
                colour = one.ndim == 3 and not is_grey(one)
                if target != (width, height):
                    one = scaled(np.ascontiguousarray(one), target)
                rows.add(one, colour)
    return rows


def find_pairs(archive: Files, arrays: dict[str, str]) -> tuple[list[tuple[bool | None, str, str]], set[str]]:
    """Return the pairs of arrays, training first, and the set of all names in them.

    A pair is whether it is the test set, the name of its images and the name of its labels. The flag is None
    in an npz without a division.
    """
    found: dict[bool | None, dict[str, str]] = {}
    known = [*_IMAGES, *_LABELS]
    for name in sorted(arrays, key=lambda n: _rank(n, known)):
        words = re.split(r"[_-]", name.casefold())
        part = next((p for p in ("train", "test") if p in words), "")
        rest = [w for w in words if w != part]
        kind = "x" if rest[0:1] and rest[0] in _IMAGES else "y" if rest[0:1] and rest[0] in _LABELS else ""
        if kind and len(rest) == 1:
            found.setdefault(_PARTS[part], {}).setdefault(kind, name)
    parts = [p for p in (False, True) if p in found] if False in found else [None] if None in found else []
    for which in parts:
        if len(found[which]) < 2:
            has = next(iter(found[which].values()))
            lacks, names = ("labels", "y or labels") if "x" in found[which] else ("images", "x or images")
            others = ", ".join(printable_name(n) for n in arrays if n != has)
            raise DataError(
                f"{archive.name} has {printable_name(has)} without its {lacks}; add them as {names}"
                + (f" (it also holds {others})" if others else "")
            )
    if not parts:
        names = ", ".join(printable_name(n) for n in list(arrays)[:6])
        raise DataError(
            f"{archive.name} holds {names}; wanted x_train, y_train, x_test and y_test, or x and y"
        )
    pairs = [(p, found[p]["x"], found[p]["y"]) for p in parts]
    return pairs, {name for _, x, y in pairs for name in (x, y)}


def _rank(name: str, known: list[str]) -> int:
    """Return the place of the usual name in ``name`` among the ``known`` ones; of two arrays for one use the earlier counts."""
    return min((known.index(w) for w in re.split(r"[_-]", name.casefold()) if w in known), default=len(known))


class _Images:
    """The images of an array, read in chunks (n, H, W) or (n, H, W, 3) uint8.

    ``notes`` are sentences about changes.
    """

    def __init__(self, archive: Archive, name: str, file: ArrayFile) -> None:
        self._file, self._where = file, f"{archive.name} holds {printable_name(name)}"
        self.notes: list[str] = []
        shape = file.shape
        self._is_first = len(shape) == 4 and shape[3] not in (1, 3, 4) and shape[1] in (1, 3, 4)  # channels
        if self._is_first:
            shape = (shape[0], *shape[2:], shape[1])
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
            raise DataError(
                f"{self._where} of shape {printable_name(str(file.shape))}; wanted images (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels, vectors (N, d) or series (N, channels, length)"
            )
        if file.dtype.kind not in "fiu":
            raise DataError(
                f"{self._where} of type {printable_name(str(file.dtype))}; wanted uint8 from 0 to 255"
            )
        self.count = shape[0]
        self.shape = shape[1:3] if len(shape) == 3 or shape[3] == 1 else (*shape[1:3], 3)
        if shape[1] * shape[2] > PIXELS or file.dtype.itemsize * file.count // self.count > ROW_BYTES:
            raise DataError(
                f"{self._where} of shape {printable_name(str(file.shape))}, in which an image takes more than {ROW_BYTES // MB} MB; make them smaller"
            )
        self._is_clear = len(shape) == 4 and shape[3] == 4

    def chunks(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the rows in order. Raises DataError for a value that is no pixel."""
        if self._file.dtype.kind == "f":
            self.notes.append("Pixels between 0 and 1 become whole numbers from 0 to 255.")
        if self._is_clear:
            self.notes.append("Images are partly transparent: put on white.")
        for x in self._file.chunks(_CHUNK):
            if self._is_first:
                x = x.transpose(0, 2, 3, 1)
            if x.ndim == 4 and x.shape[3] == 1:
                x = x[..., 0]
            pixels = self._bytes(x)
            yield np.stack([on_white(one) for one in pixels]) if self._is_clear else pixels

    def _bytes(self, x: Array) -> NDArray[np.uint8]:
        if x.dtype.kind == "f":
            if not np.isfinite(x).all():
                raise DataError(
                    f"{self._where} with values that are no numbers (NaN or infinite); wanted pixels from 0 to 255"
                )
            if x.min() < 0 or x.max() > 1:
                raise DataError(
                    f"{self._where} of type {x.dtype} outside 0 to 1 (it has {x.min():g} to {x.max():g}); {_advice(x)}"
                )
            whole: NDArray[np.uint8] = np.rint(x * x.dtype.type(255)).astype(np.uint8)
            return whole
        if x.dtype != np.uint8 and (x.min() < 0 or x.max() > 255):
            raise DataError(
                f"{self._where} of type {x.dtype} outside 0 to 255 (it has {x.min()} to {x.max()}); wanted uint8"
            )
        pixels: NDArray[np.uint8] = x.astype(np.uint8, copy=False)
        return pixels


def _advice(x: Array) -> str:
    """Return what to do about pixels of floating point beyond 0 to 1."""
    series = "call the array series if it holds (N, channels, length)"
    if x.min() < 0:
        return f"scale the pixels to 0 to 1; {series}"
    return (
        f"divide by the largest value that a pixel can have, such as 255, or save 0 to 255 as uint8; {series}"
    )
