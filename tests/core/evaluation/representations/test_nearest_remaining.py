"""The images of D_r nearest to D_f, and test images with their classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_distances

from core.evaluation.representations.nearest_remaining import FEWEST, MOST, nearest_remaining, same_mix


@pytest.mark.parametrize(("m", "count"), [(10, 10), (99, 10), (300, 30), (7000, MOST)])
def test_they_are_those_of_scikit_learns_distances(m, count):
    g = torch.Generator().manual_seed(m)
    remain, forget = torch.randn(m, 5, generator=g), torch.randn(20, 5, generator=g)
    found = nearest_remaining(remain, forget)
    expected = np.argsort(cosine_distances(remain.double(), forget.double()).min(1), kind="stable")[:count]
    assert found.tolist() == expected.tolist()


def test_without_images_there_are_none():
    assert not len(nearest_remaining(torch.randn(FEWEST - 1, 3), torch.randn(4, 3)))
    assert not len(nearest_remaining(torch.randn(50, 3), torch.empty(0, 3)))


def test_a_mix_has_the_proportions_of_the_members():
    members, candidates = torch.tensor([0] * 10 + [2] * 20), torch.tensor([0, 1, 2] * 8)
    rows = same_mix(members, candidates)
    drawn = torch.bincount(candidates[rows], minlength=3)
    assert drawn.tolist() == [4, 0, 8]
    assert rows.tolist() == sorted(rows.tolist())
    assert not len(same_mix(torch.tensor([5]), candidates))
    assert not len(same_mix(members, torch.empty(0, dtype=torch.int64)))
