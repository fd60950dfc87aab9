"""The CSV that names the subject of each image, so that a user can forget all images of one person."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from core.data.uploads.names import NAME, invisible_character, printable_name
from core.data.uploads.reading.limits import MB
from core.data.uploads.reading.parsed import ParsedUpload
from core.data.uploads.reading.sources import read_source
from core.errors import DataError

CSV_BYTES = 20 * MB  # 200 bytes for each image of the largest upload
LINES = 400_000  # of a CSV; more than two for each file of an archive
LINE = 10_000  # bytes of one line
_WANTED = "wanted a header line with file and subject for a zip, or id and subject for an npz"


def read_subjects(source: Path | bytes, found: ParsedUpload) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of the subjects, and the index of each image's subject (N,) int64 (-1: unknown).

    The CSV has a column ``file`` (path in the zip), ``id`` or ``index`` (row of the npz), and a column
    ``subject``. Other columns are ignored. Raises DataError that names the wrong line.
    """
    where = printable_name(source.name) if isinstance(source, Path) else "the CSV of subjects"
    lines = _lines(read_source(source, where, CSV_BYTES), where)
    by = next((c for c in ("file", "id", "index") if c in lines[0][1]), None)
    if by is None or "subject" not in lines[0][1]:
        raise DataError(f"{where} begins with {printable_name(', '.join(lines[0][1]))!r}; {_WANTED}")
    rows = _rows(found, by == "file", where)
    columns = lines[0][1].index(by), lines[0][1].index("subject")
    given: dict[int, str] = {}
    for number, line in lines[1:]:
        if len(line) <= max(columns):
            raise DataError(f"{where} has too few values in line {number}; each line needs {by} and subject")
        key, subject = (line[c].strip() for c in columns)
        key = key.replace("\\", "/")
        if key not in rows:
            raise DataError(
                f"{where} names {printable_name(key)!r} in line {number}, and there is no such image"
            )
        row = rows[key]
        if not subject or row is None:
            continue
        if len(subject) > NAME or not subject.isprintable() or invisible_character(subject):
            raise DataError(
                f"{where} has a subject in line {number} that is longer than {NAME} characters or holds one that cannot be seen; write it anew"
            )
        if given.setdefault(row, subject) != subject:
            raise DataError(
                f"{where} gives {printable_name(key)!r} a second subject in line {number}; wanted one for each image"
            )
    names = tuple(sorted(set(given.values())))
    number_of = {name: i for i, name in enumerate(names)}
    subject_of = torch.full((len(found.y),), -1, dtype=torch.int64)
    for row, name in given.items():
        subject_of[row] = number_of[name]
    return names, subject_of


def told_subjects(names: Sequence[str], subject_of: Tensor) -> str:
    """Return a sentence about the number of subjects and of images that show one."""
    given = int((subject_of >= 0).sum())
    return f"{len(names):,} subjects are named for {given:,} of {len(subject_of):,} images."


def note_on_test_set(names: Sequence[str], train: Tensor, test: Tensor, most: int = 5) -> str | None:
    """Return a sentence about the subjects that have images in the test set, or None when there are none.

    ``train`` and ``test`` hold the index in ``names`` of each image's subject.
    """
    counts = [torch.bincount(t[t >= 0], minlength=len(names)).tolist() for t in (train, test)]
    split = [(name, b, a + b) for name, a, b in zip(names, *counts, strict=True) if b]
    if not split:
        return None
    listed = "; ".join(f"{printable_name(name)}: {n:,} of {total:,}" for name, n, total in split[:most])
    more = f"; and {len(split) - most:,} more subjects" if len(split) > most else ""
    return (
        f"Some images of a subject lie in the test set ({listed}{more}): a forget request takes the training images only, "
        "`laf purge --subject` removes all."
    )


def _lines(data: bytes, where: str) -> list[tuple[int, list[str]]]:
    """Return number and values of each line that is not empty; the header is in lower case."""
    if data.count(b"\n") + data.count(b"\r") > LINES:  # checked before each line becomes a list
        raise DataError(f"{where} has more than {LINES:,} lines; leave out those without a subject")
    if max(map(len, data.splitlines()), default=0) > LINE:
        raise DataError(f"{where} has a line of more than {LINE:,} bytes; {_WANTED}")
    try:
        text = data.decode("utf-8-sig")
        head = text.partition("\n")[0]
        reader = csv.reader(
            io.StringIO(text), delimiter=";" if ";" in head and "," not in head else ",", strict=True
        )
        lines = [(reader.line_num, line) for line in reader if any(value.strip() for value in line)]
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no text in UTF-8; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{where} is no CSV that can be read ({error}); {_WANTED}") from error
    if len(lines) < 2:
        raise DataError(f"{where} has no lines below its header; {_WANTED}")
    number, header = lines[0]
    return [(number, [value.strip().casefold() for value in header]), *lines[1:]]


def _rows(found: ParsedUpload, by_file: bool, where: str) -> dict[str, int | None]:
    """Return the image of each name that a line may use; None for an image that was left out."""
    if not by_file:
        return {str(row): row for row in range(len(found.y))}
    if not found.paths:
        raise DataError(
            f"{where} names files, and an npz has none; use a column id with the row of each image"
        )
    rows: dict[str, int | None] = dict.fromkeys(found.left_out)
    rows |= {path: row for row, path in enumerate(found.paths)}
    return rows
