"""Saved states of one run, from which it can be taken up again at any step; bounded in number and in memory.

The rule: a state is kept every ``every`` frames. When there are more than ``most``, the distance doubles and those that lie
between go; the state before the first step and the newest one always stay. What does not fit in ``memory_mb`` lies in a file each, in
``folder``; without a folder it goes by the same rule.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import RLock
from typing import Any

from torch import Tensor

from core.store import load_state, save_state


class Checkpoints:
    """States by step. What is handed out and what is put in belongs to this object: hand in copies, do not change what comes out."""

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
        self._frames: dict[int, int] = {}  # number of the frame that was shown at a step
        self._size = 0.0
        self._lock = RLock()

    @property
    def steps(self) -> list[int]:
        """Steps after which there is a state, in rising order."""
        with self._lock:
            return sorted({*self._memory, *self._files})

    def due(self, frame: int) -> bool:
        """Whether a state belongs to frame number ``frame``."""
        return frame % self.every == 0

    def put(self, step: int, frame: int, state: dict[str, Any]) -> None:
        """Keep the state after ``step``. Raises DataError when it must go to a disk that cannot take it."""
        with self._lock:
            self._frames[step] = frame
            self._memory[step] = state
            self._size = max(self._size, size_of(state))
            while len(self.steps) > self.most:
                self._thin()
            self._spill()

    def before(self, step: int) -> tuple[int, dict[str, Any]] | None:
        """The newest state at or before ``step``, or None. Raises DataError when its file cannot be read."""
        with self._lock:
            found = [s for s in self.steps if s <= step]
            if not found:
                return None
            at = found[-1]
            return at, self._memory[at] if at in self._memory else load_state(self._files[at])

    def forget_after(self, step: int) -> None:
        """Drop the states of steps after ``step``: another future begins there."""
        with self._lock:
            for s in [s for s in self.steps if s > step]:
                self._drop(s)

    def copy_until(self, step: int) -> Checkpoints:
        """Those up to ``step`` for a fork; files are read where they are."""
        twin = Checkpoints(every=self.every, most=self.most, memory_mb=self._room / 1e6)
        with self._lock:
            twin._memory = {s: state for s, state in self._memory.items() if s <= step}
            twin._files = {s: path for s, path in self._files.items() if s <= step}
            twin._temporary = self._temporary  # so that its files outlive the parent
            twin._frames = {s: f for s, f in self._frames.items() if s <= step}
            twin._size = self._size
        return twin

    # inside

    def _thin(self) -> None:
        """Twice the distance."""
        self.every *= 2
        steps = self.steps
        for s in steps[1:-1]:
            if self._frames[s] % self.every:
                self._drop(s)

    def _drop(self, step: int) -> None:
        self._memory.pop(step, None)
        self._frames.pop(step, None)
        path = self._files.pop(step, None)
        if path is not None and self._folder is not None:
            path.unlink(missing_ok=True)

    def _spill(self) -> None:
        """Oldest first to files, until the rest fits in memory; the newest stays."""
        room = max(1, int(self._room // max(self._size, 1.0)))
        for step in sorted(self._memory)[:-1]:
            if len(self._memory) <= room:
                return
            path = self._place() / f"{step:08d}.safetensors"
            save_state(path, self._memory[step])
            self._files[step] = path
            del self._memory[step]

    def _place(self) -> Path:
        if self._folder is not None:
            return self._folder
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="laf-checkpoints-")
        return Path(self._temporary.name)


def size_of(state: Any) -> float:
    """Bytes of the tensors in nested dicts and lists."""
    if isinstance(state, Tensor):
        return float(state.numel() * state.element_size())
    if isinstance(state, dict):
        return sum(size_of(v) for v in state.values())
    if isinstance(state, (list, tuple)):
        return sum(size_of(v) for v in state)
    return 0.0
