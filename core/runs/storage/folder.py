"""RunFolder: reads and writes run.json, steps.jsonl, frames/, states/ and model.safetensors of one run.

The folder can be read at whatever moment a process dies. Files are renamed into place when they are whole. Each line of steps.jsonl
has a checksum. A torn last line or last frame counts as not written. A frame is written after its step and before it is shown.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
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
from core.runs.storage.step_log import count_steps, encode_step, read_steps
from core.runtime.ownership import Claims
from core.runtime.storage import home, write_bytes

SCHEMA = 1
KIND = "laf run"
LOCK = ".lock"
STEPS = "steps.jsonl"
OWNER = "owner.json"  # a list of runs reads it first, so that run.json of another browser's run stays unread
STALE_S = 3600.0  # a half-made folder that is older belongs to a process that was killed
_SIZES: dict[Path, tuple[tuple[int, ...], int]] = {}  # of folders: times of the last change, and bytes
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def runs_home() -> Path:
    """Return the folder of all kept runs."""
    return home() / "runs"


def run_folder(run_id: str) -> RunFolder:
    """Return the folder of a kept run. Raises RequestError when there is none; the id is checked before it is part of a path."""
    path = runs_home() / run_id
    if not _ID.fullmatch(run_id) or not path.is_dir():
        raise RequestError(f"no run is kept as {run_id[:60]!r}; `laf runs list` shows those there are")
    return RunFolder(path)


def no_run(run_id: str) -> str:
    """Return one sentence for a missing run and for another browser's, so that it does not tell which of the two it is."""
    return f"no run is kept as {run_id[:60]!r} that is yours or shared; the page Runs shows those there are"


def is_run_id(name: str) -> bool:
    """Return whether ``name`` is a possible id of a run."""
    return _ID.fullmatch(name) is not None


