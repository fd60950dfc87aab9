"""The frozen records that a run leaves: Stage, Progress, Step, Change, Mark and Frame, and the Phase it is in. Timing fields do not count in equality."""

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
    """One moment of a run as the page shows it; never changed once made."""

    number: int  # from 0, the original model
    step: int  # steps taken when it was made
    record: Step | None  # the last of them
    reading: Reading
    positions: np.ndarray | None  # (N, 2) on the fixed map; None without a map
    off_map: np.ndarray | None  # (N,) distance to anything on the map, in neighbour distances
    predictions: np.ndarray  # (N,) uint8
    confidences: np.ndarray  # (N,) float32 in [0, 1]
    angles: np.ndarray  # (N,) degrees between the representation now and the original's
    representations: (
        np.ndarray
    )  # (N, width) float16, for the follow map; rounded as core.runtime.packing.rounded_rows
    seconds: Mapping[str, float]  # by stage, when it was made


class Phase(enum.StrEnum):
    """Where a Run stands."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing can follow."""
        return self in (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


@dataclass(frozen=True)
class Mark:
    """A remark on a step that goes wherever the run goes."""

    step: int
    text: str


@dataclass(frozen=True)
class Change:
    """Other settings in the middle of a run."""

    after: int  # the step it was made after
    before: Any  # config
    now: Any
