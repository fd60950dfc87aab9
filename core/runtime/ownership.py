"""Owners of what browsers keep: runs, uploaded datasets, uploaded models, forget lists and studies.

A browser sees the items that it made, those that another browser shares, and those made in a terminal.
It changes and deletes only its own items. Other items are read-only; the browser can use a copy.
A terminal sees and changes everything. Items from before the owner rule count as made in a terminal.
An item stores a hash of the browser's token, never the token.

An item whose key is a hash of its content can have several owners. Each owner has a claim.
A claim has its own title and its own sharing switch. The files are deleted with the last claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

from core.errors import RequestError

LOCK = RLock()  # held while claims are read and written back


def owner(token: str) -> str:
    """Return a hash of a browser's token, which identifies the browser and does not reveal the token."""
    return hashlib.blake2b(token.encode(), digest_size=12, person=b"laf-lab").hexdigest()


@dataclass(frozen=True)
class Claim:
    """One browser's ownership of an item."""

    shared: bool = False  # every browser sees the item
    title: str = ""  # that this browser gave; "" where the item has one title for all


@dataclass(frozen=True)
class Claims:
    """All owners of one item. A ``token`` of None stands for a terminal."""

    owners: Mapping[str, Claim] = field(default_factory=dict)  # by ``owner(token)``
    terminal: bool = False  # made in a terminal, or before the owner rule

    @classmethod
    def read(cls, values: Any) -> Claims:
        """Return the claims that ``as_dict`` wrote. None means that the item was made in a terminal.

        Raises ValueError for other values.
        """
        if values is None:
            return cls(terminal=True)
        try:
            found = {
                str(k): Claim(v["shared"] is True, str(v.get("title", "")))
                for k, v in values["owners"].items()
            }
            return cls(found, values["terminal"] is True)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("its owners cannot be read") from error

    @classmethod
    def of(cls, made_by: str | None, shared: bool) -> Claims:
        """Return the claims of an item with the one owner ``made_by``, an ``owner(token)``.

        None means a terminal.
        """
        return cls(terminal=True) if made_by is None else cls({made_by: Claim(shared)})

    def as_dict(self) -> dict[str, Any]:
        """Return the claims as JSON values."""
        return {
            "terminal": self.terminal,
            "owners": {k: {"shared": c.shared, "title": c.title} for k, c in self.owners.items()},
        }

    def is_of(self, token: str | None) -> bool:
        """Return whether the browser with ``token``, or a terminal, made the item."""
        return self.terminal if token is None else owner(token) in self.owners

    def may_see(self, token: str | None) -> bool:
        """Return whether the browser with ``token`` may see, use and copy the item."""
        return token is None or self.terminal or self.is_of(token) or self.shared

    def may_change(self, token: str | None) -> bool:
        """Return whether the browser with ``token`` may rename, share and delete the item."""
        return token is None or self.is_of(token)

    def require_change(self, token: str | None, what: str) -> None:
        """Raise RequestError unless ``may_change``. ``what`` begins the sentence."""
        if not self.may_change(token):
            where = "in a terminal" if self.terminal else "in another browser"
            raise RequestError(f"{what} was made {where} and is read-only here; use a copy of it")

    @property
    def shared(self) -> bool:
        """True when any owner shares the item."""
        return any(claim.shared for claim in self.owners.values())

    def shared_by(self, token: str) -> bool:
        """Return whether the browser with ``token`` shares the item."""
        return self.owners.get(owner(token), Claim()).shared

    @property
    def has_owner(self) -> bool:
        """True when the item has an owner."""
        return self.terminal or bool(self.owners)

    def title(self, token: str | None, usual: str) -> str:
        """Return the item's title for the browser with ``token``; ``usual`` is the terminal's title."""
        mine = self.owners.get(owner(token)) if token is not None else None
        if mine is not None and mine.title:
            return mine.title
        if self.terminal:
            return usual
        titles = {c.title for c in self.owners.values() if c.title and (c.shared or token is None)}
        return titles.pop() if len(titles) == 1 else usual if not titles else ""

    def claimed(self, token: str | None, title: str = "") -> Claims:
        """Return a copy with a claim of ``token``; an existing claim stays as it is."""
        if token is None:
            return replace(self, terminal=True)
        return replace(self, owners={owner(token): Claim(title=title), **self.owners})

    def dropped(self, token: str | None) -> Claims:
        """Return a copy without the claim of ``token``."""
        if token is None:
            return replace(self, terminal=False)
        return replace(self, owners={k: c for k, c in self.owners.items() if k != owner(token)})

    def changed(self, token: str, **values: Any) -> Claims:
        """Return a copy with other values in the claim of ``token``, which must exist."""
        mine = owner(token)
        return replace(self, owners={**self.owners, mine: replace(self.owners[mine], **values)})


__all__ = ["LOCK", "Claim", "Claims", "owner"]
