"""Selections of training images, and their undo history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core.data.images import Dataset
from core.errors import RequestError

Ids: TypeAlias = npt.NDArray[np.int64]

OPERATIONS = ("replace", "add", "subtract", "intersect")
MOST_UNDO = 100


class Selection:
    """An immutable set of training ids, in rising order."""

    __slots__ = ("ids",)

    ids: Ids  # (n,) int64, sorted, unique, read-only

    def __init__(self, ids: Iterable[int] = ()) -> None:
        found = np.unique(np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64))
        found.setflags(write=False)
        object.__setattr__(self, "ids", found)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Selection cannot be changed; create a new one")

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
        """Return the set after ``operation``, one of OPERATIONS, with ``ids``.

        Raises RequestError for an unknown one.
        """
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
        """Return a mask (N,) of those of ``ids`` (N,) that are selected."""
        return np.isin(ids, self.ids)

    def by_class(self, dataset: Dataset) -> list[ClassCount]:
        """Return the number of selected training images of each class, in the order of the classes."""
        y = dataset.train.y.cpu().numpy()
        k = len(dataset.classes)
        picked = np.bincount(y[self.mask(dataset.train.ids.cpu().numpy())], minlength=k)
        total = np.bincount(y, minlength=k)
        return [
            ClassCount(*row) for row in zip(dataset.classes, picked.tolist(), total.tolist(), strict=True)
        ]

    def describe(self, dataset: Dataset) -> str:
        """Return a line such as "12 of 1,437 images: 8 of class 3, 4 of class 5"."""
        parts = [f"{c.picked:,} of class {c.name}" for c in self.by_class(dataset) if c.picked]
        return f"{len(self):,} of {len(dataset.train):,} images" + (": " + ", ".join(parts) if parts else "")


class ClassCount(NamedTuple):
    """The selected images of one class."""

    name: str
    picked: int
    total: int  # training images of the class


@dataclass(frozen=True)
class SelectionHistory:
    """A Selection with the earlier and the undone ones. Each method returns a new SelectionHistory."""

    now: Selection = Selection()  # noqa: RUF009 - immutable
    past: tuple[Selection, ...] = ()  # at most MOST_UNDO, oldest first
    future: tuple[Selection, ...] = ()  # undone; ``redo`` takes the last

    def do(self, operation: str, ids: Iterable[int]) -> SelectionHistory:
        """Apply ``operation`` with ``ids``; an operation that changes nothing adds no undo step.

        Raises RequestError for an unknown operation.
        """
        after = self.now.apply(operation, ids)
        if after == self.now:
            return self
        return SelectionHistory(after, (*self.past, self.now)[-MOST_UNDO:])

    def undo(self) -> SelectionHistory:
        """Go one step back; return the same history when there is none."""
        if not self.past:
            return self
        return SelectionHistory(self.past[-1], self.past[:-1], (*self.future, self.now))

    def redo(self) -> SelectionHistory:
        """Repeat one undone step; return the same history when there is none."""
        if not self.future:
            return self
        return SelectionHistory(self.future[-1], (*self.past, self.now), self.future[:-1])


def invert(selection: Selection, universe: Sequence[int] | Ids) -> Selection:
    """Return all ids of ``universe`` that are not selected."""
    return Selection(universe).apply("subtract", selection.ids)


def require_known_ids(ids: Iterable[int], dataset: Dataset) -> Selection:
    """Return ``ids`` as a Selection.

    Raises RequestError that lists some of the ids that are no training image.
    """
    picked = Selection(ids)
    unknown = picked.ids[~np.isin(picked.ids, dataset.train.ids.cpu().numpy())]
    if len(unknown):
        raise dataset.unknown_ids(unknown.tolist())
    return picked
