"""The matrix of answers before and now, and the images of its cells."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import confusion_matrix

from core.evaluation.answers.answer_changes import AnswerChanges


def test_the_matrix_is_scikit_learns_and_its_cells_name_each_image_once():
    g = torch.Generator().manual_seed(0)
    before, now = (torch.randint(0, 4, (60,), generator=g) for _ in range(2))
    rows = torch.randperm(500, generator=g)[:60]
    found = AnswerChanges(rows, before, now, 4)
    np.testing.assert_array_equal(found.matrix, confusion_matrix(before, now, labels=range(4)))
    cells = {(a, b): found.rows_of(a, b).tolist() for a in range(4) for b in range(4)}
    assert {k: len(v) for k, v in cells.items()} == {
        (a, b): int(found.matrix[a, b]) for a in range(4) for b in range(4)
    }
    assert sorted(row for rows_ in cells.values() for row in rows_) == sorted(rows.tolist())
    at = rows.tolist().index(cells[2, 1][0])
    assert (before[at], now[at]) == (2, 1)
