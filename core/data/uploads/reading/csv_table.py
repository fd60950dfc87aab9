"""Reading of a CSV of vectors: one line for each, with a column of labels and perhaps one of subjects."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from core.data.uploads.names import NAME, clean_names, clean_text, printable_name
from core.data.uploads.reading.limits import MB, SECONDS
from core.data.uploads.reading.parsed import IMAGES, Progress, ReadResult, ValueRows
from core.data.uploads.reading.value_rows import VALUES
from core.errors import DataError

CSV_BYTES = 20 * MB
LABELS = ("label", "class", "target")  # names of the column of labels, the first that there is
COLUMNS = 10_000
_BYTE_S = 0.6e-6  # processor seconds for each byte; three times the need of a two-core machine
_NUMBERED = ("", "id", "index", "unnamed: 0")  # names of a column that only numbers the rows
_SUBJECT = "subject"


@dataclass(frozen=True)
class _Columns:
    """Indices of the columns of a table by what they hold."""

    names: tuple[str, ...]  # of all columns
    label: int
    subject: int | None
    values: tuple[int, ...]
    has_header: bool
    notes: tuple[str, ...]


def is_csv(name: str) -> bool:
    """Return whether a file is a CSV by its name."""
    return name.casefold().endswith(".csv")


def read(file: BinaryIO, name: str, progress: Progress, allow: Callable[[float], None]) -> ReadResult:
    """Return the vectors of the CSV called ``name``, in the order of its lines.

    A first line without numbers is the header. The labels are in the column called label, class or target, or else in the last.
    Raises DataError that names the line and the column.
    """
    where = printable_name(name)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > CSV_BYTES:
        raise DataError(f"{where} is larger than {CSV_BYTES // MB} MB; save the numbers as an npz, x and y")
    allow(SECONDS + _BYTE_S * size)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        return _read(text, where, size, progress)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no text in UTF-8; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{where} is no CSV that can be read ({error}); save it anew as CSV") from error
    finally:
        text.detach()


def _read(text: io.TextIOWrapper, where: str, size: int, progress: Progress) -> ReadResult:
    first = text.readline(1_000_000)
    text.seek(0)
    first_bytes = len(first.encode())  # about those of each line
    mark = max(",;\t", key=first.count)
    reader = csv.reader(text, delimiter=mark, strict=True)
    lines = ((reader.line_num, line) for line in reader if any(v.strip() for v in line))
    head = next(lines, None)
    if head is None:
        raise DataError(f"{where} is empty; wanted a line of numbers and a label for each vector")
    columns = _columns([v.strip() for v in head[1]], where, comma=mark == ";")
    values, labels, subjects = array("d"), [], []
    rows = lines if columns.has_header else _with_first(head, lines)
    for number, line in rows:
        _add(line, number, columns, where, mark == ";", values)
        labels.append(_label(line[columns.label], number, columns, where))
        if columns.subject is not None:
            subjects.append(clean_text(line[columns.subject], NAME))
        if len(labels) > IMAGES or len(values) > VALUES:
            raise DataError(f"{where} has more than {IMAGES:,} lines or {VALUES:,} values; leave some out")
        if len(labels) % 1000 == 0:
            progress(min(len(labels) * first_bytes, size), size)
    if not labels:
        raise DataError(f"{where} has no lines below its header; wanted one for each vector")
    classes, y, cleaned = _classes(labels, columns, where)
    return ReadResult(
        classes,
        ValueRows(np.frombuffer(values, np.float64).reshape(len(labels), -1)),
        y,
        None,
        (),
        (*columns.notes, *cleaned),
        features=tuple(columns.names[c] for c in columns.values) if columns.has_header else (),
        subjects=tuple(subjects),
    )


def _with_first(
    first: tuple[int, list[str]], others: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from others


def _columns(head: list[str], where: str, *, comma: bool) -> _Columns:
    """Return what the columns hold, by the first line. Raises DataError where no column of numbers can be among them."""
    if len(head) > COLUMNS:
        raise DataError(f"{where} has {len(head):,} columns; up to {COLUMNS:,} can be read")
    names = [v.casefold() for v in head]
    named = any(n in (*LABELS, _SUBJECT) for n in names)
    has_header = named or not any(_number(v, comma) is not None for v in head[:-1])
    if len(head) < 2:
        raise DataError(
            f"{where} has one column only; wanted columns of numbers and one of labels, with commas, semicolons or tabs between"
        )
    found = next((names.index(n) for n in LABELS if n in names), None) if has_header else None
    label = len(head) - 1 if found is None else found
    subject = names.index(_SUBJECT) if has_header and _SUBJECT in names else None
    shown = tuple(clean_text(v, NAME) or f"column {i + 1}" for i, v in enumerate(head))
    if not has_header:
        shown = tuple(f"column {i + 1}" for i in range(len(head)))
    numbered = [i for i, n in enumerate(names) if has_header and n in _NUMBERED and i != label]
    values = tuple(i for i in range(len(head)) if i not in (label, subject, *numbered))
    if not values:
        raise DataError(f"{where} has no column of numbers beside its labels; add at least one")
    why = "" if found is not None else ", the last, since none is called label, class or target"
    notes = [f"The labels are in the column “{shown[label]}”{why}."]
    if not has_header:
        notes = ["The first line holds numbers, so there is no header; the labels are in the last column."]
    if numbered:
        notes.append(
            f"Left out, it has no name: the {'first' if numbered[0] == 0 else 'last'} column."
            if not names[numbered[0]] and numbered[0] in (0, len(head) - 1)
            else f"Left out, it only numbers the rows: the column “{shown[numbered[0]]}”."
        )
    return _Columns(shown, label, subject, values, has_header, tuple(notes))


def _add(
    line: list[str], number: int, columns: _Columns, where: str, comma: bool, into: array[float]
) -> None:
    """Append the numbers of one line. Raises DataError that names the column of a value that is none."""
    wanted = len(columns.names)
    if len(line) != wanted:
        raise DataError(
            f"{where} has {len(line)} values in line {number} and {wanted} in its first; each line needs one for each column"
        )
    for c in columns.values:
        value = _number(line[c], comma)
        if value is None or not math.isfinite(value):
            raise DataError(_wrong_value(line[c].strip(), value, number, columns.names[c], where))
        into.append(value)


def _wrong_value(text: str, value: float | None, number: int, column: str, where: str) -> str:
    at = f"in line {number}, column “{printable_name(column)}”"
    if (
        not text
        or text.casefold() in ("na", "n/a", "null", "none", "?")
        or (value is not None and math.isnan(value))
    ):
        return f"{where} has a missing value {at}; fill it in, or leave the line out"
    if value is not None:
        return f"{where} has an infinite value {at}; replace it by a number, or leave the line out"
    return (
        f"{where} has the text {printable_name(text)!r} {at}, where a number is wanted; "
        "write text as numbers, such as one column of 0 and 1 for each word, or leave the column out"
    )


def _number(text: str, comma: bool) -> float | None:
    """Return the number in ``text``, which may have a decimal comma if ``comma``; None for other text."""
    plain = text.strip()
    if "_" in plain:  # Python's separator of thousands
        return None
    try:
        return float(plain.replace(",", ".") if comma else plain)
    except ValueError:
        return None


def _label(text: str, number: int, columns: _Columns, where: str) -> str:
    label = text.strip()
    if not label:
        raise DataError(
            f"{where} has no label in line {number}, column “{columns.names[columns.label]}”; add it, or leave the line out"
        )
    return label


def _classes(
    labels: list[str], columns: _Columns, where: str
) -> tuple[tuple[str, ...], np.ndarray[tuple[int, ...], np.dtype[np.int64]], list[str]]:
    """Return the names of the classes, the class of each line, and notes on changed names. Numbers are sorted as such."""
    found = set(labels)
    if len(found) > max(20, len(labels) // 2):
        raise DataError(
            f"{where} has {len(found):,} different labels in {len(labels):,} lines of the column “{columns.names[columns.label]}”; "
            "call the column of classes label, class or target, or cut measured values into classes"
        )
    numbers = {label: _number(label, comma=False) for label in found}
    if all(n is not None and math.isfinite(n) for n in numbers.values()):
        order = sorted(found, key=lambda label: (cast(float, numbers[label]), label))
    else:
        order = sorted(found)
    names, notes = clean_names(order, f"{where} has", "class")
    place = {label: i for i, label in enumerate(order)}
    return names, np.array([place[label] for label in labels], np.int64), notes
