"""What a method leaves of its work: its stages, and one frozen record for each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


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
