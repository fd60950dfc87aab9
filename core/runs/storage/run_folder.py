"""The folder of one run: run.json, steps.jsonl, frames/, states/, model.safetensors; how they are written and read.

Whatever moment a process dies at, the folder can be read: files appear whole by renaming, a line of steps has a checksum, and a torn
last line or last frame counts as not written. A frame is written after its step, and before anybody is shown it.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import DataError, RequestError, StoreError
from core.methods.step import Step
from core.runs.records import Frame
from core.runs.storage.frame_store import (
    ArrayCache,
    StoredFrame,
    begins_chain,
    frame_bytes,
    read_frame,
    stored,
)
from core.runtime.ownership import Claims
from core.runtime.storage import home, write_bytes

SCHEMA = 1
KIND = "laf run"
LOCK = ".lock"
OWNER = "owner.json"  # what a list of runs reads first: run.json of another browser's run stays unread
_BYTES: dict[Path, tuple[tuple[int, ...], int]] = {}  # of runs, with what they were counted at
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def runs_home() -> Path:
    """Where all runs lie."""
    return home() / "runs"


def run_folder(run_id: str) -> RunFolder:
    """The folder of a kept run. Raises RequestError when there is none; an id is checked before it is part of a path."""
    path = runs_home() / run_id
    if not _ID.fullmatch(run_id) or not path.is_dir():
        raise RequestError(f"no run is kept as {run_id[:60]!r}; `laf runs list` shows those there are")
    return RunFolder(path)


def no_run(run_id: str) -> str:
    """The sentence of the page for a run that is not there, and for another browser's: neither tells of the other."""
    return f"no run is kept as {run_id[:60]!r} that is yours or shared; the page Runs shows those there are"


def is_run_id(name: str) -> bool:
    """Whether a run can be called that."""
    return _ID.fullmatch(name) is not None


