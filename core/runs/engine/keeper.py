"""Keeper: what a run tells to be kept on disk."""

from __future__ import annotations

from typing import Protocol, TypeVar

from core.errors import LabError
from core.methods.step import Step
from core.runs.records import Frame

RunT = TypeVar("RunT", contravariant=True)


class Keeper(Protocol[RunT]):
    """Keeps a run on disk, as ``core.runs.storage.Recorder``. It raises nothing: a full disk must not end a run."""

    def begin(self, run: RunT) -> None:
        """Write all that ``run`` has before its first step."""
        ...

    def step(self, step: Step) -> None:
        """Write a step."""
        ...

    def frame(self, frame: Frame) -> Frame:
        """Write a frame; return the one to show, which may read its arrays from disk."""
        ...

    def note(self, run: RunT) -> None:
        """Write phase and settings, which have changed."""
        ...

    def lose(self, error: LabError) -> None:
        """Stop keeping the run, a state of which cannot be written."""
        ...

    def cut(self, run: RunT) -> None:
        """Drop what is no longer in the history of ``run``."""
        ...
