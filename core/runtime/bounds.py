"""Bounds of the numbers in settings, and the check of a config against them.

A config is a frozen dataclass. Its table ``BOUNDS`` has one Bound for each number.
``check`` raises for a value of the wrong type or outside its bound.
A subclass inherits the table and lists only the bounds that it adds or narrows.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral
from typing import Any

from core.errors import ConfigError, RequestError

SHOWN = 60  # characters of a rejected value that a message quotes
_FIELD_TYPES: dict[type[Any], dict[str, tuple[Any, ...]]] = {}


@dataclass(frozen=True)
class Bound:
    """The allowed range of a number, from ``low`` to ``high``.

    Both ends are allowed unless ``above`` or ``below`` is set.
    """

    low: float
    high: float
    whole: bool = False
    above: bool = False  # ``low`` itself is not allowed
    below: bool = False  # ``high`` itself is not allowed

    def requirement(self, value: Any) -> str | None:
        """Return the requirement that ``value`` breaks, as "must be …"; None when ``value`` is allowed."""
        right = is_number(value) and (not self.whole or isinstance(value, int))
        too_low = not right or not (value > self.low if self.above else value >= self.low)
        too_high = right and not (value < self.high if self.below else value <= self.high)
        if not self.whole and (self.low, self.high) == (0, 1):
            inside = f"in {'(' if self.above else '['}0, 1{')' if self.below else ']'}"
            inside = "between 0 and 1, both excluded" if self.above and self.below else inside
            return f"must lie {inside}" if too_low or too_high else None
        if too_low or value == float("inf"):
            if self.whole:
                return f"must be a whole number of at least {self.low:g}"
            return f"must be a finite number {'>' if self.above else '>='} {self.low:g}"
        if too_high:
            return f"must be {'below' if self.below else 'at most'} {self.high:{',' if self.whole else 'g'}}"
        return None


def whole(high: int, low: int = 1) -> Bound:
    """Return the bound of a whole number from ``low`` to ``high``."""
    return Bound(low, high, whole=True)


SHARE = Bound(0, 1, above=True)  # in (0, 1]
FRACTION = Bound(0, 1, above=True, below=True)  # in (0, 1)
MOMENTUM = Bound(0, 1, below=True)  # in [0, 1)
RATE = Bound(0, 1e30, above=True)  # a learning rate that is too high ends the run with a DivergedError
WEIGHT = Bound(0, 1e6)  # of a term of a loss
POSITIVE = Bound(0, 1e6, above=True)
EPOCHS = whole(10_000)
STEPS = whole(100_000_000)
BATCH = whole(100_000)
THREADS = whole(256)  # above the cores of usual machines; tens of thousands of threads crash the process


def check(config: Any) -> None:
    """Check each field of a config against its type and its bound.

    Raises ConfigError that quotes the first wrong value.
    """
    kind: Any = type(config)
    table = bounds_of(kind)
    for name, kinds in _field_types(kind).items():
        value = getattr(config, name)
        if value is None and type(None) in kinds:
            continue
        if name in table:
            refused = table[name].requirement(value)
        elif _has_type(value, kinds):
            continue
        else:
            refused = f"must be {' or '.join(_type_name(k) for k in kinds if k is not type(None))}"
        if refused is not None:
            raise ConfigError(f"{name} {refused}, got {quote_value(value)}")


def require_config(config: Any, kind: type[Any], owner: str) -> None:
    """Raise ConfigError unless ``config`` is a ``kind``; ``owner`` is the name of what takes it."""
    if isinstance(config, kind):
        return
    name = kind.__name__
    got = f"a {type(config).__name__}" if not isinstance(config, type) else f"the class {config.__name__}"
    how = f"{name}(**settings)" if isinstance(config, Mapping) else f"{name}(…)"
    raise ConfigError(f"{owner} takes a {name}, got {got}; write {how}")


def require_kind(value: Any, kind: type[Any], owner: str, how: str) -> None:
    """Raise RequestError unless ``value`` is a ``kind``; ``owner`` is the name of what takes it, ``how`` the way to one."""
    if not isinstance(value, kind):
        raise RequestError(f"{owner} takes a {kind.__name__}, got {quote_value(value)}; {how}")


def require_whole(name: str, value: Any, low: int = 0) -> None:
    """Raise ConfigError unless ``value``, called ``name``, is a whole number of at least ``low``, as a Python or NumPy integer."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ConfigError(f"{name} must be a whole number of at least {low}, got {quote_value(value)}")


def require_seed(seed: Any) -> None:
    """Raise ConfigError unless ``seed`` is a whole number of at least 0."""
    require_whole("seed", seed)


def bounds_of(kind: type[Any]) -> Mapping[str, Bound]:
    """Return the bounds of a config's fields by name, including those of its base classes."""
    found: dict[str, Bound] = {}
    for base in reversed(kind.__mro__):
        found |= vars(base).get("BOUNDS", {})
    return found


def fields_without_bound(kind: Any) -> list[str]:
    """Return the names of the number fields of a config that have no bound.

    Every complete config gives an empty list.
    """
    table = bounds_of(kind)
    return [
        name for name, kinds in _field_types(kind).items() if {int, float} & set(kinds) and name not in table
    ]


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a number; True and False do not count as numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def quote_value(value: Any) -> str:
    """Return ``value`` quoted on one line of at most ``SHOWN`` characters."""
    limit = sys.get_int_max_str_digits()
    if isinstance(value, int) and not isinstance(value, bool) and limit and value.bit_length() > 3 * limit:
        return "a number of thousands of digits"
    said = repr(value)
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"


def join_names(names: Iterable[Any], most: int = 5) -> str:
    """Return at most ``most`` names that a user gave as "a, b, …", each shortened to ``SHOWN`` characters."""
    given = list(names)
    said = [
        n if isinstance(n, str) and n.isprintable() and len(n) <= SHOWN else quote_value(n)
        for n in given[:most]
    ]
    return ", ".join([*said, *["…"] * (len(given) > most)])


def _field_types(kind: type[Any]) -> dict[str, tuple[Any, ...]]:
    """Return the allowed types of each field. Each config class is analysed once."""
    if kind not in _FIELD_TYPES:
        hints = typing.get_type_hints(kind)
        found = {}
        for f in fields(kind):
            hint = hints[f.name]
            is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
            found[f.name] = typing.get_args(hint) if is_union else (hint,)
        _FIELD_TYPES[kind] = found
    return _FIELD_TYPES[kind]


def _has_type(value: Any, kinds: tuple[Any, ...]) -> bool:
    plain = tuple(typing.get_origin(k) or k for k in kinds)
    return isinstance(value, plain) and (not isinstance(value, bool) or bool in plain)


def _type_name(kind: Any) -> str:
    kind = typing.get_origin(kind) or kind
    names = {bool: "true or false", str: "a word", tuple: "a list"}
    name = getattr(kind, "__name__", str(kind))
    return names.get(kind, f"a {name}" if is_dataclass(kind) else name)
