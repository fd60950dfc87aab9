"""Validation of TOML files: tables that a reader takes apart key by key, with errors that name the table and the key."""

from __future__ import annotations

import math
import tomllib
from typing import Any

from core.errors import RequestError
from core.runtime.bounds import quote_value

KIND_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values in ``text``. Raises RequestError if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        raise RequestError(f"it is not TOML: {reason[0].lower()}{reason[1:]}") from error
    except RecursionError as error:
        raise RequestError("it is not TOML: its tables or lists are nested too deep") from error


class TomlTable:
    """One TOML table, taken apart key by key.

    ``name`` is the table's name in error sentences, such as "step 2". Every method raises RequestError for a wrong value.
    ``require_no_more`` rejects the keys that the reader did not take.
    """

    def __init__(self, values: Any, name: str) -> None:
        if not isinstance(values, dict):
            raise RequestError(f"{name} must be a table, got {quote_value(values)}")
        self._values = dict(values)
        self._known: list[str] = []
        self.name = name

    def __bool__(self) -> bool:
        return bool(self._values)

    def take(self, key: str, *kinds: type, default: Any = None, required: bool = False) -> Any:
        """Remove and return the value of ``key``, of one of ``kinds`` if any are given.

        A text is stripped. ``float`` allows whole numbers; ``int`` and ``float`` do not allow true and false.
        """
        self._known.append(key)
        value = self._values.pop(key, None)
        if value is None:
            if required:
                raise RequestError(f"{self.name} lacks {key!r}")
            return default
        if kinds and not any(_is_of_kind(value, kind) for kind in kinds):
            raise self.wrong(key, " or ".join(KIND_NAMES[kind] for kind in kinds), value)
        return value.strip() if isinstance(value, str) else value

    def text(self, key: str, *, required: bool = False) -> str:
        """Remove and return a text; a required text must not be empty."""
        found: str = self.take(key, str, default="", required=required)
        if required and not found:
            raise RequestError(f"{key!r} of {self.name} is empty")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """Remove and return true or false."""
        found: bool = self.take(key, bool, default=default)
        return found

    def whole(
        self, key: str, *, low: int, high: int, default: int | None = None, required: bool = False
    ) -> Any:
        """Remove and return a whole number in [``low``, ``high``], or ``default`` if there is none."""
        found = self.take(key, default=default, required=required)
        if found is not None and not (_is_of_kind(found, int) and low <= found <= high):
            raise self.wrong(key, f"a whole number from {low:,} to {high:,}", found)
        return found

    def number(self, key: str) -> float:
        """Remove and return a finite number."""
        found: float = self.take(key, float, required=True)
        if not math.isfinite(found):
            raise self.wrong(key, "a finite number", found)
        return found

    def table(self, key: str, name: str, *, required: bool = False) -> TomlTable:
        """Remove and return the table of ``key``, called ``name`` in errors; an empty one if there is none."""
        return TomlTable(self.take(key, dict, default={}, required=required), name)

    def rest(self) -> dict[str, Any]:
        """Remove and return everything that is left."""
        found, self._values = self._values, {}
        return found

    def require_no_more(self) -> None:
        """Raise RequestError for a key that was not taken."""
        if self._values:
            unknown, known = next(iter(self._values)), ", ".join(self._known)
            raise RequestError(f"{self.name} has no key {unknown!r}; it can have: {known}")

    def wrong(self, key: str, expected: str, value: Any) -> RequestError:
        """Return the error for a value that is not what was expected."""
        return RequestError(f"{key!r} of {self.name} must be {expected}, got {quote_value(value)}")


def _is_of_kind(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
