"""A cache of trained models and maps, in memory and under ``$LAF_HOME``.

A key is a hash of everything that decides the result: data, rows, config, seed, device and ``VERSION``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from torch import Tensor

from core.errors import DataError, StoreError
from core.runtime.purge_watch import PurgeWatch
from core.runtime.storage import home, load_state, save_state, write_bytes

log = logging.getLogger(__name__)

# trained originals and the map of the default setup, written by assets/make_default.py and assets/make_originals.py
SHIPPED = Path(__file__).parents[1] / "training" / "shelf"
VERSION = 1  # raise it when training, initialisation or the map gives other results than before


def content_key(*parts: Any) -> str:
    """Return a hash of ``parts``, which are JSON values and tensors."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (VERSION, *parts):
        if isinstance(part, Tensor):
            digest.update(part.cpu().contiguous().numpy().tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class ContentCache:
    """A cache of nested dicts of tensors and JSON values; at most ``most`` entries are also in memory.

    ``get`` returns the cached object itself, which callers must not change. A file that cannot be read counts
    as missing. When the disk cannot be written, the entry stays in memory only.
    """

    def __init__(self, kind: str, most: int = 16) -> None:
        self._kind = kind  # the folder's name under $LAF_HOME
        self._most = most
        self._memory: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = Lock()
        self._purged = PurgeWatch()

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the entry of ``key``, or None when there is none."""
        with self._lock:
            if self._purged.changed():
                self._memory.clear()
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        path = next((p for p in self._places(key) if p.exists()), None)
        if path is None:
            return None
        try:
            value = load_state(path)
        except DataError as error:
            log.warning("%s; the Lab computes it again", error)
            return None
        self._remember(key, value)
        return value

    def ships(self, key: str) -> bool:
        """Return whether the entry of ``key`` is one that ships with the Lab, and not one that was computed here."""
        here, shipped = self._places(key)
        return shipped.exists() and not here.exists()

    def put(self, key: str, value: dict[str, Any], *, dataset: str | None = None, kind: str = "") -> None:
        """Store ``value`` under ``key``.

        A purge finds the entry by ``dataset``, the name of the data it was computed from.
        """
        self._remember(key, value)
        try:
            if dataset is not None:
                source = {"dataset": dataset, "kind": kind or self._kind}
                write_bytes(home() / self._kind / f"{key}.json", json.dumps(source).encode())
            save_state(home() / self._kind / f"{key}.safetensors", value)
        except DataError as error:
            log.warning("%s; the result stays in memory only", error)

    def entries(self) -> list[tuple[str, dict[str, str] | None]]:
        """Return the keys on disk under ``$LAF_HOME``, each with its "dataset" and "kind", or None when they are unknown."""
        found: list[tuple[str, dict[str, str] | None]] = []
        for path in sorted((home() / self._kind).glob("*.safetensors")):
            try:
                source = json.loads(path.with_suffix(".json").read_bytes())
                found.append((path.stem, {name: str(source[name]) for name in ("dataset", "kind")}))
            except (OSError, ValueError, KeyError, TypeError):
                found.append((path.stem, None))
        return found

    def paths(self, key: str) -> list[Path]:
        """Return the existing files of ``key``."""
        files = (home() / self._kind / f"{key}{end}" for end in (".safetensors", ".json"))
        return [p for p in files if p.exists()]

    def remove(self, key: str) -> None:
        """Delete ``key`` from memory and disk. Raises StoreError when its files cannot be removed."""
        with self._lock:
            self._memory.pop(key, None)
        for path in self.paths(key):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path} cannot be removed ({error.strerror}); allow it") from error

    def _places(self, key: str) -> tuple[Path, Path]:
        """Return where the entry of ``key`` lies if it was computed here, and if it ships with the Lab."""
        name = Path(self._kind) / f"{key}.safetensors"
        return home() / name, SHIPPED / name

    def _remember(self, key: str, value: dict[str, Any]) -> None:
        with self._lock:
            self._memory[key] = value
            self._memory.move_to_end(key)
            while len(self._memory) > self._most:
                self._memory.popitem(last=False)


models = ContentCache("models")
maps = ContentCache("maps", most=4)
answers = ContentCache("answers", most=4)  # of trained models to all images of their dataset
