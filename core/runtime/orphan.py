"""The end of a child process whose parent has gone; imports nothing of weight."""

from __future__ import annotations

import functools
import os
import threading
import time

EVERY_S = 0.5  # between two looks; no compiled loop of this package was seen to hold the interpreter's lock for longer


@functools.cache
def end_with(parent: int) -> None:
    """End this process within a second of the end of process ``parent``, which started it, whatever it is at.

    A daemon thread compares the parent's number, so the parent may die by any signal. A second call does nothing.
    """
    threading.Thread(target=_watch, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:  # on Windows it never changes: there a child ends when its pipe does
        time.sleep(EVERY_S)
    os._exit(1)  # the main thread may be inside compiled code and could not raise
