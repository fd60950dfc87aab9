"""Uploads read in a process of their own, so that none of them can take the Lab's memory, time or life."""

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

from core.data.uploads import limits
from core.data.uploads.archives import UPLOAD_BYTES, check_source, shown
from core.data.uploads.parsed import ParsedUpload, Progress
from core.data.uploads.reader import receive, send
from core.errors import DataError, LabError

log = logging.getLogger(__name__)

AT_ONCE = 2  # readers beside each other: their memory adds up
_PATIENCE = 3  # seconds on the clock for each second of computing: a busy machine takes turns
_START_S = 5.0  # on the clock, to start and to take the bytes
_WAIT_S = 0.2
_turns = threading.BoundedSemaphore(AT_ONCE)


def read(source: Path | bytes, name: str, progress: Progress) -> ParsedUpload:
    """Return what is in a zip of class folders or an npz called ``name``, read by a process that ends with this call.

    Raises RequestError when there is no such file, DataError (one sentence that names the file) for all that is wrong with it,
    and when reading it takes more memory or time than ``budget`` allows.
    """
    check_source(source, name, UPLOAD_BYTES)
    while not _turns.acquire(timeout=_WAIT_S):
        progress(0, 1)  # the page can end the wait here
    try:
        with Reader() as reader:
            return reader.read(source, name, progress)
    finally:
        _turns.release()


class Reader:
    """The reading process, killed when the ``with`` block ends."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[3])
        path = os.environ.get("PYTHONPATH")
        env = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}
        # one thread and one heap: each more would take address space from the images
        env |= dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1"
        )
        try:
            self._child = subprocess.Popen(
                # -P: a folder named core in the working directory must not win
                [sys.executable, "-P", "-m", "core.data.uploads.reader"],
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
        """Process id of the child."""
        return self._child.pid

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process. May be called again."""
        self._expect(None)
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):  # closing flushes into a pipe that is gone
                if pipe is not None:
                    pipe.close()

    def read(self, source: Path | bytes, name: str, progress: Progress) -> ParsedUpload:
        """Return what is in ``source``. Raises DataError."""
        self._expect(limits.SECONDS)
        request: dict[str, Any] = {"name": shown(name)}
        parts: list[memoryview] = []
        if isinstance(source, Path):
            request["path"] = str(source.absolute())
        else:
            request["bytes"] = len(source)
            parts.append(memoryview(source))
        assert self._child.stdin is not None  # both were asked to be pipes
        assert self._child.stdout is not None
        try:
            send(self._child.stdin, request, *parts)
            while (reply := receive(self._child.stdout)) is not None:
                match reply["kind"]:
                    case "progress":
                        progress(reply["done"], reply["total"])
                    case "allow":
                        self._expect(reply["seconds"])
                    case "found":
                        return self._found(reply)
                    case "refused":
                        raise DataError(reply["text"])
                    case "memory":
                        raise DataError(
                            f"{shown(name)} takes more than {limits.MEMORY // limits.MB} MB of memory to read; leave images out, or make them smaller"
                        )
                    case _:
                        log.error("%s could not be read: %s", shown(name), reply)
                        raise _unreadable(name)
        except (BrokenPipeError, EOFError, ConnectionError):
            pass
        finally:
            self._expect(None)
        raise self._ended(name)

    def _found(self, head: dict[str, Any]) -> ParsedUpload:
        n, c, h, w = head["shape"]
        y = torch.from_numpy(self._array((n,), np.dtype(np.int64)))
        is_test = torch.from_numpy(self._array((n,), np.dtype(np.bool_))) if head["has_test"] else None
        x: Tensor = torch.from_numpy(self._array((n, c, h, w), np.dtype(np.uint8)))
        return ParsedUpload(
            tuple(head["classes"]), x, y, is_test, tuple((w, h, n) for w, h, n in head["sizes"]),
            tuple(head["notes"]), tuple(head["paths"]), tuple(head["left_out"]),
        )  # fmt: skip

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """Return the next bytes of the child as an array."""
        array = np.empty(shape, dtype)
        view = array.reshape(-1).view(np.uint8).data
        assert self._child.stdout is not None
        while len(view):
            count = self._child.stdout.readinto(view)  # type: ignore[attr-defined]  # a BufferedReader
            if not count:
                raise EOFError
            view = view[count:]
        return array

    def _expect(self, seconds: float | None) -> None:
        """Kill the process when it computes for longer than ``seconds`` from here on; None: it may take its time."""
        if self._late is not None:
            self._late.cancel()
        self._late = None
        if seconds is not None:
            self._late = threading.Timer(_START_S + _PATIENCE * seconds, self._kill_late)
            self._late.daemon = True
            self._late.start()

    def _kill_late(self) -> None:
        self._is_late = True
        self._child.kill()

    def _ended(self, name: str) -> DataError:
        """Return what the death of the process means."""
        try:
            code = self._child.wait(_START_S)
        except subprocess.TimeoutExpired:
            code = 0
        xcpu = getattr(signal, "SIGXCPU", None)  # not on Windows
        if self._is_late or (xcpu is not None and code == -xcpu):
            return DataError(
                f"{shown(name)} takes longer to read than real images of its size; leave images out, or save them again as PNG or JPEG"
            )
        log.error("the process that reads uploads ended with code %s over %s", code, shown(name))
        return _unreadable(name)


def _unreadable(name: str) -> DataError:
    return DataError(
        f"{shown(name)} could not be read; save its images again as PNG or JPEG, and zip them again"
    )
