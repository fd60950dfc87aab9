"""Locks on kept runs: one process at a time writes a run, and in a process one Recorder.

The lock is on the file ``.lock`` in the run's folder. The operating system releases it when its process ends, also when it is killed.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakValueDictionary

from filelock import AcquireReturnProxy, FileLock, Timeout

from core.errors import LabError, RequestError, StoreError
from core.runs.storage.folder import LOCK, RunFolder, runs_home


class OpenRun(Protocol):
    """A run that is kept now in this process; ``core.runs.storage.Recorder`` is one."""

    def tell(self, **values: Any) -> None:
        """Write values into run.json besides those of the run."""
        ...

    def close(self, why: str | None = None) -> None:
        """Write no more."""
        ...


_OPEN: WeakValueDictionary[str, OpenRun] = WeakValueDictionary()  # by id of the run


def open_run_here(run_id: str) -> OpenRun | None:
    """Return what keeps this run in this process, or None."""
    return _OPEN.get(run_id)


def register(run_id: str, keeper: OpenRun) -> None:
    """Note that ``keeper`` keeps the run; the one before must be closed."""
    _OPEN[run_id] = keeper


def unregister(run_id: str, keeper: OpenRun) -> None:
    """Note that ``keeper`` keeps the run no more."""
    if _OPEN.get(run_id) is keeper:
        del _OPEN[run_id]


def is_open(run_id: str) -> bool:
    """Return whether a run is being kept now, in this process or in another."""
    if open_run_here(run_id) is not None:
        return True
    try:
        with lock_run(RunFolder(runs_home() / run_id)):
            return False
    except LabError:
        return True


def lock_run(folder: RunFolder) -> AcquireReturnProxy[FileLock]:
    """Lock the file ``.lock`` of a run until ``.lock.release()``, the end of a ``with``, or the end of the process.

    Raises RequestError when another process or Recorder holds it, StoreError when the folder cannot be written.
    """
    lock = FileLock(folder.path / LOCK, blocking=False, thread_local=False)  # another thread may release it
    try:
        return lock.acquire()
    except Timeout as error:
        raise RequestError(
            f"run {folder.id} is open elsewhere; close it there, or fork it to go on beside it"
        ) from error
    except OSError as error:
        raise StoreError(f"{folder.path} cannot be written ({error.strerror})") from error
