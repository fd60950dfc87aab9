"""What somebody picked to be forgotten: a set of training ids, its history, its file format, and the lists kept on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core.data.images import Dataset
from core.data.uploads.names import hidden
from core.errors import RequestError, StoreError
from core.runtime.ownership import Claims, owner
from core.runtime.storage import home, write_bytes

Ids: TypeAlias = npt.NDArray[np.int64]

OPERATIONS = ("replace", "add", "subtract", "intersect")
MOST_UNDO = 100
MOST_IDS = 1_000_000  # in one file: a range of a typing error must not fill the memory
FORMAT = 1
_NAME = re.compile(r"[^\W_](?:[\w .-]{0,58}[\w-])?")  # no leading dot, no trailing dot or space, no separator
_FILE = re.compile(
    r"(?:(?P<owner>[0-9a-f]{24})~(?P<shared>shared~)?)?(?P<name>[^~]+)"
)  # of a list, without .json
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file names on Windows


class Selection:
    """An immutable set of training ids, in rising order."""

    __slots__ = ("ids",)

    ids: Ids  # (n,) int64, sorted, without repeats, read-only

    def __init__(self, ids: Iterable[int] = ()) -> None:
        found = np.unique(np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64))
        found.setflags(write=False)
        object.__setattr__(self, "ids", found)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Selection does not change; make another one")

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids.tolist())

    def __contains__(self, item: object) -> bool:
        return isinstance(item, (int, np.integer)) and bool(np.isin(item, self.ids))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and np.array_equal(self.ids, other.ids)

    def __hash__(self) -> int:
        return hash(self.ids.tobytes())

    def __repr__(self) -> str:
        return f"Selection({len(self)} ids)"

    def apply(self, operation: str, ids: Iterable[int]) -> Selection:
        """The set after ``operation``, one of OPERATIONS, with ``ids``. Raises RequestError for an unknown operation."""
        other = Selection(ids).ids
        if operation == "replace":
            return Selection(other)
        if operation == "add":
            return Selection(np.union1d(self.ids, other))
        if operation == "subtract":
            return Selection(np.setdiff1d(self.ids, other, assume_unique=True))
        if operation == "intersect":
            return Selection(np.intersect1d(self.ids, other, assume_unique=True))
        raise RequestError(f"unknown operation {operation!r}; there are: {', '.join(OPERATIONS)}")

    def mask(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """(N,) whether each of ``ids`` (N,) is picked."""
        return np.isin(ids, self.ids)

    def by_class(self, dataset: Dataset) -> list[ClassCount]:
        """How many of each class's training images are picked, in the order of the classes."""
        y = dataset.train.y.cpu().numpy()
        k = len(dataset.classes)
        picked = np.bincount(y[self.mask(dataset.train.ids.cpu().numpy())], minlength=k)
        total = np.bincount(y, minlength=k)
        return [
            ClassCount(*row) for row in zip(dataset.classes, picked.tolist(), total.tolist(), strict=True)
        ]

    def describe(self, dataset: Dataset) -> str:
        """A line: "12 of 1,437 images: 8 of class 3, 4 of class 5"."""
        parts = [f"{c.picked:,} of class {c.name}" for c in self.by_class(dataset) if c.picked]
        return f"{len(self):,} of {len(dataset.train):,} images" + (": " + ", ".join(parts) if parts else "")


class ClassCount(NamedTuple):
    """One class's share of a Selection."""

    name: str
    picked: int
    total: int  # training images of the class


@dataclass(frozen=True)
class SelectionHistory:
    """A Selection with what was before it and what was undone; each move gives a new History."""

    now: Selection = Selection()  # noqa: RUF009 - immutable
    past: tuple[Selection, ...] = ()  # the oldest first, at most MOST_UNDO
    future: tuple[Selection, ...] = ()  # what redo brings next comes last

    def do(self, operation: str, ids: Iterable[int]) -> SelectionHistory:
        """After ``operation`` with ``ids``; what changes nothing is no step. Raises RequestError for an unknown operation."""
        after = self.now.apply(operation, ids)
        if after == self.now:
            return self
        return SelectionHistory(after, (*self.past, self.now)[-MOST_UNDO:])

    def undo(self) -> SelectionHistory:
        """One step back; itself where there is none."""
        if not self.past:
            return self
        return SelectionHistory(self.past[-1], self.past[:-1], (*self.future, self.now))

    def redo(self) -> SelectionHistory:
        """One undone step again; itself where there is none."""
        if not self.future:
            return self
        return SelectionHistory(self.future[-1], (*self.past, self.now), self.future[:-1])


# the file format: ids and ranges, separated by commas, spaces or new lines; # begins a comment


def parse_ids(text: str, *, name: str = "the list of ids") -> tuple[int, ...]:
    """The ids that ``text`` names, in rising order, without repeats.

    Ids are whole numbers from 0, or ranges like 12-40 (both ends count), separated by commas, spaces or new lines; "#" begins a
    comment. Raises RequestError, with the number of the line in ``name``, for anything else, and where there is no id at all.
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
    found = re.fullmatch(r"([0-9]{1,12})(?:-([0-9]{1,12}))?", word)
    if found is None:
        shown = word if len(word) <= 40 else word[:39] + "…"
        raise RequestError(f"{where}: {shown!r} is no id; write whole numbers like 17 or ranges like 12-40")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise RequestError(f"{where}: the range {word} runs backwards; write {last}-{first}")
    return first, last


def format_ids(ids: Iterable[int], *, title: str = "") -> str:
    """``ids`` in rising order, one in a line, under ``title`` as a comment; ``parse_ids`` reads it back."""
    head = [f"# {line}" for line in title.splitlines()]
    return "\n".join([*head, *map(str, Selection(ids))]) + "\n"


# lists kept under a name, for one dataset


@dataclass(frozen=True)
class SavedList:
    """A kept list of ids, unread: its file's name says whose it is and whether it is shared, since lists may be long."""

    key: str  # the file's name without its ending
    name: str
    claims: Claims

    @classmethod
    def of(cls, key: str) -> SavedList | None:
        """Return the list that a file's name tells of, or None."""
        found = _FILE.fullmatch(key)
        if found is None or not _is_name(found["name"]):
            return None
        return cls(key, found["name"], Claims.of(found["owner"], found["shared"] is not None))


