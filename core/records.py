"""The frozen records that a run leaves: Stage, Progress, Step, Change, Mark and Frame, and the Phase it is in. Timing fields do not count in equality."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from core.metrics import Reading


@dataclass(frozen=True)
class Progress:
    """How far one stage of work is."""

    stage: str  # a key: "train", "vae", "vae_f", "unlearn", "retrain", "map"
    done: int
    total: int
    seconds: float = field(default=0.0, compare=False)  # spent in this stage so far
    curve: tuple[float, ...] = ()  # mean loss of each epoch that is over, where the stage has one

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate measured so far; None before there is one."""
        return self.seconds / self.done * (self.total - self.done) if self.done and self.seconds else None


@dataclass(frozen=True)
class Stage:
    """One stage of a method, in the order they come; the last is the one that is stepped through."""

    key: str
    title: str
    total: int  # minibatches, or steps


@dataclass(frozen=True)
class Step:
    """One step of a method: for LAF one (L_UE, L_RA) pair, for supervised methods one batch."""

    number: int  # from 1
    total: int
    epoch: int  # from 1
    stage: str
    losses: Mapping[
        str, float
    ]  # batch sums; for LAF "ue", "ue_remain", "ue_forget", "ra", "ra_align", "ra_repel"
    grad_norms: Mapping[str, float]  # Euclidean, over the extractor; for LAF "ue", "ra"
    grad_cosine: float | None = None  # between the two gradients that were applied, in [-1, 1]
    images: Mapping[str, int] = field(
        default_factory=dict
    )  # in the batch: "remain" and "forget"; the last may be smaller
    moves: Mapping[str, float] = field(
        default_factory=dict
    )  # Euclidean length of what each loss's optimiser moved the parameters by; for LAF "ue", "ra", or "joint"
    seconds: float = field(default=0.0, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The Step that ``as_dict`` made ``values`` of."""
        return cls(**values)


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
    )  # (N, width) float16, for the follow map; rounded as core.packing.rounded_rows
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
