"""Checkpoints: saved states of one run, from which it continues at any step; bounded in number and in memory.

A state is kept every ``every`` frames. When there are more than ``most``, the distance doubles and the states in between are dropped.
The state before the first step and the newest one always stay. States beyond ``memory_mb`` are files in a temporary folder.

A run that is kept on disk has ``keep_in``: the first state, the newest and every fourth of the others are files in its folder. Tensors
that equal those of the first one (the VAEs, which no step changes) are not written again. To reach a step in between, the run repeats
the steps from the state before it, to the bit.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
from pathlib import Path
from threading import RLock
from typing import Any

from torch import Tensor

from core.errors import DataError
from core.runtime.storage import TensorNames, load_state, save_state, tensor_names

log = logging.getLogger(__name__)

APART = 4  # one state of so many stays on disk: the folder has a quarter of the size, a jump takes up to four times as long


class Checkpoints:
    """States by step. It owns them: callers put in copies, and do not change what they get."""

    def __init__(
        self, *, every: int = 5, most: int = 40, memory_mb: float = 64.0, folder: Path | None = None
    ) -> None:
        self.every = every
        self.most = most
        self._room = memory_mb * 1e6
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._memory: dict[int, dict[str, Any]] = {}
        self._files: dict[int, Path] = {}
        self._kept = False  # True: ``folder`` is that of a kept run
        self._known: tuple[Path, TensorNames] | None = None  # the first state's file and its tensors
        self._frames: dict[int, int] = {}  # number of the frame that was shown at a step
        self._size = 0.0
        self._lock = RLock()

    @property
    def steps(self) -> list[int]:
        """Steps after which there is a state, in rising order."""
        with self._lock:
            return sorted({*self._memory, *self._files})

    def due(self, frame: int) -> bool:
        """Return whether a state belongs to frame number ``frame``."""
        return frame % self.every == 0

    def put(self, step: int, frame: int, state: dict[str, Any]) -> None:
        """Keep the state after ``step``. Raises DataError when it cannot be written to the folder of a kept run."""
        with self._lock:
            self._frames[step] = frame
            self._memory[step] = state
            self._size = max(self._size, size_of(state))
            if self._kept:
                self._write_kept(step, packed=self._stays(step))
                self._delete_stale()
            while len(self.steps) > self.most:
                self._double_distance()
            self._move_to_files()

    def keep_in(self, folder: Path) -> None:
        """Write the states that stay and the newest to ``folder``, now and from now on. Raises DataError as ``put``."""
        with self._lock:
            for step in self.steps:
                if step not in self._memory:
                    try:
                        self._memory[step] = load_state(self._files[step])
                    except DataError as error:  # the parent's file was deleted since
                        log.warning("%s; it is left out", error)
                        self._drop(step)
            self._folder, self._kept, self._files = folder, True, {}
            for step in self.steps:
                if self._stays(step) or step == self.steps[-1]:
                    self._write_kept(step, packed=self._stays(step))
            self._move_to_files()

    def settle(self) -> None:
        """Pack the newest state of a kept run, since it stays. Raises DataError as ``put``."""
        with self._lock:
            newest = self.newest() if self._kept else None
            if newest is not None and not self._stays(newest[0]):
                self._memory.setdefault(*newest)
                self._write_kept(newest[0], packed=True)

    def leave(self) -> None:
        """Write and delete nothing more in the folder of the kept run; its states can still be read."""
        with self._lock:
            self._folder, self._kept = None, False

    def moved_to(self, folder: Path) -> None:
        """Note that the folder of ``keep_in`` was renamed."""
        with self._lock:
            self._folder = folder
            self._files = {step: folder / path.name for step, path in self._files.items()}

    @classmethod
    def kept_in(cls, folder: Path, until: int, *, only_read: bool = False) -> Checkpoints:
        """Return the states that ``keep_in`` wrote to ``folder``, up to step ``until``; delete later ones unless ``only_read``."""
        found = cls() if only_read else cls(folder=folder)
        found._kept = not only_read
        for path in sorted(folder.glob("[0-9]*-[0-9]*.safetensors")):
            step, _, frame = path.stem.partition("-")
            if int(step) > until:
                if not only_read:
                    path.unlink(missing_ok=True)
            else:
                found._files[int(step)], found._frames[int(step)] = path, int(frame)
        frames = sorted(found._frames.values())[:-1]  # the newest may be off the grid, of a last step
        gaps = [b - a for a, b in itertools.pairwise(frames)]
        found.every = max([found.every, *(gap // APART for gap in gaps[:1])])
        return found

    def before(self, step: int) -> tuple[int, dict[str, Any]] | None:
        """Return step and state of the newest readable state at or before ``step``, or None; drop unreadable ones."""
        with self._lock:
            while found := [s for s in self.steps if s <= step]:
                at = found[-1]
                if at in self._memory:
                    return at, self._memory[at]
                try:
                    return at, load_state(self._files[at])
                except DataError as error:
                    log.warning("%s; an earlier state is taken", error)
                    self._drop(at)
        return None

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Return the newest readable state, as ``before``."""
        return self.before(self.steps[-1]) if self.steps else None

    def forget_after(self, step: int) -> None:
        """Drop the states of steps after ``step``."""
        with self._lock:
            for s in [s for s in self.steps if s > step]:
                self._drop(s)

    def copy_until(self, step: int) -> Checkpoints:
        """Return the states up to ``step`` for a fork; it reads the files of this one."""
        twin = Checkpoints(every=self.every, most=self.most, memory_mb=self._room / 1e6)
        with self._lock:
            twin._memory = {s: state for s, state in self._memory.items() if s <= step}
            twin._files = {s: path for s, path in self._files.items() if s <= step}
            twin._temporary = self._temporary  # its files must outlive the parent
            twin._frames = {s: f for s, f in self._frames.items() if s <= step}
            twin._size = self._size
        return twin

    # inside

    def _double_distance(self) -> None:
        """Double the distance and drop the states in between."""
        self.every *= 2
        steps = self.steps
        for s in steps[1:-1]:
            if self._frames[s] % self.every:
                self._drop(s)
        self._delete_stale()

    def _stays(self, step: int) -> bool:
        """Return whether the state stays in the folder of a kept run."""
        return step == self.steps[0] or self._frames[step] % (self.every * APART) == 0

    def _delete_stale(self) -> None:
        """Delete files of a kept run that neither stay nor are the newest; states in memory stay."""
        if not self._kept:
            return
        for step in self.steps[:-1]:
            path = self._files.get(step)
            if path is None or path.parent != self._folder or self._stays(step):
                continue
            if step in self._memory:
                del self._files[step]
                path.unlink(missing_ok=True)
            else:
                self._drop(step)

    def _drop(self, step: int) -> None:
        self._memory.pop(step, None)
        self._frames.pop(step, None)
        path = self._files.pop(step, None)
        if path is None:
            return
        if self._known is not None and self._known[0] == path:
            self._known = None
        if path.parent == self._folder:  # a fork does not delete its parent's files
            path.unlink(missing_ok=True)

    def _write_kept(self, step: int, *, packed: bool) -> None:
        assert self._folder is not None
        path = self._folder / self._name(step)
        first = self._files.get(self.steps[0])
        if first is None or first == path:
            save_state(path, self._memory[step], packed=packed)
        else:
            save_state(path, self._memory[step], packed=packed, beside=first, known=self._tensors_of(first))
        self._files[step] = path

    def _tensors_of(self, first: Path) -> TensorNames:
        """Return the tensors in the first state's file; none where it cannot be read."""
        if self._known is None or self._known[0] != first:
            try:
                self._known = first, tensor_names(first)
            except DataError as error:
                log.warning("%s; states are written whole", error)
                self._known = first, {}
        return self._known[1]

    def _name(self, step: int) -> str:
        return f"{step:08d}-{self._frames[step]:06d}.safetensors"

    def _move_to_files(self) -> None:
        """Move the oldest states to files until the rest fits in memory; the newest stays. Drop one that cannot be written."""
        room = max(1, int(self._room // max(self._size, 1.0)))
        for step in sorted(self._memory)[:-1]:
            if len(self._memory) <= room:
                return
            if step not in self._files:
                try:
                    path = self._file_folder() / self._name(step)
                    save_state(path, self._memory[step])
                    self._files[step] = path
                except (DataError, OSError) as error:
                    log.warning("%s; the state after step %d is dropped", error, step)
                    self._frames.pop(step)
            del self._memory[step]

    def _file_folder(self) -> Path:
        if self._folder is not None and not self._kept:
            return self._folder
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="laf-checkpoints-")
        return Path(self._temporary.name)


def size_of(state: Any) -> float:
    """Return the bytes of the tensors in nested dicts and lists."""
    if isinstance(state, Tensor):
        return float(state.numel() * state.element_size())
    if isinstance(state, dict):
        return sum(size_of(v) for v in state.values())
    if isinstance(state, (list, tuple)):
        return sum(size_of(v) for v in state)
    return 0.0
