"""The parent side of the reading process, which limits the memory and time that an upload can take from the Lab."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.data.uploads.names import printable_name
from core.data.uploads.reading import limits
from core.data.uploads.reading.parsed import ParsedUpload, Progress
from core.data.uploads.reading.reader import receive, send
from core.data.uploads.reading.sources import UPLOAD_BYTES, check_source
from core.errors import DataError, LabError

log = logging.getLogger(__name__)

AT_ONCE = 2  # reading processes at the same time; their memory adds up
_SECONDS_PER_CPU_SECOND = (
    3  # elapsed seconds allowed for each processor second; a busy machine shares its cores
)
_START_S = 5.0  # elapsed seconds to start and to receive the bytes
_WAIT_S = 0.2
_turns = threading.BoundedSemaphore(AT_ONCE)


def read(source: Path | bytes, name: str, progress: Progress) -> ParsedUpload:
    """Read the zip of class folders, the npz or the CSV called ``name`` in a process that ends with this call.

    Raises RequestError when there is no such file. Raises DataError that names the file when it cannot be
    used, or when reading takes more memory or time than the limits allow.
    """
    check_source(source, name, UPLOAD_BYTES)
    while not _turns.acquire(timeout=_WAIT_S):
        progress(0, 1)  # may raise to cancel the wait
    try:
        with Reader() as reader:
            return reader.read(source, name, progress)
    finally:
        _turns.release()


class Reader:
    """A reading process, killed at the end of the ``with`` block."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[3])
        path = os.environ.get("PYTHONPATH")
        env = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}
        # one thread and one heap, since further ones take address space from the images
        env |= dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1"
        )
        try:
            self._child = subprocess.Popen(
                # -P ignores a folder named core in the working directory
                [sys.executable, "-P", "-m", "core.data.uploads.reading.reader"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=env,
            )
        except OSError as error:
            raise LabError(f"the process that reads uploads could not be started: {error}") from error
        self._late: threading.Timer | None = None
        self._is_late = False

    @property
    def pid(self) -> int:
        """Process id of the reading process."""
        return self._child.pid

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process. A second call does nothing."""
        self._limit_time(None)
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):  # closing flushes into a closed pipe
                if pipe is not None:
                    pipe.close()

    def read(self, source: Path | bytes, name: str, progress: Progress) -> ParsedUpload:
        """Return the images of ``source``. Raises DataError."""
        self._limit_time(limits.SECONDS)
        request: dict[str, Any] = {"name": printable_name(name)}
        parts: list[memoryview] = []
        if isinstance(source, Path):
            request["path"] = str(source.absolute())
        else:
            request["bytes"] = len(source)
            parts.append(memoryview(source))
        assert self._child.stdin is not None  # Popen was given PIPE for both
        assert self._child.stdout is not None
        try:
            send(self._child.stdin, request, *parts)
            while (reply := receive(self._child.stdout)) is not None:
                match reply["kind"]:
                    case "progress":
                        progress(reply["done"], reply["total"])
                    case "allow":
                        self._limit_time(reply["seconds"])
                    case "found":
                        return self._receive_upload(reply)
                    case _:
                        raise _refused(reply, name)
        except (EOFError, ConnectionError):
            pass  # the child has ended, and its exit code says why
        finally:
            self._limit_time(None)
        raise self._reason_of_end(name)

    def _receive_upload(self, head: dict[str, Any]) -> ParsedUpload:
        n, *shape = head["shape"]
        y = torch.from_numpy(self._receive_array((n,), np.dtype(np.int64)))
        is_test = (
            torch.from_numpy(self._receive_array((n,), np.dtype(np.bool_))) if head["has_test"] else None
        )
        x: Tensor = torch.from_numpy(self._receive_array((n, *shape), np.dtype(head["dtype"])))
        return ParsedUpload(
            tuple(head["classes"]),
            x,
            y,
            is_test,
            tuple((w, h, n) for w, h, n in head["sizes"]),
            tuple(head["notes"]),
            tuple(head["paths"]),
            tuple(head["left_out"]),
            tuple(head["features"]),
            tuple(head["subjects"]),
        )

    def _receive_array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """Return the next bytes from the process as an array."""
        array = np.empty(shape, dtype)
        view = array.reshape(-1).view(np.uint8).data
        assert self._child.stdout is not None
        while len(view):
            count = self._child.stdout.readinto(view)  # type: ignore[attr-defined]  # a BufferedReader
            if not count:
                raise EOFError
            view = view[count:]
        return array

    def _limit_time(self, seconds: float | None) -> None:
        """Kill the process when it needs more than ``seconds`` of processor time from now on.

        None sets no limit.
        """
        if self._late is not None:
            self._late.cancel()
        self._late = None
        if seconds is not None:
            self._late = threading.Timer(_START_S + _SECONDS_PER_CPU_SECOND * seconds, self._kill_late)
            self._late.daemon = True
            self._late.start()

    def _kill_late(self) -> None:
        self._is_late = True
        self._child.kill()

    def _reason_of_end(self, name: str) -> DataError:
        """Return the error that explains why the process ended without a result."""
        try:
            code = self._child.wait(_START_S)
        except subprocess.TimeoutExpired:
            code = 0
        xcpu = getattr(signal, "SIGXCPU", None)  # not on Windows
        if self._is_late or (xcpu is not None and code == -xcpu):
            return DataError(
                f"{printable_name(name)} takes longer to read than real images of its size; leave images out, or save them again as PNG or JPEG"
            )
        log.error("the process that reads uploads ended with code %s over %s", code, printable_name(name))
        return _unreadable(name)


def _refused(reply: dict[str, Any], name: str) -> DataError:
    """Return the error of a reply that reports a failure."""
    if reply["kind"] == "refused":
        return DataError(reply["text"])
    if reply["kind"] == "memory":
        most = limits.MEMORY // limits.MB
        return DataError(
            f"{printable_name(name)} takes more than {most} MB of memory to read; leave images out, or make them smaller"
        )
    log.error("%s could not be read: %s", printable_name(name), reply)
    return _unreadable(name)


def _unreadable(name: str) -> DataError:
    return DataError(
        f"{printable_name(name)} could not be read; save its images again as PNG or JPEG, and zip them again, or its numbers as CSV"
    )
