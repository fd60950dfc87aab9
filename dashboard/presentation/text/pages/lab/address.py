"""The English of what an address asks for and the Lab cannot open."""

from __future__ import annotations

from collections.abc import Sequence

THREADS = "threads is not taken from an address: the server sets it; remove it from the address"
NESTED_TOO_DEEPLY = "the settings in the address are nested deeper than any method's settings; write them as the Lab's own addresses do"
PURGED = "Data of this dataset were purged. The Lab dropped everything it made from them and is preparing it again without them."


def unknown_field(first: str, others: int, known: Sequence[str]) -> str:
    """Say which field of an address was left out, and which ones there are."""
    more = f" and {others} more" if others else ""
    return (
        f"The address has an unknown field, {first}{more}, which was left out. There are: {', '.join(known)}."
    )


def too_long(size: int, most: int) -> str:
    """Say that an address is too long."""
    return f"the address has {size:,} characters; the Lab reads at most {most:,}"


def too_many_ids(number: int, most: int) -> str:
    """Say that an address names too many ids."""
    return (
        f"the address names {number:,} ids and the most is {most}; keep the run and share its address instead"
    )


def no_name(word: str, size: int) -> str:
    """Say that a word of an address is too long for a name."""
    return f"{word} in the address is no name: it has {size:,} characters"


def unknown_settings(text: str, known: Sequence[str]) -> str:
    """Say that an address names settings that do not exist."""
    return f"unknown settings {text} in the address; there are: {', '.join(known)}"


def other_type(name: str, usual: str, wanted: str) -> str:
    """Say that a setting has a value of another type than its preset's."""
    return f"{name} is {usual} in the preset and cannot be {wanted}"


def unknown_net(name: str, known: Sequence[str]) -> str:
    """Say that an address names a net that the Lab does not have."""
    return f"unknown net {name}; there are: {', '.join(known)}"
