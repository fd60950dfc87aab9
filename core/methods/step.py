"""The stages of a method, and the frozen record of each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SLICE_S = 0.05  # seconds of preparation between two Progress reports


@dataclass(frozen=True)
class Stage:
    """One stage of a method. A method takes its steps in its last stage."""

    key: str
    title: str
    total: int  # minibatches, or steps


@dataclass(frozen=True)
class Step:
    """The record of one step: a (L_UE, L_RA) pair for LAF, one batch for supervised methods."""

    number: int  # from 1
    total: int
    epoch: int  # from 1
    stage: str
    # batch sums; for LAF "ue", "ue_remain", "ue_forget", "ra", "ra_align", "ra_repel"
    losses: Mapping[str, float]
    grad_norms: Mapping[str, float]  # Euclidean, over the extractor; for LAF "ue", "ra"
    grad_cosine: float | None = None  # between the two gradients that were applied, in [-1, 1]
    # in the batch: "remain" and "forget"; the last batch of an epoch may be smaller
    images: Mapping[str, int] = field(default_factory=dict)
    # Euclidean distance that the optimiser of each loss moved the parameters; for LAF "ue", "ra", or "joint"
    moves: Mapping[str, float] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the Step whose ``as_dict`` is ``values``."""
        return cls(**values)
