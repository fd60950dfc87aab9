"""The ids and classes of training images that a caller names: ids or a mask, numbers or names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from core.data.images import Dataset, require_dataset
from core.errors import RequestError
from core.runtime.bounds import quote_value


def chosen_ids(ids: Any, dataset: Dataset) -> list[int]:
    """Return the ids (whole numbers) of training images, rising and without repeats, that ``ids`` names as ids or as a mask.

    Raises RequestError for values that are neither, or for a mask that has not one value for each training image.
    """
    if isinstance(ids, (str, bytes)):
        raise RequestError(
            f"ids must be whole numbers, got the text {quote_value(ids)}; give a list of numbers or a mask"
        )
    try:
        values = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    except TypeError as error:
        raise RequestError(
            f"ids must be a list of whole numbers or a mask, got {quote_value(ids)}"
        ) from error
    values = [
        v.item() if getattr(v, "ndim", None) == 0 else v
        for v in (values if isinstance(values, list) else [values])
    ]
    require_dataset(dataset)
    count = len(dataset.train)
    if values and all(isinstance(v, bool) for v in values):
        if len(values) != count:
            raise RequestError(
                f"a mask needs one value for each of the {count:,} training images of {dataset.title}, got {len(values):,}"
            )
        return sorted(dataset.train.ids[torch.tensor(values)].tolist())
    wrong = [v for v in values if isinstance(v, bool) or not _is_whole(v)]
    if wrong:
        raise RequestError(
            f"ids must be whole numbers, or all of them true or false, got {quote_value(wrong[0])}"
        )
    return sorted({int(v) for v in values})


def _is_whole(value: Any) -> bool:
    """Return whether ``value`` is a whole number that an id can be, also as a float such as 3.0."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < 2**53
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _named_classes(classes: Any) -> list[Any]:
    """Return what ``classes`` names one by one. Raises RequestError for what names no classes, such as a mask of images."""
    if isinstance(classes, (int, str)):
        return [classes]
    if not isinstance(classes, Iterable):
        raise RequestError(f"classes must be numbers or names of classes, got {quote_value(classes)}")
    found = classes.tolist() if hasattr(classes, "tolist") else list(classes)
    found = [c.item() if hasattr(c, "item") else c for c in (found if isinstance(found, list) else [found])]
    if len(found) > 1 and all(isinstance(c, bool) for c in found):
        raise RequestError(
            "classes must be numbers or names of classes, got a mask; forget_indices(dataset, mask) forgets the images of a mask"
        )
    return found


def class_numbers(dataset: Dataset, classes: Sequence[int | str]) -> tuple[int, ...]:
    """Return class numbers, sorted, without repeats.

    Raises RequestError for an unknown or empty class, or for none.
    """
    require_dataset(dataset)
    names, numbers = dataset.classes, set()
    for c in _named_classes(classes):
        number = names.index(c) if isinstance(c, str) and c in names else c
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(names):
            raise RequestError(f"unknown class {quote_value(c)}; {dataset.title} has: {', '.join(names)}")
        numbers.add(number)
    if not numbers:
        raise RequestError(f"no class is chosen; {dataset.title} has: {', '.join(names)}")
    for number in sorted(numbers):
        if not bool((dataset.train.y == number).any()):
            raise RequestError(
                f"class {names[number]!r} has no training images; choose a class that has some"
            )
    return tuple(sorted(numbers))
