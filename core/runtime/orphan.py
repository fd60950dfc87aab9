"""A watch that ends a child process when its parent process ends. It imports only the standard library."""

from __future__ import annotations

import functools
import os
import threading
import time

EVERY_S = 0.5  # between two checks; compiled loops of this package hold the interpreter's lock for less


@functools.cache
def end_with_parent(parent: int) -> None:
    """End this process within a second of the end of its parent process, whatever it is computing.

    A daemon thread compares the parent's process number, so the signal that ended the parent does not matter.
    A second call does nothing.
    """
    threading.Thread(target=_watch, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while (
        os.getppid() == parent
    ):  # on Windows the number never changes; there a child ends when its pipe closes
        time.sleep(EVERY_S)
    os._exit(1)  # the main thread may be inside compiled code, where no exception reaches it
