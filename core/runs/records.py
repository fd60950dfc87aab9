"""Frozen records of a run: Frame, Mark and Change; and Phase."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.methods.step import Step

if TYPE_CHECKING:
    from core.evaluation.metrics import Reading


@dataclass(frozen=True, eq=False)
class Frame:
    """The model at one step of a run as the page shows it; it never changes."""

    number: int  # from 0, the original model
    step: int  # steps taken before it
    record: Step | None  # the last of them; None for frame 0
    reading: Reading
    positions: np.ndarray | None  # (N, 2) on the fixed map; None without a map
    off_map: np.ndarray | None  # (N,) distance to anything on the map, in neighbour distances
    predictions: np.ndarray  # (N,) uint8
    confidences: np.ndarray  # (N,) float32 in [0, 1]
    angles: np.ndarray  # (N,) degrees between the representation now and the original's
    # (N, width) float16, for the follow map; rounded by core.runtime.packing.rounded_rows
    representations: np.ndarray
    seconds: Mapping[str, float]  # by stage, when it was made

    def turned(self, is_forget: np.ndarray) -> float:
        """Return the median angle in degrees of the images that ``is_forget`` (N,) marks.

        It is found once and kept: a run has one D_f, and a stored frame would be read from disk each time.
        """
        if "_turned" not in vars(self):
            object.__setattr__(self, "_turned", float(np.median(self.angles[is_forget])))
        found: float = vars(self)["_turned"]
        return found


class Phase(enum.StrEnum):
    """The phase of a Run."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """True if no step can follow."""
        return self in (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


@dataclass(frozen=True)
class Mark:
    """A remark on a step, kept and exported with the run."""

    step: int
    text: str


@dataclass(frozen=True)
class Change:
    """A change of settings in the middle of a run."""

    after: int  # the last step with ``before``
    before: Any  # config
    now: Any


def describe_run(run: Any) -> str:
    """Return one line for a Run, such as "Run: LAF on Digits, class 0, seed 0: paused, 12 of 55 steps"."""
    split = run.stepper.split
    what = f"{split.dataset.title}, {split.request.describe(split.dataset.classes)}"
    return (
        f"Run: {run.unlearner.title} on {what}, seed {run.seed}: {run.phase}, "
        f"{len(run.steps):,} of {run.total_steps:,} steps"
    )
