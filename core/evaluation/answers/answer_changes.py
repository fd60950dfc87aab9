"""The answers of the original and of the evaluated model to the same images, as a matrix whose cells name their images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class AnswerChanges:
    """Answers to n training images: of the original (``before``) and of the evaluated model (``now``)."""

    rows: Tensor  # (n,) of split.train
    before: Tensor  # (n,) classes
    now: Tensor  # (n,) classes
    classes: int

    @property
    def matrix(self) -> Tensor:
        """(K, K) counts, original answer × answer now; they sum to n."""
        cells = self.before * self.classes + self.now
        return torch.bincount(cells, minlength=self.classes**2).view(self.classes, self.classes)

    def rows_of(self, before: int, now: int) -> Tensor:
        """Return the rows of split.train in one cell of the matrix, in ascending order."""
        return self.rows[(self.before == before) & (self.now == now)].sort().values