class RunFolder:
    """The files of one run; it does not know the class Run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = ArrayCache()
        self._steps: BinaryIO | None = None

    @property
    def id(self) -> str:
        """The name of the folder."""
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
        """Read run.json. Raises StoreError, naming the file, when it is missing, damaged, foreign or newer."""
        path = self.path / "run.json"
        try:
            about = json.loads(path.read_bytes())
            if about["kind"] != KIND:
                raise KeyError("kind")
            if about["schema"] > SCHEMA:
                raise StoreError(
                    f"{path} was written by a newer version (schema {about['schema']}); update the Lab to read it"
                )
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
            raise StoreError(
                f"{path} is damaged and cannot be read; delete the folder, or put a copy back"
            ) from error

    def write_about(self, about: dict[str, Any]) -> None:
        """Replace run.json. Raises StoreError when it cannot be written."""
        shared = about.get("shared", True)
        values = {"kind": KIND, "schema": SCHEMA, **about}
        owner = json.dumps({"owner": about.get("owner"), "shared": shared}).encode()
        files = [(self.path / "run.json", json.dumps(values, indent=1).encode())]
        if owner != self._owner_bytes():
            # a crash between the two files must not show a run that is no longer shared
            files.insert(1 if shared else 0, (self.path / OWNER, owner))
        for path, data in files:
            write_bytes(path, data)

    def claims(self) -> Claims:
        """Read who may see and change the run, from owner.json, or from run.json where that is missing.

        Raises StoreError where neither can be read.
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
        """Add one line."""
        if self._steps is None:
            self._steps = open(self.path / STEPS, "ab", buffering=0)  # noqa: SIM115 - closed by ``close``
        self._steps.write(encode_step(step))

    def write_steps(self, steps: list[Step]) -> None:
        """Replace all lines."""
        self.close()
        put(self.path / STEPS, b"".join(map(encode_step, steps)))

    def read_steps(self) -> list[Step]:
        """Read all whole lines. Raises StoreError, naming the line, for one that is damaged before the last."""
        return read_steps(self.path / STEPS)

    # frames

    def frame_path(self, number: int) -> Path:
        """Return the path of frame ``number``, whether or not it exists."""
        return self.path / "frames" / f"{number:06d}.safetensors"

    def write_frame(self, frame: Frame) -> StoredFrame:
        """Write a frame, or link the file that has it already; return the frame that reads its arrays from there."""
        path = self.frame_path(frame.number)
        if isinstance(frame, StoredFrame) and frame.path.name == path.name and frame.path.exists():
            link(frame.path, path)
            return stored(read_frame(path, arrays=False)[0], frame.record, path, self.cache)
        earlier = self.frame_path(frame.number - 1)
        before = None if begins_chain(frame.number) else self.cache.peek(earlier)  # None: packed alone
        data, plain, arrays = frame_bytes(frame, before)
        put(path, data)
        self.cache.put(path, arrays)
        return stored(plain, frame.record, path, self.cache)

    def moved(self, frame: StoredFrame) -> StoredFrame:
        """Return the same frame after the folder was renamed."""
        path = self.frame_path(frame.number)
        self.cache.rename(frame.path, path)
        return StoredFrame({**vars(frame), "reading": frame.reading.moved(path)}, path, self.cache)

    def read_frames(self, steps: list[Step]) -> list[StoredFrame]:
        """Read all frames of ``steps`` without their arrays. Raises StoreError for a damaged one, unless it is the last."""
        numbers = sorted(int(p.stem) for p in self.path.glob("frames/[0-9]*.safetensors") if p.stem.isdigit())
        frames = []
        for at, number in enumerate(numbers):
            path = self.frame_path(number)
            if number != at:
                raise StoreError(
                    f"{self.frame_path(at)} is missing, and frames after it are there; delete the run"
                )
            try:
                plain = read_frame(path, arrays=False)[0]
            except DataError:
                if at == len(numbers) - 1:
                    break
                raise
            if plain["step"] > len(steps):  # the process died in the middle of a rewind
                break
            record = steps[plain["step"] - 1] if plain["step"] else None
            frames.append(stored(plain, record, path, self.cache))
        return frames

    def count_frames(self) -> int:
        """Return the number of frames, without reading them."""
        return sum(1 for _ in self.path.glob("frames/[0-9]*.safetensors"))

    def count_steps(self) -> int:
        """Return the number of steps, without decoding them."""
        return count_steps(self.path / STEPS)

    def drop_frames(self, count: int) -> None:
        """Keep the first ``count`` frames; delete from the last one back, so that there is never a gap."""
        for path in sorted(self.path.glob("frames/[0-9]*.safetensors"), reverse=True):
            if int(path.stem) >= count:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete half-written files of a killed process; call it while the run is locked."""
        for place in (self.path, self.path / "frames", self.states):
            for path in place.glob(".*"):
                if path.is_file() and path.name != LOCK:
                    path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Write buffered steps to disk, so that they survive a power loss."""
        if self._steps is not None:
            os.fsync(self._steps.fileno())

    def close(self) -> None:
        """Close the file of steps."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None

    @property
    def bytes(self) -> int:
        """Size on disk, counted again when a file was added, deleted or grew. Files shared with a parent run count in each."""
        try:
            places = (self.path, self.path / "frames", self.states)
            seen = (*(p.stat().st_mtime_ns for p in places if p.exists()), self._bytes_of_steps)
            known = _SIZES.get(self.path)
            if known is None or known[0] != seen:
                _SIZES[self.path] = known = (
                    seen,
                    sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file()),
                )
            return known[1]
        except OSError:  # deleted meanwhile
            return 0

    @property
    def _bytes_of_steps(self) -> int:
        path = self.path / STEPS
        return path.stat().st_size if path.exists() else 0


def put(path: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all, into an existing folder; do not sync, which would slow down each frame."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def link(source: Path, target: Path) -> None:
    """Link a file under another name, or copy it where the file system has no links. Run files never change in place."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        put(target, source.read_bytes())


def delete_half_made() -> None:
    """Delete folders of runs that killed processes left half-made or half-deleted."""
    for path in runs_home().glob(".[0-9]*"):
        try:
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # another process deleted it first
            continue
