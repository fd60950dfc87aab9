"""Results of finished runs that are not kept on disk, for the next request of their chain in this process."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from core.models.base import Net
from core.runs.records import Frame
from core.runtime.purge_watch import PurgeWatch

MOST = 16

_held: OrderedDict[str, tuple[Net, Frame | None]] = OrderedDict()
_lock = Lock()
_purged = PurgeWatch()


def hold(weights: str, model: Net, last: Frame | None) -> None:
    """Hold the result of a run with the hash ``weights``, and its last frame; drop the one unused longest."""
    with _lock:
        if _purged.changed():
            _held.clear()
        _held[weights] = model, last
        _held.move_to_end(weights)
        while len(_held) > MOST:
            _held.popitem(last=False)


def held(weights: str) -> tuple[Net, Frame | None] | None:
    """Return the result with the hash ``weights`` and its last frame, or None."""
    with _lock:
        if _purged.changed():
            _held.clear()
        return _held.get(weights)
