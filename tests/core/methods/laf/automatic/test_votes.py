"""Votes of similar images, beside regressions made anew."""

from __future__ import annotations

import pytest
import torch

from core.methods.laf.automatic.votes import RIDGE, cohens_kappa, nearest, vote


def test_nearest_finds_an_image_among_others(toy_split):
    images = toy_split.remain.unlabelled()
    assert nearest(images.take(torch.arange(5)), images)[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_images_vote_as_kernel_regression_on_the_others_does(toy_split):
    """Each left-out vote is the regression made anew without that image."""
    images, classes = (
        toy_split.remain.unlabelled().take(torch.arange(0, len(toy_split.remain), 3)),
        len(toy_split.dataset.classes),
    )
    own = toy_split.remain.y[::3]
    votes = vote(images, images, own, classes)
    x = images.x.flatten(1).double() / images.white
    square = torch.cdist(x, x).square()
    k = torch.exp(-square / square[square > 0].median())
    target = torch.nn.functional.one_hot(own, classes).double()
    target -= target.mean(0)
    left_out = []
    for i in range(len(x)):
        rest = torch.arange(len(x)) != i
        ridge = k[rest][:, rest] + RIDGE * torch.eye(len(x) - 1, dtype=torch.float64)
        left_out.append((k[i, rest] @ torch.linalg.solve(ridge, target[rest])).argmax())
    assert votes.kappa == pytest.approx(cohens_kappa(torch.stack(left_out), own, classes))
    assert float((votes.answers == own).double().mean()) > 0.9
    assert 0 < votes.expected <= 1


def test_kappa_is_one_for_equal_answers_and_nought_for_a_constant():
    a = torch.tensor([0, 0, 1, 1])
    assert cohens_kappa(a, a, 2) == 1
    assert cohens_kappa(torch.zeros(4, dtype=torch.int64), a, 2) == 0
    assert cohens_kappa(torch.tensor([0, 1, 1, 1]), a, 2) == pytest.approx(0.5)
