"""The choice of a comparison: its methods, seeds and number of retrained models, as text or as lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.errors import RequestError
from core.methods import METHODS, method
from core.runs.setup import MOST_SEED, Setup
from core.runtime.bounds import quote_value, require_kind, require_seed, require_whole

RETRAIN = "retrain"  # the method of the retrained models


def parse_methods(text: str) -> tuple[str, ...]:
    """Return the methods of a text: "all", or names separated by commas. Raises RequestError for an unknown name.

    "all" leaves out retraining, since the retrained models have a row in every comparison.
    """
    if text.strip() == "all":
        return tuple(name for name in METHODS if name != RETRAIN)
    names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    for name in names:
        if name not in METHODS:
            method(name)  # raises RequestError, with all names
    if not names:
        raise RequestError("no method is named; give names separated by commas, or all")
    return names


def parse_seeds(text: str, most: int = 100) -> tuple[int, ...]:
    """Return the seeds of a text such as "0", "0-2" or "1,5,7-9".

    Raises RequestError for a part that is no whole number or range, and for more than ``most`` seeds.
    """
    found: list[int] = []
    for part in (p.strip() for p in text.split(",") if p.strip()):
        shown = part if len(part) <= 44 else f"{part[:43]}…"
        first, _, last = part.partition("-")
        ends = (first.strip(), last.strip() or first.strip())
        are_whole = all(x.isdecimal() and x.isascii() and len(x) < 20 for x in ends)
        if not are_whole or int(ends[0]) > int(ends[1]):
            raise RequestError(f"{shown!r} is no seed; seeds are whole numbers and ranges, as in 0-2 or 1,5")
        if int(ends[1]) > MOST_SEED:
            raise RequestError(f"{shown!r} is no seed; the largest is {MOST_SEED}")
        if int(ends[1]) - int(ends[0]) >= most:
            raise RequestError(f"{part} asks for {int(ends[1]) - int(ends[0]) + 1} seeds; the most is {most}")
        found.extend(range(int(ends[0]), int(ends[1]) + 1))
    if not found:
        raise RequestError("no seed is given; seeds are whole numbers and ranges, as in 0-2 or 1,5")
    if len(set(found)) > most:
        raise RequestError(f"{len(set(found))} seeds are asked for; the most is {most}")
    return tuple(dict.fromkeys(found))


def require_choice(setup: Any, methods: Any, seeds: Any, references: Any) -> None:
    """Raise RequestError for what a comparison cannot run: a text in place of a list, unknown methods, no or wrong seeds."""
    require_kind(setup, Setup, "a comparison", 'write Setup(dataset="digits", classes=(0,))')
    for what, given, example in (("methods", methods, '["laf"]'), ("seeds", seeds, "[0, 1]")):
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise RequestError(f"{what} must be a list, got {quote_value(given)}; write {what}={example}")
    if not list(methods):
        raise RequestError("a comparison needs at least one method")
    if not list(seeds):
        raise RequestError("a comparison needs at least one seed")
    if setup.server != "images":
        raise RequestError("a comparison runs its methods on images; let the server hold images")
    for name in methods:
        method(name)
    for seed in seeds:
        require_seed(seed)
    if references is not None:
        require_whole("references", references)
