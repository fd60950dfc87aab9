"""The scope of a purge: the images and names to remove, and the changes to files with their entries in the manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.experiments.purge.image_search import MatchedImages
from core.experiments.purge.manifest import Entry, Manifest
from core.experiments.purge.subject_names import SubjectNames
from core.runtime.storage import home, write_bytes


@dataclass(frozen=True)
class PurgeScope:
    """The images and names that one purge removes."""

    matches: Mapping[str, MatchedImages]  # by name of the dataset; the requested dataset is last
    names: SubjectNames
    emptied: frozenset[str]  # uploaded datasets in which a class would lose its last image
    uploaded: frozenset[str]  # keys of all uploaded datasets that are kept
    missing: frozenset[str]  # uploaded datasets that runs or caches name and that were removed before


class FileEditor:
    """Changes files for a purge and notes each change in its manifest. In a dry run it notes only."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.dry_run = manifest.dry_run

    def note_removed(self, path: Path, why: str) -> None:
        """Add "removed" to the manifest."""
        self._manifest.removed.append(Entry(_shown(path), "removed", why))

    def note_rewritten(self, path: Path, why: str) -> None:
        """Add "rewritten" to the manifest."""
        self._manifest.removed.append(Entry(_shown(path), "rewritten", why))

    def note_left(self, path: Path, why: str) -> None:
        """Add "left" to the manifest: the user must decide."""
        self._manifest.left.append(Entry(_shown(path), "left", why))

    def remove(self, path: Path, why: str) -> None:
        """Remove a file or folder if it exists. Raises StoreError if it cannot be removed."""
        if not path.exists():
            return
        self.note_removed(path, why)
        if self.dry_run:
            return
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise StoreError(
                f"{path} cannot be removed ({error.strerror}); give the Lab permission, then purge again"
            ) from error

    def write_json(self, path: Path, values: dict[str, Any], indent: int | None = None) -> None:
        """Write ``values`` to ``path``."""
        if not self.dry_run:
            write_bytes(path, json.dumps(values, indent=indent).encode())

    def write_text(self, path: Path, text: str) -> None:
        """Write ``text`` to ``path``."""
        if not self.dry_run:
            write_bytes(path, text.encode())

    def rename(self, path: Path, stem: str, ending: str, separator: str = " ") -> Path:
        """Rename ``path`` to ``stem``, a free number and ``ending``; return the new path.

        Raises StoreError if it cannot be renamed.
        """
        if self.dry_run:
            return path
        number = 1
        while (target := path.with_name(f"{stem}{separator}{number}{ending}")).exists():
            number += 1
        try:
            return path.rename(target)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be renamed ({error.strerror}); give the Lab permission, then purge again"
            ) from error


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(home()))
    except ValueError:
        return str(path)
