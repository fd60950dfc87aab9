"""Labels of an npz or a folder of arrays: numbers or words become the numbers of classes from 0 up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.names import clean_names, printable_name
from core.data.uploads.reading.array_file import ArrayFile, Files
from core.data.uploads.reading.limits import MB
from core.data.uploads.reading.parsed import CLASSES
from core.errors import DataError

Array = NDArray[Any]
LABEL_BYTES = 4 * MB  # 100,000 integers of 64 bits take 0.8 MB
_TEXT_BYTES = 16 * MB  # 100,000 words of 40 characters; names of 4,000 characters for 1,000 classes
_MOST = 2**53  # up to here floating point holds every whole number
_SHOWN = 5  # labels that a note names


def read_labels(archive: Files, name: str, file: ArrayFile, most_bytes: int = LABEL_BYTES) -> Array:
    """Return the labels (N,) as int64 or as text.

    ``most_bytes`` is a limit for numbers. Raises DataError unless they are whole numbers or words, one for each image.
    """
    where = f"{archive.name} holds {printable_name(name)}"
    if file.dtype.kind not in "iufbUS":
        raise DataError(
            f"{where} of type {printable_name(str(file.dtype))}; labels must be whole numbers or words"
        )
    if not (len(file.shape) == 1 or (len(file.shape) == 2 and file.shape[1] == 1)):
        count = file.shape[0] if file.shape else "N"
        hint = "; of one-hot labels save y.argmax(1)" if len(file.shape) == 2 else ""
        raise DataError(
            f"{where} of shape {printable_name(str(file.shape))}; wanted one label for each image, ({count},){hint}"
        )
    if file.dtype.kind in "US":
        return np.array(read_text(file, where), dtype=object)
    y = file.read_all(most_bytes).reshape(-1)
    whole = bool(np.isfinite(y).all()) and bool((y == np.floor(y)).all()) if y.dtype.kind == "f" else True
    if not whole:
        raise DataError(
            f"{where} with values that are no whole numbers; labels must be whole numbers or words"
        )
    if int(y.min()) < -_MOST or int(y.max()) > _MOST:
        raise DataError(f"{where} with labels out of range; wanted whole numbers below {_MOST:,}")
    return y.astype(np.int64)


def read_text(file: ArrayFile, where: str) -> list[str]:
    """Return the values of an array of text. Raises DataError for bytes that are no characters."""
    try:
        return [
            n.decode() if isinstance(n, bytes) else str(n)
            for n in file.read_all(_TEXT_BYTES).reshape(-1).tolist()
        ]
    except (ValueError, SystemError) as error:  # numpy accepts bytes that are no characters
        raise DataError(f"{where} with text that is no text; write it with numpy.savez again") from error


def number_labels(
    archive: Files, arrays: dict[str, str], labels: Sequence[tuple[str, Array]]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...], list[str]]:
    """Return the number of the class (N,) of each label, the names of the classes, and notes about them.

    ``labels`` are the arrays by name, training before test. With an array ``classes`` a label is a place in it. Otherwise
    numbers from 0 without gaps are kept, and other numbers and words are numbered in their order. Raises DataError for a label
    that has no name in ``classes``, for numbers beside words, and for too many different labels.
    """
    if "classes" in arrays:
        names, notes = _given_names(archive, arrays, labels)
        return [y for _, y in labels], names, notes
    kinds = {y.dtype.kind for _, y in labels}
    if len(kinds) > 1:
        raise DataError(
            f"{archive.name} has labels that are words in one array and numbers in another; wanted one kind"
        )
    values = sorted(
        {v for _, y in labels for v in (np.unique(y).tolist() if y.dtype.kind == "i" else y.tolist())}
    )
    total = sum(len(y) for _, y in labels)
    if len(values) > CLASSES or (len(values) > 20 and len(values) > total // 2):
        raise DataError(
            f"{archive.name} has {len(values):,} classes among {total:,} labels; up to {CLASSES:,} can be shown, each with two images or more"
        )
    if values == list(range(len(values))):
        return [y for _, y in labels], tuple(map(str, values)), []
    names, notes = clean_names([str(v) for v in values], f"{archive.name} has", "class")
    place = {value: i for i, value in enumerate(values)}
    shown = ", ".join(printable_name(str(v)) for v in values[:_SHOWN]) + ", …" * (len(values) > _SHOWN)
    notes.append(f"Each label became a class of its name: {shown}.")
    return [np.array([place[v] for v in y.tolist()], np.int64) for _, y in labels], names, notes


def _given_names(
    archive: Files, arrays: dict[str, str], labels: Sequence[tuple[str, Array]]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the names in the array ``classes``, and notes about them. Raises DataError unless each label is a place in it."""
    file = ArrayFile(archive, arrays["classes"])
    where = f"{archive.name} holds classes"
    if len(file.shape) != 1 or file.dtype.kind not in "US":
        raise DataError(
            f"{where} of type {printable_name(str(file.dtype))} and shape {printable_name(str(file.shape))}; wanted one line of text for each class"
        )
    if file.count > CLASSES:
        raise DataError(f"{archive.name} has {file.count:,} classes; up to {CLASSES:,} can be shown")
    names = read_text(file, where)
    cleaned = clean_names(names, where + " with", "class")
    for name, y in labels:
        if y.dtype.kind != "i":
            raise DataError(
                f"{archive.name} has words in {printable_name(name)} and an array classes; leave classes out, or number the labels"
            )
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= len(names):
            raise DataError(
                f"{archive.name} holds {printable_name(name)} with label {low if low < 0 else high}, which is out of range: classes has {len(names)} names"
            )
    return cleaned
