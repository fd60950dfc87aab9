"""Signals of automatic settings, each beside an independent computation."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from scipy.spatial.distance import jensenshannon

from core.methods.laf.automatic.signals import (
    SignalProbe,
    answers_to_forget,
    auc_error,
    struck,
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


@pytest.mark.parametrize("remembered", [0.0, 0.5])
def test_once_a_sample_is_forgotten_more_of_the_forget_set_is_read(
    toy_split, toy_model, monkeypatch, remembered
):
    monkeypatch.setattr("core.methods.laf.automatic.signals.SAMPLE", 10)
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
    monkeypatch.setattr("core.methods.laf.automatic.signals.outputs", answers)
    assert probe.read(toy_model, 1).forget_agreement == pytest.approx(len(kept) / len(toy_split.forget_rows))


def test_unseen_images_that_keep_their_answers_are_counted_once_few_of_the_class_are_recognised(
    toy_split, toy_model
):
    """Those are counted to which the original gives no answer to forget; divergences by scipy."""
    unseen = toy_split.test.unlabelled()
    before = outputs(toy_model, unseen)
    probe = SignalProbe(toy_model, toy_split.unlabelled(), "class", unseen=unseen, few=1.0)
    assert (
        SignalProbe(toy_model, toy_split.unlabelled(), "class", unseen=unseen, few=0.5)
        .read(toy_model, 0)
        .unseen_agreement
        is None
    )
    other = copy.deepcopy(toy_model)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.2 * weight.std() * torch.randn_like(weight)) if weight.numel() > 1 else None
    now = outputs(other, unseen)
    stays = ~probe.answers[before.predictions]
    assert 0 < int(stays.sum()) < len(stays)
    found = probe.read(other, 1)
    assert found.unseen_agreement == pytest.approx(
        float((now.predictions == before.predictions)[stays].double().mean())
    )
    apart = jensenshannon(now.probabilities[stays], before.probabilities[stays], axis=1) ** 2
    assert found.unseen_distance == pytest.approx(float(apart.mean()), abs=1e-6)
    assert probe.images_read == probe.images + int(stays.sum())
