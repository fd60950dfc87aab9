"""Shuffled minibatches of row numbers, as explicit state that can be saved and continued to the bit."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from core.runtime import seeding


class Batches:
    """Minibatches of the rows 0 … n-1, shuffled by a local generator in each epoch.

    The last batch may be smaller.
    """

    def __init__(self, n: int, batch_size: int, seed: int, name: str) -> None:
        self.n = n
        self.batch_size = batch_size
        self._generator = seeding.generator(seed, name)
        self._order = torch.empty(0, dtype=torch.int64)
        self._next = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(self.n / self.batch_size)

    def restart(self) -> None:
        """Begin a new epoch."""
        self._order = torch.randperm(self.n, generator=self._generator)
        self._next = 0

    def draw(self) -> Tensor:
        """Return the next rows, (B,) int64. A new epoch begins after the last batch."""
        if self._next >= len(self._order):
            self.restart()
        rows = self._order[self._next : self._next + self.batch_size]
        self._next += self.batch_size
        return rows

    def state_dict(self) -> dict[str, Any]:
        """Return the order and the place in it, for ``load_state_dict``."""
        return {"generator": self._generator.get_state(), "order": self._order, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self._generator.set_state(state["generator"])
        self._order = state["order"]
        self._next = state["next"]