class RunFolder:
    """Reads and writes the files of one run; knows nothing of Runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = ArrayCache()
        self._steps: BinaryIO | None = None

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def states(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "states"

    @property
    def model(self) -> Path:
        """Weights of the finished model."""
        return self.path / "model.safetensors"

    # about

    def read_about(self) -> dict[str, Any]:
        """run.json. Raises DataError, naming the file, when it is missing, damaged, foreign or newer."""
        path = self.path / "run.json"
        try:
            about = json.loads(path.read_bytes())
            if about["kind"] != KIND:
                raise KeyError("kind")
            if about["schema"] > SCHEMA:
                raise StoreError(f"{path} was written by a newer version (schema {about['schema']}); update the Lab to read it")  # fmt: skip
            if not isinstance(about["setup"], dict):
                raise TypeError("setup")
            found: dict[str, Any] = about
            return found
        except FileNotFoundError as error:
            raise StoreError(f"{self.path} holds no run.json, so it is no run of the Lab's") from error
        except (KeyError, TypeError) as error:
            raise StoreError(
                f"{path} was not written by the Lab, or lacks {error}; delete the folder"
            ) from error
        except (ValueError, OSError, RecursionError) as error:
            raise StoreError(f"{path} is damaged and cannot be read; delete the folder, or put a copy back") from error  # fmt: skip

    def write_about(self, about: dict[str, Any]) -> None:
        """Replace run.json. Raises DataError when it cannot be written."""
        values = {"kind": KIND, "schema": SCHEMA, **about}
        said = json.dumps({"owner": about.get("owner"), "shared": about.get("shared", True)}).encode()
        files = [(self.path / "run.json", json.dumps(values, indent=1).encode())]
        if (
            said != self._owner_bytes()
        ):  # a crash between the two must not show a run that is no longer shared
            files.insert(0 if not about.get("shared", True) else 1, (self.path / OWNER, said))
        for path, data in files:
            write_bytes(path, data)

    def claims(self) -> Claims:
        """Whose run it is: from the small file beside run.json, or from run.json where that file is missing.

        Raises DataError where neither can be read.
        """
        for read in (lambda: json.loads(self._owner_bytes()), self.read_about):
            try:
                about = read()
                made_by = about["owner"]
                return Claims.of(None if made_by is None else str(made_by), about["shared"] is True)
            except (ValueError, KeyError, TypeError):
                continue
        raise StoreError(f"{self.path / 'run.json'} lacks its owner; delete the run")

    def _owner_bytes(self) -> bytes:
        try:
            return (self.path / OWNER).read_bytes()
        except OSError:
            return b""

    # steps

    def append_step(self, step: Step) -> None:
        """One more line."""
        if self._steps is None:
            self._steps = open(self.path / "steps.jsonl", "ab", buffering=0)  # noqa: SIM115 - open as long as the run
        self._steps.write(_line(step))

    def write_steps(self, steps: list[Step]) -> None:
        """All lines at once, in place of what is there."""
        self.close()
        put(self.path / "steps.jsonl", b"".join(map(_line, steps)))

    def read_steps(self) -> list[Step]:
        """All whole lines; a torn last one is dropped. Raises DataError, naming the line, for damage before that."""
        path = self.path / "steps.jsonl"
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror})") from error
        steps: list[Step] = []
        for number, line in enumerate(lines[:-1], 1):
            step = _parse(line, number)
            if step is None:
                if any(_parse(later, None) for later in lines[number:-1]):
                    raise StoreError(f"line {number} of {path} is damaged; the run cannot be read beyond it")
                break
            steps.append(step)
        return steps

    # frames

    def frame_path(self, number: int) -> Path:
        """The file of frame ``number``, there or not."""
        return self.path / "frames" / f"{number:06d}.safetensors"

    def write_frame(self, frame: Frame) -> StoredFrame:
        """Write a frame, or link the file it lies in already; the frame as it is from then on."""
        path = self.frame_path(frame.number)
        if isinstance(frame, StoredFrame) and frame.path.name == path.name and frame.path.exists():
            link(frame.path, path)
            return stored(read_frame(path, arrays=False)[0], frame.record, path, self.cache)
        earlier = self.frame_path(frame.number - 1)
        before = None if begins_chain(frame.number) else self.cache.peek(earlier)  # else it is packed alone
        data, plain, arrays = frame_bytes(frame, before)
        put(path, data)
        self.cache.put(path, arrays)
        return stored(plain, frame.record, path, self.cache)

    def moved(self, frame: StoredFrame) -> StoredFrame:
        """The same frame after the folder got its name."""
        path = self.frame_path(frame.number)
        self.cache.rename(frame.path, path)
        return StoredFrame({**vars(frame), "reading": frame.reading.moved(path)}, path, self.cache)

    def read_frames(self, steps: list[Step]) -> list[StoredFrame]:
        """All frames of ``steps``, without their arrays. Raises DataError for one that is damaged, unless it is the last."""
        numbers = sorted(int(p.stem) for p in self.path.glob("frames/[0-9]*.safetensors") if p.stem.isdigit())
        frames = []
        for at, number in enumerate(numbers):
            path = self.frame_path(number)
            if number != at:
                raise StoreError(f"{self.frame_path(at)} is missing, and frames after it are there; delete the run")  # fmt: skip
            try:
                plain = read_frame(path, arrays=False)[0]
            except DataError:
                if at == len(numbers) - 1:
                    break
                raise
            if plain["step"] > len(steps):  # a rewind was cut short
                break
            record = steps[plain["step"] - 1] if plain["step"] else None
            frames.append(stored(plain, record, path, self.cache))
        return frames

    def count_frames(self) -> int:
        """Frames there are, unread."""
        return sum(1 for _ in self.path.glob("frames/[0-9]*.safetensors"))

    def count_steps(self) -> int:
        """Whole lines of steps, unread."""
        try:
            return (self.path / "steps.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def drop_frames(self, count: int) -> None:
        """Keep the first ``count``; the last goes first, so that there is never a gap."""
        for path in sorted(self.path.glob("frames/[0-9]*.safetensors"), reverse=True):
            if int(path.stem) >= count:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what a process that was killed left half-written; call it while the run is held."""
        for place in (self.path, self.path / "frames", self.states):
            for path in place.glob(".*"):
                if path.is_file() and path.name != LOCK:
                    path.unlink(missing_ok=True)

    def sync(self) -> None:
        """What was written lasts through a loss of power."""
        if self._steps is not None:
            os.fsync(self._steps.fileno())

    def close(self) -> None:
        """Let go of the file of steps."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None

    @property
    def bytes(self) -> int:
        """On disk; files shared with a parent count in each. Counted anew once a file has come, gone or grown."""
        try:
            places = (self.path, self.path / "frames", self.states)
            seen = (*(p.stat().st_mtime_ns for p in places if p.exists()), self._bytes_of_steps)
            known = _BYTES.get(self.path)
            if known is None or known[0] != seen:
                _BYTES[self.path] = known = (
                    seen,
                    sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file()),
                )
            return known[1]
        except OSError:  # deleted meanwhile
            return 0

    @property
    def _bytes_of_steps(self) -> int:
        path = self.path / "steps.jsonl"
        return path.stat().st_size if path.exists() else 0


def put(path: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all, in a folder that is there; not synced, so that a frame costs no turn of a disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system knows no links. Files of runs are never changed in place."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        put(target, source.read_bytes())


def _line(step: Step) -> bytes:
    text = json.dumps(step.as_dict(), separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes, number: int | None) -> Step | None:
    """The step of a line; None when it is not whole, or not step ``number``."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        step = Step.from_dict(json.loads(line[9:]))
    except (ValueError, TypeError):
        return None
    return step if number is None or step.number == number else None
