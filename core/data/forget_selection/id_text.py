"""The text format of ids: ids and ranges, separated by commas, spaces or new lines; "#" begins a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from core.data.forget_selection.selection import Ids, Selection
from core.errors import RequestError

MOST_IDS = 1_000_000  # of one text; a mistyped range must not fill the memory


def parse_ids(text: str, *, name: str = "the list of ids") -> tuple[int, ...]:
    """Return the ids in ``text``, in rising order without repeats.

    Ids are whole numbers from 0, or ranges like 12-40 that include both ends. They are separated by commas,
    spaces or new lines, and "#" begins a comment. Raises RequestError that names the line of ``name`` for
    other text, and for no ids at all.
    """
    parts: list[Ids] = []
    count = 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        for word in re.split(r"[\s,;]+", line.partition("#")[0].strip()):
            if not word:
                continue
            first, last = _range(word, f"line {number} of {name}")
            count += last - first + 1
            if count > MOST_IDS:
                raise RequestError(
                    f"line {number} of {name}: with {word} there are more than {MOST_IDS:,} ids; "
                    "give those of the training images only"
                )
            parts.append(np.arange(first, last + 1, dtype=np.int64))
    if not parts:
        raise RequestError(f"{name} holds no id; write one id in a line, or ids and ranges like 12-40")
    return tuple(np.unique(np.concatenate(parts)).tolist())


def _range(word: str, where: str) -> tuple[int, int]:
    """Return the first and the last id of an id or range. Raises RequestError that begins with ``where``."""
    found = re.fullmatch(r"([0-9]{1,12})(?:-([0-9]{1,12}))?", word)
    if found is None:
        shown = word if len(word) <= 40 else word[:39] + "…"
        raise RequestError(f"{where}: {shown!r} is no id; write whole numbers like 17 or ranges like 12-40")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise RequestError(f"{where}: the range {word} runs backwards; write {last}-{first}")
    return first, last


def format_ids(ids: Iterable[int], *, title: str = "") -> str:
    """Return ``ids`` as text with one id in each line, in rising order, below ``title`` as a comment."""
    head = [f"# {line}" for line in title.splitlines()]
    return "\n".join([*head, *map(str, Selection(ids))]) + "\n"
