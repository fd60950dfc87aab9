"""The process that reads one upload: it imports numpy and Pillow and no torch, and has limits on memory and computing.

``core.data.uploads.isolated_reader`` starts it, and kills it at the end. It ends by itself when its stdin closes, as it does when the Lab is gone.

Messages, both ways: 8 bytes of length (little-endian), then JSON; bytes of the length that the JSON names follow it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from core.data.uploads import class_folders, limits, npz
from core.data.uploads.archives import Archive, open_source
from core.data.uploads.parsed import Progress, Read
from core.errors import DataError

MB = limits.MB
_PIECE = MB
_SPOOLED = 16 * MB  # of an upload; what is more lies in a nameless file, and not in memory
_PAUSE_S = 0.1  # between two messages of progress


def read(file: BinaryIO, name: str, progress: Progress, allow: Callable[[float], None]) -> Read:
    """Return what is in an archive called ``name``, read in this process. Raises DataError."""
    archive = Archive(file, name)
    allow(limits.seconds(len(archive.files), archive.unpacked))
    kind = npz.read if archive.is_npz else class_folders.read
    return kind(archive, progress, allow)


def send(stream: IO[bytes], message: dict[str, Any], *parts: memoryview) -> None:
    """Write a message, and the bytes that belong to it."""
    head = json.dumps(message).encode()
    stream.write(struct.pack("<Q", len(head)) + head)
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Return the next message; None at the end of the stream, also when it ends in the middle of one."""
    size = stream.read(8)
    if len(size) < 8:
        return None
    (length,) = struct.unpack("<Q", size)
    head = stream.read(length)
    return cast(dict[str, Any], json.loads(head)) if len(head) == length else None


def _requests(stream: IO[bytes], into: queue.Queue[tuple[dict[str, Any], BinaryIO | None]]) -> None:
    """Take requests from ``stream``, with the files that follow them, until it closes; then end the process at once."""
    while (request := receive(stream)) is not None:
        file: Any = None
        if "bytes" in request:
            file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED)  # noqa: SIM115 - the other thread closes it
            left = int(request["bytes"])
            while left and (piece := stream.read(min(_PIECE, left))):
                left -= len(piece)
                try:
                    file.write(piece)
                except (
                    OSError
                ) as error:  # the disk is full: the rest is read and dropped, so that the answer arrives
                    request["failed"] = error.strerror
            if left:
                break
        into.put((request, file))
    os._exit(0)


def _answer(request: dict[str, Any], file: BinaryIO | None, replies: IO[bytes]) -> None:
    """Read what ``request`` names and write what is in it, or the sentence that says what is wrong."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PAUSE_S:
            last = time.monotonic()
            send(replies, {"kind": "progress", "done": done, "total": total})

    def allow(seconds: float) -> None:
        _limit_cpu(seconds)
        send(replies, {"kind": "allow", "seconds": seconds})

    name = str(request["name"])
    try:
        if "failed" in request:
            raise DataError(
                f"{name} cannot be put aside to be read ({request['failed']}); free some space in {tempfile.gettempdir()}"
            )
        with file or open_source(Path(request["path"])) as source:
            _send_read(replies, read(source, name, progress, allow))
    except DataError as error:
        send(replies, {"kind": "refused", "text": str(error)})
    except MemoryError:
        send(replies, {"kind": "memory"})
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        send(replies, {"kind": "failed", "cause": cause})


def _send_read(replies: IO[bytes], found: Read) -> None:
    head = {
        "kind": "found",
        "classes": found.classes,
        "shape": found.rows.shape,
        "has_test": found.is_test is not None,
        "sizes": found.sizes,
        "notes": found.notes,
        "paths": found.paths,
        "left_out": found.left_out,
    }
    parts = [found.y.data] + ([] if found.is_test is None else [found.is_test.data])
    send(replies, head, *parts)
    for pixels in found.rows.each():
        replies.write(pixels.tobytes())
    replies.flush()


def _limit_memory() -> None:
    """Bound the address space, on systems that say how much of it is taken already."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + limits.MEMORY, most))


def _limit_cpu(seconds: float) -> None:
    """End this process after so many more seconds of computing, on systems that count them."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


def main() -> None:
    """Answer requests from stdin on stdout until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the parent decides
    # keep both pipes for messages alone: what a decoder prints goes to stderr
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    waiting: queue.Queue[tuple[dict[str, Any], BinaryIO | None]] = queue.Queue()
    threading.Thread(target=_requests, args=(requests, waiting), daemon=True).start()
    _limit_memory()
    with suppress(BrokenPipeError):
        while True:
            request, file = waiting.get()
            _limit_cpu(limits.SECONDS)
            _answer(request, file, replies)
            del request, file


if __name__ == "__main__":
    main()
    sys.exit(0)
