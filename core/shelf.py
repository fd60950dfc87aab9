"""Trained models and maps kept by content, in memory and under ``$LAF_HOME``, so that nothing is made twice.

A key is a hash of everything that decides the result: data, rows, config, seed, device and the version of the code that made it.
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

from core.errors import DataError
from core.store import home, load_state, save_state

log = logging.getLogger(__name__)

SHIPPED = (
    Path(__file__).parent.parent / "assets" / "shelf"
)  # the default's model and map; assets/make_default.py makes them
VERSION = 1  # raise it when training, initialisation or the map gives other results than before


def content_key(*parts: Any) -> str:
    """A key for ``parts``: JSON values and tensors."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (VERSION, *parts):
        if isinstance(part, Tensor):
            digest.update(part.cpu().contiguous().numpy().tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class Shelf:
    """Nested dicts of tensors and plain values by key; at most ``most`` in memory, the rest on disk.

    What is handed out is shared: do not change it. A file that cannot be read is made again; a disk that cannot be written costs
    only the keeping.
    """

    def __init__(self, kind: str, most: int = 16) -> None:
        self._kind = kind
        self._most = most
        self._memory: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept under ``key``, or None."""
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        name = Path(self._kind) / f"{key}.safetensors"
        path = next((p for p in (home() / name, SHIPPED / name) if p.exists()), None)
        if path is None:
            return None
        try:
            value = load_state(path)
        except DataError as error:
            log.warning("%s; it is made again", error)
            return None
        self._remember(key, value)
        return value

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep ``value`` under ``key``."""
        self._remember(key, value)
        try:
            save_state(home() / self._kind / f"{key}.safetensors", value)
        except DataError as error:
            log.warning("%s; it is kept in memory only", error)

    def _remember(self, key: str, value: dict[str, Any]) -> None:
        with self._lock:
            self._memory[key] = value
            self._memory.move_to_end(key)
            while len(self._memory) > self._most:
                self._memory.popitem(last=False)


models = Shelf("models")
maps = Shelf("maps", most=4)
