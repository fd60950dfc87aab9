"""Names of subjects in text: found whatever their capitals, accents and punctuation, and taken out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

PURGED = "purged"  # stands where a name stood; a word, so that a table or a file name stays readable
SURE = 3  # letters from which on a name is told from other words; shorter ones, and numbers, count only alone
JOINED = 6  # letters from which on first and last name are found in one word


class Names:
    """The names that a purge takes out of all text.

    A name ``is_in`` a text where its words stand there one after another; of a short name or a number that cannot be told. A text
    ``may_hold`` a name where it has a part of one.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted({n for n in names if _words(n)}))
        self._words = [_words(n) for n in self.names]

    def __bool__(self) -> bool:
        return bool(self.names)

    def is_in(self, text: str) -> bool:
        """Return whether ``text`` surely has one of the names in it."""
        found = _words(text)
        return any(_holds(found, name) for name in self._words if _is_sure(name))

    def is_one(self, text: str) -> bool:
        """Return whether ``text`` is one of the names, or has one in it."""
        return _words(text) in self._words or self.is_in(text)

    def may_hold(self, text: str) -> bool:
        """Return whether ``text`` has a word of one of the names in it."""
        found = set(_words(text))
        return any(found & set(name) for name in self._words)

    def without(self, text: str) -> str:
        """Return ``text`` with PURGED in place of each name that is told surely."""
        for name, words in zip(self.names, self._words, strict=True):
            if _is_sure(words):
                parts = r"[\W_]+".join(map(re.escape, re.findall(r"[^\W_]+", name)))
                text = re.sub(rf"(?<![^\W_]){parts}(?![^\W_])", PURGED, text, flags=re.IGNORECASE)
        return text

    def cleaned(self, value: Any) -> Any:
        """Return a copy of a value of json with PURGED for each text that has a name in it."""
        if isinstance(value, str):
            return PURGED if self.is_in(value) else value
        if isinstance(value, list):
            return [self.cleaned(v) for v in value]
        if isinstance(value, dict):
            return {self.cleaned(k): self.cleaned(v) for k, v in value.items()}
        return value

    def path(self, shown: str) -> str:
        """Return a path with PURGED for each part that has a name, or a part of one, in it."""
        parts = PurePath(shown).parts
        return str(PurePath(*(PURGED if self.is_one(p) or self.may_hold(p) else p for p in parts)))


def _words(text: str) -> list[str]:
    """Letters and digits of each word, small and without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))


def _is_sure(name: list[str]) -> bool:
    joined = "".join(name)
    return len(joined) >= (SURE if joined.isascii() else 2) and not joined.isdigit()


def _holds(text: list[str], name: list[str]) -> bool:
    if any(text[i : i + len(name)] == name for i in range(len(text) - len(name) + 1)):
        return True
    joined = "".join(name)
    if not joined.isascii():  # scripts that put no space between words
        return any(joined in word for word in text)
    return (
        len(name) > 1 and len(joined) >= JOINED and any(joined == word.strip("0123456789") for word in text)
    )


__all__ = ["PURGED", "Names"]
