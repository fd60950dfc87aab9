"""The common part of the methods that take no gradient step: passes over images for statistics, then edits of weights."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.data.split import Split
from core.methods.baselines.base import Baseline, BaselineState, batches
from core.methods.step import SLICE_S, Stage
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound, check
from core.runtime.progress import Progress


@dataclass(frozen=True)
class TrainingFreeConfig:
    """The settings of every method without training; a method adds its own."""

    batch_size: int = 64  # of the passes over the images
    threads: int = 1

    BOUNDS: ClassVar[dict[str, Bound]] = {"batch_size": bounds.BATCH, "threads": bounds.THREADS}

    def __post_init__(self) -> None:
        check(self)


class TrainingFree(Baseline):
    """A method that sums statistics over batches of images before step 1, and edits weights in its steps.

    ``state.extra["sums"]`` holds the sums by name of the pass; ``state.extra["read"]`` counts batches.
    """

    passes = 1.0

    def optimiser(self, student: Net, config: Any, device: torch.device) -> torch.optim.Optimizer:
        """Return an optimiser that is never used, so that all baselines have the same state."""
        return torch.optim.SGD(student.parameters(), lr=0.0)

    def rows_to_read(self, split: Split) -> Mapping[str, Tensor]:
        """Return the rows of D (n,) of each pass by name, in order."""
        return {"forget": split.forget_rows}

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """Start with empty sums, and shuffle each pass by ``seed``."""
        state = super().start(model, split, seed=seed)
        draw = torch.Generator().manual_seed(seed)
        state.fixed["rows"] = {
            name: rows[torch.randperm(len(rows), generator=draw).to(rows.device)]
            for name, rows in self.rows_to_read(state.split).items()
        }
        state.extra = {"read": 0, "seconds": 0.0, "sums": {}}
        return state

    def batches_to_read(self, split: Split, config: Any) -> int:
        """Return the number of batches of all passes."""
        return sum(batches(rows, config.batch_size) for rows in self.rows_to_read(split).values())

    def stages(self, split: Split, config: Any) -> tuple[Stage, ...]:
        """Return the stage of the statistics, then the stage of the steps."""
        return (
            Stage("statistics", "statistics of the images", self.batches_to_read(split, config)),
            *super().stages(split, config),
        )

    def prepare(self, state: BaselineState, config: Any) -> Progress | None:
        """Add the statistics of some batches; return None when every pass is complete."""
        total = self.batches_to_read(state.split, config)
        if state.extra["read"] >= total:
            return None
        start = time.perf_counter()
        while state.extra["read"] < total:
            self._read_batch(state, config)
            if time.perf_counter() - start > SLICE_S:
                break
        state.extra["seconds"] += time.perf_counter() - start
        return Progress("statistics", state.extra["read"], total, state.extra["seconds"])

    def _read_batch(self, state: BaselineState, config: Any) -> None:
        """Add the statistics of the next batch to the sums of its pass."""
        at = state.extra["read"]
        for name, rows in state.fixed["rows"].items():
            count = batches(rows, config.batch_size)
            if at < count:
                part = rows[at * config.batch_size : (at + 1) * config.batch_size]
                found = self.statistics(state, part)
                before = state.extra["sums"].get(name)
                state.extra["sums"][name] = (
                    found if before is None else [a + b for a, b in zip(before, found, strict=True)]
                )
                break
            at -= count
        state.extra["read"] += 1

    @abstractmethod
    def statistics(self, state: BaselineState, rows: Tensor) -> list[Tensor]:
        """Return the statistics of one batch, the images ``rows`` (B,) of D; they are summed over batches."""

    def mean(self, state: BaselineState, name: str, config: Any) -> list[Tensor]:
        """Return the mean over the batches of a pass."""
        count = batches(state.fixed["rows"][name], config.batch_size)
        return [total / count for total in state.extra["sums"][name]]

    def epoch(self, state: BaselineState, config: Any) -> int:
        """Return 1: each weight is edited in one pass."""
        return 1
