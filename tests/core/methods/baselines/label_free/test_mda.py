"""MDA: its loss and its first steps by hand, its targets, and where D_f's answers end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data import forget_noisy
from core.methods.baselines.label_free import mda
from core.methods.baselines.label_free.mda import sharpened, similar
from core.methods.laf.automatic.votes import nearest
from core.runs.run import Run, finish
from core.training.supervised import train
from tests import toys
from tests.core.methods.baselines.plays import SGD, played


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def kl(p, q):
    return np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(q)), 0).sum()


def prepared(split, model, **settings):
    unlearner = toys.quick("mda", **settings)
    state = unlearner.start(model, split.unlabelled(), seed=0)
    while unlearner.prepare(state, unlearner.config) is not None:
        pass
    return unlearner, state


def outputs(model, split, rows):
    x = split.train.floats(rows)
    with torch.no_grad():
        return model.extract(x).double().numpy(), model(x).double().numpy()


def votes_by_hand(split, model, rows):
    """Return the mean answers, without class 1, of the 20 images of D_r nearest in pixels to each of ``rows``."""
    among = split.remain_rows
    x, there = (split.train.floats(r).flatten(1).double().numpy() for r in (rows, among))
    near = np.argsort(((x[:, None] - there[None]) ** 2).sum(2), axis=1, kind="stable")[:, :20]
    _, z = outputs(model, split, among)
    z[:, 1] = -np.inf
    return softmax(z)[near].mean(1)


def test_both_terms_are_those_of_the_formula_by_hand(toy_split, toy_model):
    """A student that has left its teacher, so that no term is 0. NumPy computes both from the same batches."""
    unlearner, state = prepared(toy_split, toy_model, weight_align=0.5, votes=0.4, newcomer=0.0)
    _, twin = prepared(toy_split, toy_model, newcomer=0.0)
    with torch.no_grad():
        for p in state.model.extractor.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
    remain, forget = twin.rows("remain")[1], twin.rows("forget")[1]
    e, _ = outputs(state.model, toy_split, remain)
    e0, _ = outputs(toy_model, toy_split, remain)
    cosines = (e * e0).sum(1) / np.linalg.norm(e, axis=1) / np.linalg.norm(e0, axis=1)
    _, z = outputs(state.model, toy_split, forget)
    _, z0 = outputs(toy_model, toy_split, forget)
    z0[:, 1] = -np.inf  # the class that is forgotten is the answer that D_f gets more often than D_r
    target = 0.6 * softmax(z0) + 0.4 * votes_by_hand(toy_split, toy_model, forget)
    step = unlearner.step(state, unlearner.config)
    assert step.losses["align"] == pytest.approx((1 - cosines).sum(), rel=1e-4)
    assert step.losses["forget_kl"] == pytest.approx(kl(target, softmax(z)), rel=1e-3)
    assert step.images == {"remain": len(remain), "forget": len(forget)}


def test_the_first_step_moves_the_extractor_along_the_kl_only(toy_split, toy_model):
    """Student and teacher agree, so align has no slope yet; torch's own loss gives the gradient."""
    unlearner, state = prepared(toy_split, toy_model, lr=0.01, newcomer=0.0, **SGD)
    _, twin = prepared(toy_split, toy_model, newcomer=0.0)
    x = toy_split.train.floats(twin.rows("forget")[1])
    with torch.no_grad():
        target = toy_model(x)
        target[:, 1] = -torch.inf
    model = toys.model(toy_split).eval()
    model.zero_grad()  # its training left gradients
    loss = -(target.softmax(1) * model(x).log_softmax(1)).sum()  # KL but for a constant
    loss.backward()
    step = unlearner.step(state, unlearner.config)
    pairs = zip(state.model.extractor.parameters(), model.extractor.parameters(), strict=True)
    for mine, other in pairs:
        torch.testing.assert_close(mine, other.detach() - 0.01 * other.grad, rtol=0, atol=2e-6)
    assert step.grad_norms["align"] < 1e-4 * step.grad_norms["forget"]
    assert toys.same(state.model.head.state_dict(), toy_model.head.state_dict()), "the head is frozen"


