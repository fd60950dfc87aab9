"""Signals of automatic settings, each beside an independent computation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.methods.laf.signals import (
    RIDGE,
    SignalProbe,
    answers_to_forget,
    auc_error,
    cohens_kappa,
    nearest,
    struck,
    vote,
    weighted_auc,
)
from core.models.base import outputs


def test_answers_to_forget_are_those_given_more_on_forgotten_images():
    own_f, own_r = torch.tensor([1, 1, 1, 0]), torch.tensor([0, 0, 0, 1, 2])
    assert answers_to_forget(own_f, own_r, 3, (1.0, 1.0)).tolist() == [False, True, False]
    assert answers_to_forget(own_f, own_r, 3, (1.0, 4.0)).tolist() == [False, False, False]


def test_struck_probabilities_leave_the_answers_out_and_sum_to_one():
    p = torch.tensor([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    expected = torch.tensor([[0.0, 0.6, 0.4], [0.0, 0.5, 0.5]])
    assert torch.allclose(struck(p, torch.tensor([True, False, False])), expected)
    own = struck(p, torch.tensor([False, False, False]))
    assert torch.allclose(own[0], expected[0])


def test_weighted_auc_matches_a_count_over_pairs():
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 6, (n,), generator=g).float() for n in (9, 7))
    weight = torch.rand(7, generator=g).double()
    weight /= weight.sum()
    pairs = (a[:, None] > b).double() + 0.5 * (a[:, None] == b).double()
    assert weighted_auc(a, b, weight) == pytest.approx(float((pairs @ weight).mean()))
    assert auc_error(100, 100) == pytest.approx(0.0409, abs=1e-3)


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


@pytest.mark.parametrize("remembered", [0.0, 0.5])
def test_once_a_sample_is_forgotten_more_of_the_forget_set_is_read(
    toy_split, toy_model, monkeypatch, remembered
):
    monkeypatch.setattr("core.methods.laf.signals.SAMPLE", 10)
    probe = SignalProbe(toy_model, toy_split.unlabelled(), "class", seed=0)
    sample = set(probe.forget.ids.tolist())
    forgotten_class = int(toy_split.train.y[toy_split.forget_rows[0]])
    kept = {i for i in toy_split.train.ids[toy_split.forget_rows].tolist() if i not in sample}
    kept = set(sorted(kept)[: round(remembered * len(kept))])

    def answers(of, images):
        """Outputs of a model that gives the forgotten class's answer on images of ``kept`` only."""
        out = outputs(of, images)
        p = out.probabilities.clone()
        p[:, forgotten_class] = torch.tensor([float(i in kept) for i in images.ids.tolist()])
        return replace(out, probabilities=p / p.sum(1, keepdim=True).clamp_min(1e-9))

    before = probe.read(toy_model, 0).forget_agreement
    assert before == pytest.approx(
        (outputs(toy_model, probe.forget).predictions == forgotten_class).float().mean()
    )
    monkeypatch.setattr("core.methods.laf.signals.outputs", answers)
    assert probe.read(toy_model, 1).forget_agreement == pytest.approx(len(kept) / len(toy_split.forget_rows))
