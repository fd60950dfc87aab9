"""The one owner rule for all that a browser makes: runs, imported datasets, own models, forget lists and studies.

A browser sees what it made, what another browser shares, and what was made in a terminal. It changes and deletes only what it made;
the rest is read-only and is used as a copy. A terminal sees and changes all. What was kept before things had owners counts as made
in a terminal. A thing keeps a hash of the browser's token, never the token.

Things that are called by their content can have several owners. Each has a claim with a title and a sharing switch of its own, and
the files go with the last claim.
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
    """Return what is kept of a browser's token: enough to know it again, not to guess it."""
    return hashlib.blake2b(token.encode(), digest_size=12, person=b"laf-lab").hexdigest()


@dataclass(frozen=True)
class Claim:
    """One browser's hold on a thing."""

    shared: bool = False  # every browser sees it
    title: str = ""  # as this browser calls it; "" for what has one title


@dataclass(frozen=True)
class Claims:
    """All holds on one thing. A ``token`` of None stands for a terminal."""

    owners: Mapping[str, Claim] = field(default_factory=dict)  # by ``owner(token)``
    terminal: bool = False  # made in a terminal, or before things had owners

    @classmethod
    def read(cls, values: Any) -> Claims:
        """Return what ``as_dict`` wrote; a thing without claims was made in a terminal. Raises ValueError for other values."""
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
        """Return the claims of a thing with one owner, ``owner(token)``, or none."""
        return cls(terminal=True) if made_by is None else cls({made_by: Claim(shared)})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for json."""
        return {
            "terminal": self.terminal,
            "owners": {k: {"shared": c.shared, "title": c.title} for k, c in self.owners.items()},
        }

    def is_of(self, token: str | None) -> bool:
        """Return whether that browser, or a terminal, made it."""
        return self.terminal if token is None else owner(token) in self.owners

    def may_see(self, token: str | None) -> bool:
        """Return whether it may be seen, used and copied."""
        return token is None or self.terminal or self.is_of(token) or self.shared

    def may_change(self, token: str | None) -> bool:
        """Return whether it may be renamed, shared and deleted."""
        return token is None or self.is_of(token)

    def require_change(self, token: str | None, what: str) -> None:
        """Raise RequestError unless it may be changed; ``what`` begins the sentence."""
        if not self.may_change(token):
            where = "in a terminal" if self.terminal else "in another browser"
            raise RequestError(f"{what} was made {where} and is read-only here; use a copy of it")

    @property
    def shared(self) -> bool:
        """Whether any owner shares it."""
        return any(claim.shared for claim in self.owners.values())

    def shared_by(self, token: str) -> bool:
        """Return whether that browser shares it."""
        return self.owners.get(owner(token), Claim()).shared

    @property
    def is_left(self) -> bool:
        """Whether there is a claim at all."""
        return self.terminal or bool(self.owners)

    def title(self, token: str | None, usual: str) -> str:
        """Return what the thing is called where ``token`` sees it; ``usual`` is the terminal's title."""
        mine = self.owners.get(owner(token)) if token is not None else None
        if mine is not None and mine.title:
            return mine.title
        if self.terminal:
            return usual
        titles = {c.title for c in self.owners.values() if c.title and (c.shared or token is None)}
        return titles.pop() if len(titles) == 1 else usual if not titles else ""

    def claimed(self, token: str | None, title: str = "") -> Claims:
        """Return these with a claim of ``token``; one that is there already stays as it is."""
        if token is None:
            return replace(self, terminal=True)
        return replace(self, owners={owner(token): Claim(title=title), **self.owners})

    def dropped(self, token: str | None) -> Claims:
        """Return these without the claim of ``token``."""
        if token is None:
            return replace(self, terminal=False)
        return replace(self, owners={k: c for k, c in self.owners.items() if k != owner(token)})

    def changed(self, token: str, **values: Any) -> Claims:
        """Return these with other values in the claim of ``token``, which must be there."""
        mine = owner(token)
        return replace(self, owners={**self.owners, mine: replace(self.owners[mine], **values)})


__all__ = ["LOCK", "Claim", "Claims", "owner"]
