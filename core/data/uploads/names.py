"""Names and titles that users give: cleaned of what cannot be seen, cut to a length, and compared as a reader compares them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from core.errors import DataError

NAME = 100  # characters of a class, a subject or a model
_MARKS = 3  # accents on one letter: no script needs more, and a pile of them covers its neighbours
_SPACES = ("Cc", "Zl", "Zp", "Zs")
_UNSEEN = ("Cf", "Cn", "Co", "Cs")  # zero-width and bidirectional controls, private and unassigned characters
# letters and marks that draw nothing: fillers, joiners, variation selectors and the empty Braille cell
_BLANK = {
    "\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180c", "\u180d", "\u180f", "\u2800", "\u3164", "\uffa0",
    *map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)),
}  # fmt: skip
# names that Windows gives to devices: no folder of an exported set can be called so
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def clean_text(text: str, most: int) -> str:
    """Return ``text`` as one line of at most ``most`` visible characters; "" where nothing visible is left."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[: 4 * most]):
        kind = unicodedata.category(char)
        if kind in _SPACES:
            char = " "
        elif kind in _UNSEEN or char in _BLANK:
            continue
        marks = marks + 1 if kind.startswith("M") else 0
        if marks <= _MARKS:
            kept.append(char)
    line = " ".join("".join(kept).split())[:most].strip()
    return line if any(unicodedata.category(c)[0] not in "MZ" for c in line) else ""


def clean_name(text: str, most: int = NAME) -> str:
    """Return ``text`` cleaned as ``clean_text`` does, and fit to name a folder on every system."""
    name = clean_text(text, most).rstrip(" .")
    stem, dot, ending = name.partition(".")
    return f"{stem}_{dot}{ending}" if stem.strip().casefold() in _DEVICES else name


def hidden(text: str) -> str:
    """Return the first character of ``text`` that cannot be seen; "" where there is none.

    Lines and tabs may stand in a note, and joiners within an emoji.
    """
    unseen = (c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp", *_UNSEEN) or c in _BLANK)
    return next((c for c in unseen if c not in "\n\r\t\u200d\ufe0f"), "")


def look_of(name: str) -> str:
    """Return what two names share that a reader takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean_name(name)).casefold())


def clean_names(names: Sequence[str], where: str, what: str) -> tuple[tuple[str, ...], list[str]]:
    """Return ``names`` cleaned, and a sentence where one was changed.

    ``where`` begins each error ("mine.zip has"), ``what`` is the kind of name ("class folder"). Raises DataError for a name of
    which nothing is left, and for two that look alike.
    """
    cleaned, changed = [], []
    seen: dict[str, str] = {}
    for name in names:
        clean = clean_name(name)
        if not clean:
            raise DataError(
                f"{where} a {what} whose name has no visible character ({escaped(name)}); rename it"
            )
        look = look_of(clean)
        if look in seen:
            raise DataError(
                f"{where} two {what}{'es' if what.endswith('s') else 's'} of one name, {escaped(seen[look])} and {escaped(name)}; rename one"
            )
        seen[look] = name
        cleaned.append(clean)
        if clean != name:
            changed.append(f"{escaped(name)} is now {escaped(clean)}")
    if not changed:
        return tuple(cleaned), []
    more = f", and {len(changed) - 3:,} more" if len(changed) > 3 else ""
    return tuple(cleaned), [f"Names were cleaned: {', '.join(changed[:3])}{more}."]


def escaped(name: str) -> str:
    """Return ``name`` short, with every character that cannot be seen written as its number."""
    short = name if len(name) <= 40 else f"{name[:24]}…{name[-12:]}"
    text = "".join(
        c if c.isprintable() and c not in _BLANK else f"<U+{ord(c):04X}>"
        for c in short[:-1] + short[-1:].replace(" ", "\0")
    )
    return f"“{text.replace('<U+0000>', '<space>') if name.endswith(' ') else text}”"
