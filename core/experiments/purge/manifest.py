"""The manifest of a purge: what was removed or rewritten and why, and the proof of the request."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.experiments.purge.subject_names import SubjectNames

SCHEMA = 2  # 1 had a digest of the ids, which a search could undo


@dataclass(frozen=True)
class Entry:
    """One file or folder; ``path`` is relative to ``$LAF_HOME`` if it is inside."""

    path: str
    what: str  # "removed", "rewritten" or "left"
    why: str


@dataclass
class Manifest:
    """The changes that a purge made, or would make in a dry run."""

    dataset: str
    images: int  # requested images
    datasets: list[str]  # all datasets with the same images, ``dataset`` last
    proof: str  # of the request, made with ``receipt``: see ``proves``
    made: str
    dry_run: bool
    removed: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)  # what the user must decide
    receipt: str | None = None  # shown to the user once; never kept

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    def kept(self, names: SubjectNames) -> dict[str, Any]:
        """Return the values to write to disk, without the receipt and without names in paths."""
        values = {k: v for k, v in self.as_dict().items() if k != "receipt"}
        return redacted(values, names)


def proves(
    manifest: Mapping[str, Any], receipt: str, ids: Iterable[int] = (), subjects: Iterable[str] = ()
) -> bool:
    """Return whether a kept ``manifest`` belongs to the purge of these ids and subjects.

    ``receipt`` is the key that the purge printed. The proof is an HMAC-SHA256 with this random key, and the Lab does not keep it.
    Without the receipt the manifest tells nothing about the request.
    """
    expected = proof_of(receipt, str(manifest["dataset"]), ids, subjects)
    return hmac.compare_digest(str(manifest["proof"]), expected)


def proof_of(receipt: str, dataset: str, ids: Iterable[int], subjects: Iterable[str]) -> str:
    """Return the HMAC-SHA256 of a request under the key ``receipt``."""
    request = json.dumps([dataset, sorted({int(i) for i in ids}), sorted(set(subjects))])
    return hmac.new(receipt.encode(), request.encode(), hashlib.sha256).hexdigest()


def redacted(values: dict[str, Any], names: SubjectNames) -> dict[str, Any]:
    """Return a manifest without names in its paths and without the digest of ids from schema 1."""
    entries = {
        part: [{**e, "path": names.path(e["path"])} for e in values.get(part, ())]
        for part in ("removed", "left")
    }
    return {**{k: v for k, v in values.items() if k != "ids_digest"}, **entries}
