"""UMAP in a child process.

UMAP's compiled loops hold the GIL, so a follow map in this process would slow training to a third. ``UmapProcess`` sends
the work to one long-lived child, which imports numpy and umap but not torch. Its maps equal those of this process to
the bit.

A message, in both directions, is 8 bytes of length (little-endian), then an npz archive without pickled objects.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from core.errors import LabError
from core.projection import umap_layout
from core.runtime.orphan import end_with_parent

Array = npt.NDArray[np.float32]
Message = dict[str, npt.NDArray[Any]]


class UmapProcess:
    """A ``UmapBackend`` in a child process. Threads can share it; they take turns.

    The child starts at the first call or at ``warm``. It ends with ``close``, with this object, or within a second of the
    end of this process. A call replaces a dead child once.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()  # held for one request and its reply
        self._child: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[..., UmapProcess] | None = (
            None  # ends the child when this object is deleted
        )
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before the first call and after ``close``."""
        child = self._child
        return None if child is None else child.pid

    def fit(self, e: Array, seed: int) -> Array:
        """Return a first map (N, 2) of representations e (N, d). Raises LabError."""
        return self._request({"what": np.array("fit"), "e": e, "seed": np.array(seed)})

    def follow(self, previous: Array, e: Array) -> Array:
        """Return the next map (N, 2) after ``previous`` (N, 2) for representations e (N, d). Raises LabError."""
        return self._request({"what": np.array("follow"), "previous": previous, "e": e})

    def warm(self) -> None:
        """Start the child and its compilation in a background thread; return at once and never raise.

        A call during the compilation waits for it, and raises the error of the child if there is one.
        """

        def compile_now() -> None:
            with suppress(LabError):
                self._request({"what": np.array("warm")})

        threading.Thread(target=compile_now, name="umap-warm", daemon=True).start()

    def close(self) -> None:
        """End the child at once. A call in progress and later calls raise LabError. It may be called again."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()  # a call in progress ends now, in place of a wait
        with self._turn:
            self._discard()

    def _request(self, request: Message) -> Array:
        with self._turn:
            for _ in range(2):  # the child may have died since its last reply; a request can be repeated
                reply = self._exchange(request)
                if reply is not None:
                    break
                self._discard()
            else:
                raise LabError(
                    "the process that lays out the map died twice on one request; free some memory and try again"
                )
        if "error" in reply:
            raise LabError(str(reply["error"]))
        return np.asarray(reply["positions"], dtype=np.float32)

    def _exchange(self, request: Message) -> Message | None:
        """Send a request and return the reply; None when the child died."""
        if self._child is None:
            self._child = _start()
            self._ending = weakref.finalize(self, _end, self._child)
        if self._closed:  # checked after the start, since close() may run during the start
            self._discard()
            raise LabError("the process that lays out the map was closed")
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, request)
            return _receive(child.stdout)
        except OSError:
            return None
        except BaseException:  # after an interrupt, the rest of this reply must not become the next reply
            self._discard()
            raise

    def _discard(self) -> None:
        if self._ending is not None:
            self._ending()
        self._child = self._ending = None


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    env = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}
    env |= dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    # -P: a folder named core in the working directory must not shadow this package
    command = [sys.executable, "-P", "-m", "core.projection.umap_process", str(os.getpid())]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        )
    except OSError as error:
        raise LabError(f"the process that lays out the map could not be started: {error}") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with suppress(OSError):  # closing flushes into a pipe without a reader
            if pipe is not None:
                pipe.close()


def _send(stream: IO[bytes], message: Message) -> None:
    packed = io.BytesIO()
    # mypy matches **message with the allow_pickle flag of savez
    np.savez(packed, **message)  # type: ignore[arg-type]
    stream.write(struct.pack("<Q", packed.getbuffer().nbytes))
    stream.write(packed.getbuffer())
    stream.flush()


def _receive(stream: IO[bytes]) -> Message | None:
    """Return the next message; None at the end of the stream, also in the middle of a message."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (size,) = struct.unpack("<Q", head)
    body = stream.read(size)
    if len(body) < size:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _answer(request: Message) -> Message:
    match str(request["what"]):
        case "fit":
            return {"positions": umap_layout.fit_layout(request["e"], int(request["seed"]))}
        case "follow":
            return {"positions": umap_layout.follow_layout(request["previous"], request["e"])}
        case "warm":
            umap_layout.warm_up()
            # compiled here and cached on disk, so that the process of a run only loads it
            from core.models import pooled_conv_kernels  # noqa: F401

            return {"positions": np.zeros((0, 2), dtype=np.float32)}
        case other:
            raise LabError(f"{other!r} is not one of fit, follow, warm")


def _serve(parent: int | None = None) -> None:
    """Answer requests from stdin on stdout, in the child, until stdin or the process ``parent`` ends."""
    end_with_parent(
        os.getppid() if parent is None else parent
    )  # during a layout the child does not read the end of stdin
    if hasattr(os, "nice"):
        os.nice(5)  # compilation takes ten seconds; the run on the page has priority
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches every process of the terminal; the parent ends the child
    # Reserve both pipes for messages: later prints go to stderr, later reads find an empty input.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        while (request := _receive(requests)) is not None:
            try:
                reply = _answer(request)
            except LabError as error:
                reply = {"error": np.array(str(error))}
            except Exception as error:
                cause = " ".join(f"{type(error).__name__}: {error}".split())
                reply = {"error": np.array(f"the map could not be laid out: {cause}")}
            _send(replies, reply)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
