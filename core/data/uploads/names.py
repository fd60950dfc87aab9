"""Cleaning, comparison and quoting of names and titles that users give."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from core.errors import DataError

NAME = 100  # characters of a class, a subject or a model
_MARKS = 3  # accents on one letter; no script needs more, and many of them cover the neighbouring letters
_SPACES = ("Cc", "Zl", "Zp", "Zs")
_INVISIBLE = (
    "Cf",
    "Cn",
    "Co",
    "Cs",
)  # zero-width and bidirectional controls, private and unassigned characters
# letters and marks that draw nothing, such as fillers, joiners and the empty Braille cell
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
_VARIATION_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_BLANK = {*_FILLERS, *map(chr, _VARIATION_SELECTORS)}
# names of devices on Windows, which no folder there can have
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def clean_text(text: str, most: int) -> str:
    """Return ``text`` as one line of at most ``most`` visible characters; "" where nothing visible is left."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[: 4 * most]):
        kind = unicodedata.category(char)
        if kind in _SPACES:
            char = " "
        elif kind in _INVISIBLE or char in _BLANK:
            continue
        marks = marks + 1 if kind.startswith("M") else 0
        if marks <= _MARKS:
            kept.append(char)
    line = " ".join("".join(kept).split())[:most].strip()
    return line if any(unicodedata.category(c)[0] not in "MZ" for c in line) else ""


def clean_name(text: str, most: int = NAME) -> str:
    """Return ``text`` cleaned as by ``clean_text``, and changed so that a folder can have that name on every system."""
    name = clean_text(text, most).rstrip(" .")
    stem, dot, ending = name.partition(".")
    return f"{stem}_{dot}{ending}" if stem.strip().casefold() in _DEVICES else name


def invisible_character(text: str) -> str:
    """Return the first invisible character of ``text``; "" when there is none.

    Line breaks, tabs and the joiners within an emoji are allowed.
    """
    unseen = (c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp", *_INVISIBLE) or c in _BLANK)
    return next((c for c in unseen if c not in "\n\r\t\u200d\ufe0f"), "")


def comparison_key(name: str) -> str:
    """Return a key that is equal for two names that look alike to a reader."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean_name(name)).casefold())


def clean_names(names: Sequence[str], where: str, what: str) -> tuple[tuple[str, ...], list[str]]:
    """Return ``names`` cleaned, and a list with a sentence about the changed ones.

    The list is empty when none changed.
    ``where`` begins each error ("mine.zip has"); ``what`` is the kind of name ("class folder").
    Raises DataError for a name without a visible character, and for two names that look alike.
    """
    cleaned, changed = [], []
    seen: dict[str, str] = {}
    for name in names:
        clean = clean_name(name)
        if not clean:
            raise DataError(
                f"{where} a {what} whose name has no visible character ({escape_name(name)}); rename it"
            )
        look = comparison_key(clean)
        if look in seen:
            raise DataError(
                f"{where} two {what}{'es' if what.endswith('s') else 's'} of one name, {escape_name(seen[look])} and {escape_name(name)}; rename one"
            )
        seen[look] = name
        cleaned.append(clean)
        if clean != name:
            changed.append(f"{escape_name(name)} is now {escape_name(clean)}")
    if not changed:
        return tuple(cleaned), []
    more = f", and {len(changed) - 3:,} more" if len(changed) > 3 else ""
    return tuple(cleaned), [f"Names were cleaned: {', '.join(changed[:3])}{more}."]


def escape_name(name: str) -> str:
    """Return ``name`` in quotes and shortened, with each invisible character written as its code point."""
    short = name if len(name) <= 40 else f"{name[:24]}…{name[-12:]}"
    text = "".join(
        c if c.isprintable() and c not in _BLANK else f"<U+{ord(c):04X}>"
        for c in short[:-1] + short[-1:].replace(" ", "\0")
    )
    return f"“{text.replace('<U+0000>', '<space>') if name.endswith(' ') else text}”"


def printable_name(name: str) -> str:
    """Return ``name`` for use in a sentence, with "?" for unprintable characters and at most 80 characters."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 80 else f"{text[:38]}…{text[-38:]}"