def test_d_f_ends_where_the_original_sends_it_without_its_own_answer(toy_split, toy_model):
    run = played("mda", toy_model, toy_split, epochs=40, newcomer=0.0)
    _, z = outputs(toy_model, toy_split, toy_split.forget_rows)
    z[:, 1] = -np.inf
    x = toy_split.train.floats(slice(None))
    with torch.no_grad():
        answers = run.result(x).softmax(1).double().numpy()
    found = answers[toy_split.forget_rows.numpy()]
    assert np.abs(found.mean(0) - softmax(z).mean(0)).max() < 0.1
    right = answers.argmax(1) == toy_split.train.y.numpy()
    assert right[toy_split.forget_rows.numpy()].mean() < 0.05
    assert right[toy_split.remain_rows.numpy()].mean() > 0.95


def test_without_the_forget_term_nothing_moves_but_rounding(toy_split, toy_model):
    run = played("mda", toy_model, toy_split, weight_forget=0.0, lr=1e-3, **SGD)
    for a, b in zip(run.result.parameters(), toy_model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def noisy():
    split = forget_noisy(toys.dataset(), [0, 1], 0.4, seed=0)
    return split, train(split, seed=0, config=replace(toys.TRAIN, epochs=20))


def test_for_noisy_labels_the_first_target_is_the_vote_of_similar_images(noisy):
    """Before the present model has a weight: the mean answer of the five most similar images of D_r, squared."""
    split, model = noisy
    settings = {"target": "neighbours", "renew": 1.0, "sharpness": 2.0}
    unlearner, state = prepared(split, model, **settings)
    _, twin = prepared(split, model, **settings)
    twin.rows("remain")
    rows = twin.rows("forget")[1]
    plain = split.train.unlabelled()
    near = split.remain_rows[nearest(plain.take(rows), plain.take(split.remain_rows))]
    _, z = outputs(model, split, near.flatten())
    votes = softmax(z).reshape(*near.shape, -1).mean(1) ** 2
    _, own = outputs(model, split, rows)
    expected = kl(votes / votes.sum(1, keepdims=True), softmax(own))
    assert unlearner.step(state, unlearner.config).losses["forget_kl"] == pytest.approx(expected, rel=1e-3)


def test_noisy_images_get_their_true_labels_back(noisy):
    split, model = noisy
    config = replace(toys.quick("mda", target="neighbours", epochs=30, lr=3e-3).config, batch_size=32)
    result = finish(Run(toys.method("mda", config), model, split, seed=0))
    x = split.train.floats(split.forget_rows)
    true = split.true_y[split.forget_rows]
    before, after = ((m(x).argmax(1) == true).float().mean() for m in (model, result))
    assert after > 0.95 >= before


def test_large_images_are_searched_among_fewer_of_d_r(toy_split, monkeypatch):
    pixels = toy_split.train.x[0].numel()
    monkeypatch.setattr(mda, "MOST_VALUES", 30 * pixels)
    found = similar(toy_split.unlabelled(), 5)
    assert found.shape == (len(toy_split.forget_rows), 5)
    assert bool(torch.isin(found, toy_split.remain_rows).all())
    assert len(found.unique()) <= 30


def test_a_power_sharpens_votes_and_one_keeps_them():
    votes = torch.tensor([[0.6, 0.3, 0.1], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(sharpened(votes, 1.0), votes)
    torch.testing.assert_close(sharpened(votes, 2.0)[0], torch.tensor([0.36, 0.09, 0.01]) / 0.46)


def test_each_task_has_the_targets_that_suit_it():
    from core.methods import preset_for

    targets = {task: preset_for("mda", "digits", task).target for task in ("class", "noise", "data")}
    assert targets == {"class": "struck", "noise": "neighbours", "data": "neighbours"}
    assert preset_for("mda", "digits", "data").renew == 0
