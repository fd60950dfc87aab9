"""Removal of subjects' names from text, regardless of capitals, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

PURGED = "purged"  # replaces a name; a word keeps tables and file names readable
MIN_LETTERS = 3  # a shorter name, or a number, matches only a whole text
MIN_LETTERS_JOINED = 6  # a longer full name also matches when written as one word


class SubjectNames:
    """The names that a purge removes from all text.

    ``is_in`` is sure: the words of a name follow each other in the text. It ignores short names and numbers.
    ``may_hold`` is a guess: the text has one word of a name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted({n for n in names if _words(n)}))
        self._words = [_words(n) for n in self.names]

    def __bool__(self) -> bool:
        return bool(self.names)

    def is_in(self, text: str) -> bool:
        """Return whether ``text`` surely has one of the names."""
        found = _words(text)
        return any(_has_name(found, name) for name in self._words if _is_sure(name))

    def is_one(self, text: str) -> bool:
        """Return whether ``text`` is one of the names, or surely has one."""
        return _words(text) in self._words or self.is_in(text)

    def may_hold(self, text: str) -> bool:
        """Return whether ``text`` has a word of one of the names."""
        found = set(_words(text))
        return any(found & set(name) for name in self._words)

    def without(self, text: str) -> str:
        """Return ``text`` with PURGED in place of each sure match."""
        for name, words in zip(self.names, self._words, strict=True):
            if _is_sure(words):
                parts = r"[\W_]+".join(map(re.escape, re.findall(r"[^\W_]+", name)))
                text = re.sub(rf"(?<![^\W_]){parts}(?![^\W_])", PURGED, text, flags=re.IGNORECASE)
        return text

    def cleaned(self, value: Any) -> Any:
        """Return a copy of a JSON value with PURGED for each text that has a name."""
        if isinstance(value, str):
            return PURGED if self.is_in(value) else value
        if isinstance(value, list):
            return [self.cleaned(v) for v in value]
        if isinstance(value, dict):
            return {self.cleaned(k): self.cleaned(v) for k, v in value.items()}
        return value

    def path(self, shown: str) -> str:
        """Return a path with PURGED for each part that has a name or a word of one."""
        parts = PurePath(shown).parts
        return str(PurePath(*(PURGED if self.is_one(p) or self.may_hold(p) else p for p in parts)))


def _words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))


def _is_sure(name: list[str]) -> bool:
    joined = "".join(name)
    return len(joined) >= (MIN_LETTERS if joined.isascii() else 2) and not joined.isdigit()


def _has_name(text: list[str], name: list[str]) -> bool:
    if any(text[i : i + len(name)] == name for i in range(len(text) - len(name) + 1)):
        return True
    joined = "".join(name)
    if not joined.isascii():  # some scripts have no space between words
        return any(joined in word for word in text)
    return (
        len(name) > 1
        and len(joined) >= MIN_LETTERS_JOINED
        and any(joined == word.strip("0123456789") for word in text)
    )


__all__ = ["PURGED", "SubjectNames"]