def save_list(name: str, dataset: Dataset, selection: Selection, token: str | None = None) -> Path:
    """Keep ``selection`` under ``name`` for the browser with ``token`` (None: a terminal); its list of that name is replaced.

    Raises RequestError for a name that is none or an empty selection, DataError when the disk cannot be written.
    """
    if not len(selection):
        raise RequestError("nothing is picked; pick at least one image before keeping the list")
    name = name.strip()
    _require_name(name)
    mine = f"{owner(token)}~" if token is not None else ""
    shared = f"{mine}shared~{name}"
    key = shared if mine and _path(shared, dataset).exists() else mine + name
    kept = {"format": FORMAT, "dataset": dataset.name, "ids": selection.ids.tolist()}
    path = _path(key, dataset)
    write_bytes(path, json.dumps(kept).encode())
    return path


def load_list(key: str, dataset: Dataset, token: str | None = None) -> Selection:
    """Return what was kept under ``key``. Raises RequestError where nothing was, DataError for a file that cannot be read."""
    path = _path(_visible(key, dataset, token).key, dataset)
    try:
        kept = json.loads(path.read_bytes())
        ids = kept["ids"]
        if kept["format"] != FORMAT or not isinstance(ids, list) or not all(type(i) is int for i in ids):
            raise ValueError("another format")
        return Selection(ids)
    except FileNotFoundError as error:
        raise RequestError(_no_list(key, dataset)) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError) as error:
        raise StoreError(
            f"{path} is not a readable list of ids; remove it and keep the list again"
        ) from error


def saved_lists(dataset: Dataset, token: str | None = None) -> list[SavedList]:
    """The lists of ``dataset`` that the browser with ``token`` may see (None: all), in the order of their names."""
    folder = _folder(dataset)
    found = [SavedList.of(p.stem) for p in folder.glob("*.json")] if folder.is_dir() else []
    seen = [one for one in found if one is not None and one.claims.may_see(token)]
    return sorted(seen, key=lambda one: (one.name.casefold(), one.key))


def share_list(key: str, dataset: Dataset, shared: bool, token: str) -> str:
    """Let every browser see a list, or only its owner; its new key. Raises RequestError for a list of another owner."""
    one = _changeable(key, dataset, token)
    new = f"{owner(token)}~{'shared~' if shared else ''}{one.name}"
    try:
        _path(one.key, dataset).replace(_path(new, dataset))
    except OSError as error:
        raise StoreError(f"{_path(one.key, dataset)} cannot be renamed ({error.strerror})") from error
    return new


def remove_list(key: str, dataset: Dataset, token: str | None = None) -> None:
    """Delete a list. Raises RequestError where there is none or it has another owner, DataError when it cannot be removed."""
    path = _path(_changeable(key, dataset, token).key, dataset)
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise RequestError(_no_list(key, dataset)) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be removed ({error.strerror})") from error


def _visible(key: str, dataset: Dataset, token: str | None) -> SavedList:
    key = key.strip()
    one = SavedList.of(key)
    if one is None:
        _require_name(key)
    if one is None or not one.claims.may_see(token) or not _path(key, dataset).exists():
        raise RequestError(_no_list(key, dataset))
    return one


def _changeable(key: str, dataset: Dataset, token: str | None) -> SavedList:
    one = _visible(key, dataset, token)
    one.claims.require_change(token, f"the list {one.name!r}")
    return one


def _no_list(key: str, dataset: Dataset) -> str:
    return f"no list called {key.split('~')[-1][:60]!r} is kept for {dataset.title}"


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _RESERVED.fullmatch(name) is None and not hidden(name)


def _require_name(name: str) -> None:
    if not _is_name(name):
        raise RequestError(
            f"{name[:60]!r} cannot be the name of a list; use 1 to 60 letters, digits, spaces, dots or dashes, a letter or digit first"
        )


def _path(key: str, dataset: Dataset) -> Path:
    """The file of a list; the key was checked before it is part of a path."""
    return _folder(dataset) / f"{key}.json"


def _folder(dataset: Dataset) -> Path:
    return home() / "forget-sets" / re.sub(r"[^\w-]", "_", dataset.name)


def invert(selection: Selection, universe: Sequence[int] | Ids) -> Selection:
    """All ids of ``universe`` that are not picked."""
    return Selection(universe).apply("subtract", selection.ids)


def known(ids: Iterable[int], dataset: Dataset) -> Selection:
    """``ids`` as a Selection. Raises RequestError, naming some, for ids that are no training image of ``dataset``."""
    picked = Selection(ids)
    all_ids = dataset.train.ids.cpu().numpy()
    unknown = picked.ids[~np.isin(picked.ids, all_ids)]
    if len(unknown):
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise RequestError(
            f"{len(unknown):,} of the ids are no training image of {dataset.title}: {listed}; "
            f"its ids lie between {all_ids.min()} and {all_ids.max()}"
        )
    return picked
