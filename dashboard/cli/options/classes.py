"""The option --classes: numbers, ranges and names of classes as text."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from core.errors import RequestError


def classes_of(a: argparse.Namespace, task: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return the classes of --classes, or the task's usual ones without it."""
    from core.runs.setup import usual_classes

    return parse_classes(a.classes, names) if a.classes is not None else usual_classes(task, len(names))


def parse_classes(text: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return class numbers from text such as "0", "5-9" or "1,4,cat".

    Where all ``names`` are whole numbers, numbers and ranges mean these names. Otherwise a number is a place among the classes,
    from 0, and a name takes precedence over it. Raises RequestError for a part that is neither.
    """
    found: list[int] = []
    places = _places(names)

    def number(digits: str) -> int | None:
        known = digits.isdecimal() and digits.isascii() and len(digits) <= 9 and int(digits) in places
        return int(digits) if known else None

    for part in (p.strip() for p in text.split(",")):
        low, dash, high = part.partition("-")
        if part in names:
            found.append(list(names).index(part))
        elif (
            (first := number(low)) is not None
            and dash
            and (last := number(high)) is not None
            and first <= last
        ):
            found.extend(place for value, place in sorted(places.items()) if first <= value <= last)
        elif (one := number(part)) is not None:
            found.append(places[one])
        else:
            raise RequestError(
                f"unknown class {part!r}; classes are numbers, ranges like 5-9, or names of: {', '.join(names)}"
            )
    return tuple(found)


def _places(names: Sequence[str]) -> dict[int, int]:
    """Return the place of each class by the number that means it."""
    if all(
        name.isdecimal() and name.isascii() and len(name) <= 9 and str(int(name)) == name for name in names
    ):
        return {int(name): i for i, name in enumerate(names)}
    return {i: i for i in range(len(names))}
