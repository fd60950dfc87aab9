"""A CSV of who is on which image, so that everything of one person can be forgotten at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from core.data.uploads.archives import read_source, shown
from core.data.uploads.limits import MB
from core.data.uploads.names import NAME, hidden
from core.data.uploads.parsed import ParsedUpload
from core.errors import DataError

CSV_BYTES = 20 * MB  # 200 bytes for each of the most images there can be
LINES, LINE = 400_000, 10_000  # of a CSV; two for each image of an archive, and bytes of one
_WANTED = "wanted a header line with file and subject for a zip, or id and subject for an npz"


def subjects_of(source: Path | bytes, found: ParsedUpload) -> tuple[tuple[str, ...], Tensor, str]:
    """(names, (N,) int64 which of them each image of ``found`` shows, -1: not known; a sentence on it).

    Columns ``file`` (as in the zip) or ``id`` or ``index`` (row of the npz), and ``subject``; others are ignored. Raises DataError
    with a sentence that names the line.
    """
    where = shown(source.name) if isinstance(source, Path) else "the CSV of subjects"
    lines = _lines(read_source(source, where, CSV_BYTES), where)
    by = next((c for c in ("file", "id", "index") if c in lines[0][1]), None)
    if by is None or "subject" not in lines[0][1]:
        raise DataError(f"{where} begins with {shown(', '.join(lines[0][1]))!r}; {_WANTED}")
    rows = _rows(found, by == "file", where)
    columns = lines[0][1].index(by), lines[0][1].index("subject")
    given: dict[int, str] = {}
    for number, line in lines[1:]:
        if len(line) <= max(columns):
            raise DataError(f"{where} has too few values in line {number}; each line needs {by} and subject")
        key, subject = (line[c].strip() for c in columns)
        if key not in rows:
            raise DataError(f"{where} names {shown(key)!r} in line {number}, and there is no such image")
        row = rows[key]
        if not subject or row is None:
            continue
        if len(subject) > NAME or not subject.isprintable() or hidden(subject):
            raise DataError(
                f"{where} has a subject in line {number} that is longer than {NAME} characters or holds one that cannot be seen; write it anew"
            )
        if given.setdefault(row, subject) != subject:
            raise DataError(
                f"{where} gives {shown(key)!r} a second subject in line {number}; wanted one for each image"
            )
    names = tuple(sorted(set(given.values())))
    number_of = {name: i for i, name in enumerate(names)}
    subject_of = torch.full((len(found.y),), -1, dtype=torch.int64)
    for row, name in given.items():
        subject_of[row] = number_of[name]
    told = f"{len(names):,} subjects are named for {len(given):,} of {len(found.y):,} images."
    return names, subject_of, told


def told_of_test(names: Sequence[str], train: Tensor, test: Tensor, most: int = 5) -> str | None:
    """Return a sentence on the subjects that have images in the test set, or None where no subject has.

    ``train`` and ``test`` say of each image which of ``names`` it shows.
    """
    counts = [torch.bincount(t[t >= 0], minlength=len(names)).tolist() for t in (train, test)]
    split = [(name, b, a + b) for name, a, b in zip(names, *counts, strict=True) if b]
    if not split:
        return None
    listed = "; ".join(f"{shown(name)}: {n:,} of {total:,}" for name, n, total in split[:most])
    more = f"; and {len(split) - most:,} more subjects" if len(split) > most else ""
    return (
        f"Some images of a subject lie in the test set ({listed}{more}): a forget request takes the training images only, "
        "`laf purge --subject` removes all."
    )


def _lines(data: bytes, where: str) -> list[tuple[int, list[str]]]:
    """(line number, values) of each line that is not empty; the header in small letters."""
    if data.count(b"\n") + data.count(b"\r") > LINES:  # counted before each becomes a list
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
    """What a line may name, and the image it means; None: one that was left out."""
    if not by_file:
        return {str(row): row for row in range(len(found.y))}
    if not found.paths:
        raise DataError(
            f"{where} names files, and an npz has none; use a column id with the row of each image"
        )
    rows: dict[str, int | None] = dict.fromkeys(found.left_out)
    rows |= {path: row for row, path in enumerate(found.paths)}
    return rows
