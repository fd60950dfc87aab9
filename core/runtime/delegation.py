"""Delegated: an attribute of an object that lives in one of its parts."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Delegated(Generic[T]):
    """Reads and sets the attribute of the same name in the part ``part``, or of the name ``name``.

    ``steps: Delegated[list[Step]] = Delegated("history")`` makes ``run.steps`` stand for ``run.history.steps``.
    """

    def __init__(self, part: str, name: str = "") -> None:
        self._part = part
        self._name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    def __get__(self, whole: Any, owner: type | None = None) -> T:
        if whole is None:  # asked of the class, as documentation tools do
            return self  # type: ignore[return-value]
        found: T = getattr(getattr(whole, self._part), self._name)
        return found

    def __set__(self, whole: Any, value: T) -> None:
        setattr(getattr(whole, self._part), self._name, value)
