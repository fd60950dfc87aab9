"""The process that reads uploads, with limits on its memory and processor time.

It imports numpy and Pillow, but no torch.
``core.data.uploads.isolated_reader`` starts the process and kills it at the end.
The process also ends when its stdin closes, which happens when the Lab ends.

A message in either direction is 8 bytes of length (little-endian), then JSON, then the bytes that the JSON announces.
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

from core.data.uploads.reading import class_folders, csv_table, limits, npz
from core.data.uploads.reading.archives import Archive
from core.data.uploads.reading.parsed import Progress, ReadResult
from core.data.uploads.reading.sources import open_source
from core.errors import DataError

MB = limits.MB
_PIECE = MB
_SPOOLED = 16 * MB  # of an upload in memory; a larger one is kept in a temporary file
_PAUSE_S = 0.1  # least time between two progress messages


def read(file: BinaryIO, name: str, progress: Progress, allow: Callable[[float], None]) -> ReadResult:
    """Read the archive or CSV called ``name`` in this process. Raises DataError when it cannot be used."""
    if csv_table.is_csv(name):
        return csv_table.read(file, name, progress, allow)
    archive = Archive(file, name)
    allow(limits.seconds(len(archive.files), archive.unpacked))
    kind = npz.read if archive.is_npz else class_folders.read
    return kind(archive, progress, allow)


def send(stream: IO[bytes], message: dict[str, Any], *parts: memoryview) -> None:
    """Write a message and the bytes that belong to it."""
    head = json.dumps(message).encode()
    stream.write(struct.pack("<Q", len(head)) + head)
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Return the next message, or None when the stream ends before a whole message."""
    size = stream.read(8)
    if len(size) < 8:
        return None
    (length,) = struct.unpack("<Q", size)
    head = stream.read(length)
    return cast(dict[str, Any], json.loads(head)) if len(head) == length else None


def _queue_requests(stream: IO[bytes], into: queue.Queue[tuple[dict[str, Any], BinaryIO | None]]) -> None:
    """Queue the requests from ``stream`` with their files until the stream closes, then end the process at once."""
    while (request := receive(stream)) is not None:
        file: Any = None
        if "bytes" in request:
            file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED)  # noqa: SIM115 - the other thread closes it
            left = int(request["bytes"])
            while left and (piece := stream.read(min(_PIECE, left))):
                left -= len(piece)
                try:
                    file.write(piece)
                except OSError as error:  # the rest is still read, so that the parent can receive the answer
                    request["failed"] = error.strerror
            if left:
                break
        into.put((request, file))
    os._exit(0)


def _answer(request: dict[str, Any], file: BinaryIO | None, replies: IO[bytes]) -> None:
    """Read the file of ``request`` and write its images to ``replies``, or the sentence that says what is wrong."""
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
                f"{name} cannot be stored for reading ({request['failed']}); free some space in {tempfile.gettempdir()}"
            )
        with file or open_source(Path(request["path"])) as source:
            _send_result(replies, read(source, name, progress, allow))
    except DataError as error:
        send(replies, {"kind": "refused", "text": str(error)})
    except MemoryError:
        send(replies, {"kind": "memory"})
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        send(replies, {"kind": "failed", "cause": cause})


def _send_result(replies: IO[bytes], found: ReadResult) -> None:
    head = {
        "kind": "found",
        "classes": found.classes,
        "shape": found.rows.shape,
        "dtype": found.rows.dtype,
        "has_test": found.is_test is not None,
        "sizes": found.sizes,
        "notes": found.notes,
        "paths": found.paths,
        "left_out": found.left_out,
        "features": found.features,
        "subjects": found.subjects,
    }
    parts = [found.y.data] + ([] if found.is_test is None else [found.is_test.data])
    send(replies, head, *parts)
    for values in found.rows.each():
        replies.write(values.tobytes())
    replies.flush()


def _limit_memory() -> None:
    """Limit the address space, on systems that report how much is in use."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + limits.MEMORY, most))


def _limit_cpu(seconds: float) -> None:
    """Let the system end this process after ``seconds`` more of processor time, where the system counts it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


def main() -> None:
    """Answer requests from stdin on stdout until stdin closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all processes of a terminal; the parent reacts
    # only messages may go through the pipes, so the output of decoders goes to stderr
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    waiting: queue.Queue[tuple[dict[str, Any], BinaryIO | None]] = queue.Queue()
    threading.Thread(target=_queue_requests, args=(requests, waiting), daemon=True).start()
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
