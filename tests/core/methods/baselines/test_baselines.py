"""One check for each baseline that shares nothing with its code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.methods.baselines.boundary_shrink import nearest_wrong
from core.methods.baselines.random_label import wrong_labels
from core.methods.baselines.salun import salient_masks
from core.methods.baselines.scrub import epoch_and_kind
from core.runs.run import Run
from tests import toys
from tests.core.methods.baselines.linear import Linear
from tests.core.methods.baselines.plays import SGD, images, played


# by hand: one step of plain gradient descent on the head, whose gradient NumPy can give
def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def rows_of(name, model, split, which, **settings):
    """The rows of D that the method's first batch of ``which`` holds."""
    unlearner = toys.quick(name, **settings)
    state = unlearner.start(model, split, seed=0)
    return state.rows(which)[1]


def head_gradient(model, x, target, temperature=1.0):
    """dL/dW (K, d) of the head for the mean cross-entropy to probabilities ``target`` (B, K), softened."""
    with torch.no_grad():
        e = model.extract(x).double().numpy()
        z = model(x).double().numpy()
    return ((softmax(z / temperature) - target) / temperature).T @ e / len(e)


def one_hot(y, classes=4):
    return np.eye(classes)[np.asarray(y)]


def moved(run, model):
    """Return the change of the head's weights in the first step."""
    run.advance()
    return (run.result.head.weight - model.head.weight).detach().double().numpy()


def one_step(name, model, split, **settings):
    return moved(Run(toys.quick(name, lr=0.1, **SGD, **settings), model, split), model)


def test_finetune_descends_on_what_remains(toy_split, toy_model):
    x, y = images(toy_split, rows_of("finetune", toy_model, toy_split, "remain"))
    expected = -0.1 * head_gradient(toy_model, x, one_hot(y))
    np.testing.assert_allclose(one_step("finetune", toy_model, toy_split), expected, atol=1e-7)


def test_neggrad_ascends_on_what_is_forgotten(toy_split, toy_model):
    x, y = images(toy_split, rows_of("neggrad", toy_model, toy_split, "forget"))
    expected = +0.1 * head_gradient(toy_model, x, one_hot(y))
    np.testing.assert_allclose(one_step("neggrad", toy_model, toy_split), expected, atol=1e-7)


def test_neggrad_plus_weighs_the_two(toy_split, toy_model):
    (x_r, y_r), (x_f, y_f) = (
        images(toy_split, rows_of("neggrad+", toy_model, toy_split, w)) for w in ("remain", "forget")
    )
    both = 0.7 * head_gradient(toy_model, x_r, one_hot(y_r)) - 0.3 * head_gradient(
        toy_model, x_f, one_hot(y_f)
    )
    np.testing.assert_allclose(one_step("neggrad+", toy_model, toy_split, alpha=0.7), -0.1 * both, atol=1e-7)


def test_neggrad_plus_without_its_ascent_is_fine_tuning(toy_split, toy_model):
    a = played("neggrad+", toy_model, toy_split, alpha=1.0, lr=1e-2, **SGD)
    b = played("finetune", toy_model, toy_split, lr=1e-2, **SGD)
    for p, q in zip(a.result.parameters(), b.result.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-6)


def test_neggrad_raises_the_loss_of_what_is_forgotten(toy_split, toy_model):
    x, y = images(toy_split, toy_split.forget_rows)
    result = played("neggrad", toy_model, toy_split, lr=0.01, steps=6).result
    with torch.no_grad():
        assert float(functional.cross_entropy(result(x), y)) > float(
            functional.cross_entropy(toy_model(x), y)
        )


def test_wrong_labels_are_never_right_and_all_others_as_likely(toy_split):
    drawn = torch.cat([wrong_labels(toy_split, torch.Generator().manual_seed(seed)) for seed in range(100)])
    counts = torch.bincount(drawn, minlength=4).tolist()
    assert counts[1] == 0, "the forgotten class"
    n = len(drawn) / 3
    assert all(abs(counts[c] - n) < 4 * (n * 2 / 3) ** 0.5 for c in (0, 2, 3))


def test_random_label_learns_its_wrong_labels_beside_what_remains(toy_split, toy_model):
    unlearner = toys.quick("random-label")
    state = unlearner.start(toy_model, toy_split, seed=0)
    wrong = state.fixed["wrong"]
    at, rows = state.rows("forget")
    x_r, y_r = images(toy_split, rows_of("random-label", toy_model, toy_split, "remain"))
    x_f = toy_split.train.floats(rows)
    both = head_gradient(toy_model, x_f, one_hot(wrong[at])) + head_gradient(toy_model, x_r, one_hot(y_r))
    np.testing.assert_allclose(one_step("random-label", toy_model, toy_split), -0.1 * both, atol=1e-7)


def test_boundary_shrink_finds_the_nearest_wrong_class_of_a_linear_model():
    g = np.random.default_rng(0)
    w, x, y = g.normal(size=(5, 12)), g.normal(size=(40, 12)), g.integers(0, 5, 40)
    gradient = (softmax(x @ w.T) - one_hot(y, 5)) @ w  # of the loss in x
    logits = (x + 0.3 * np.sign(gradient)) @ w.T
    logits[np.arange(40), y] = -np.inf
    x_t = torch.as_tensor(x, dtype=torch.float32).reshape(40, 1, 3, 4)
    found = nearest_wrong(Linear(w), x_t, torch.as_tensor(y), 0.3)
    assert found.tolist() == logits.argmax(1).tolist()
    plain = (x @ w.T).copy()
    plain[np.arange(40), y] = -np.inf
    assert found.tolist() != plain.argmax(1).tolist(), "the perturbation decided nothing"


def test_boundary_shrink_moves_the_forgotten_to_those_classes(toy_split, toy_model):
    x, y = images(toy_split, toy_split.forget_rows)
    wanted = nearest_wrong(toy_model, x, y, 0.1)
    result = played("boundary-shrink", toy_model, toy_split, epochs=30, lr=1e-2).result
    assert (result(x).argmax(1) == wanted).float().mean() > 0.9
    assert not (wanted == y).any()


def test_bad_teacher_learns_from_the_original_and_from_a_net_that_knows_nothing(toy_split, toy_model):
    unlearner = toys.quick("bad-teacher", temperature=2.0)
    state = unlearner.start(toy_model, toy_split.unlabelled(), seed=0)
    incompetent = state.fixed["incompetent"]
    x = toy_split.train.floats(state.rows("forget")[1])
    taught = softmax(incompetent(x).detach().double().numpy() / 2)
    # on D_r student and teacher still agree, so all of the first step's gradient comes from D_f
    expected = -0.1 * 4 * head_gradient(toy_model, x, taught, temperature=2.0)
    run = Run(toys.quick("bad-teacher", lr=0.1, temperature=2.0, **SGD), toy_model, toy_split)
    np.testing.assert_allclose(moved(run, toy_model), expected, atol=1e-6)
    said = softmax(toy_model(x).detach().double().numpy() / 2)
    kl = 4 * (taught * (np.log(taught) - np.log(said))).sum(1).mean()
    assert run.steps[0].losses == pytest.approx({"remain": 0.0, "forget": kl}, abs=1e-5)


def test_the_incompetent_teacher_knows_nothing_and_is_the_same_each_time(toy_split, toy_model):
    first, second = (
        toys.quick("bad-teacher").start(toy_model, toy_split.unlabelled(), seed=0).fixed["incompetent"]
        for _ in "ab"
    )
    assert toys.same(first.state_dict(), second.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), toy_model.parameters(), strict=True))
    x, y = images(toy_split, slice(None))
    assert (first(x).argmax(1) == y).float().mean() < 0.6
    assert first(x).softmax(1).max() < 0.6


def test_scrub_takes_its_turns_as_told(toy_split, toy_model):
    run = played("scrub", toy_model, toy_split, epochs=3, msteps=2, forget_batch_size=20, batch_size=60)
    order = ["f" if "forget_kl" in s.losses else "r" for s in run.steps]
    assert "".join(order) == "ffrr" * 2 + "rr"
    assert [s.epoch for s in run.steps] == [1] * 4 + [2] * 4 + [3] * 2
    assert [epoch_and_kind(i, 2, 2, 2)[1] for i in range(10)] == [c == "f" for c in order]


def test_scrubs_steps_have_the_gradients_of_their_formulas(toy_split, toy_model):
    """The student has left its teacher (NumPy holds both), then one step of each kind."""
    unlearner = toys.quick("scrub", lr=0.1, alpha=0.5, gamma=0.8, temperature=4.0, **SGD)
    config = unlearner.config
    n_f = -(-len(toy_split.forget_rows) // config.forget_batch_size)
    for which, before in (("forget", 0), ("remain", n_f)):
        state, twin = (unlearner.start(toy_model, toy_split, seed=0) for _ in "ab")
        with torch.no_grad():
            for p in state.model.parameters():
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
        state.number = before
        x, y = images(toy_split, twin.rows(which)[1])
        student, weight = state.model, state.model.head.weight.detach().clone()
        kl = 16 * head_gradient(student, x, softmax(toy_model(x).detach().double().numpy() / 4), 4.0)
        ce = head_gradient(student, x, one_hot(y))
        expected = -0.1 * (-kl if which == "forget" else 0.5 * kl + 0.8 * ce)
        unlearner.step(state, config)
        np.testing.assert_allclose((student.head.weight - weight).detach(), expected, atol=2e-6)


def test_saliency_is_the_gradient_of_the_forgotten_images_loss(toy_split, toy_model):
    unlearner = toys.quick("salun", share=0.3, batch_size=7)
    state = unlearner.start(toy_model, toy_split, seed=0)
    while unlearner.prepare(state, unlearner.config) is not None:
        pass
    twin = toys.model(toy_split).eval()
    x, y = images(toy_split, toy_split.forget_rows)
    gradients = torch.autograd.grad(functional.cross_entropy(twin(x), y), list(twin.parameters()))
    size = torch.cat([g.abs().flatten() for g in gradients])
    chosen = torch.cat([m.flatten() for m in state.extra["masks"]])
    assert chosen.sum() == pytest.approx(0.3 * len(size), rel=1e-3)
    least, most = size[chosen].min(), size[~chosen].max()
    assert least >= most * (1 - 1e-4)


def test_ties_and_shares_of_the_mask():
    gradients = [torch.tensor([[3.0, -2.0], [0.5, 0.0]]), torch.tensor([-4.0])]
    assert [m.tolist() for m in salient_masks(gradients, 0.4)] == [[[True, False], [False, False]], [True]]
    assert all(m.all() for m in salient_masks(gradients, 1.0))
    assert sum(int(m.sum()) for m in salient_masks(gradients, 1e-9)) == 1


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_salun_moves_salient_weights_only(toy_split, toy_model, decay):
    run = played("salun", toy_model, toy_split, share=0.2, lr=1e-2, weight_decay=decay)
    masks, changed = run.stepper.state.extra["masks"], 0
    for p, p0, mask in zip(run.result.parameters(), toy_model.parameters(), masks, strict=True):
        assert torch.equal(p[~mask], p0[~mask])
        changed += int((p[mask] != p0[mask]).sum())
    assert changed > 0.5 * sum(int(m.sum()) for m in masks)


def test_salun_of_all_weights_is_random_label(toy_split, toy_model):
    a = played("salun", toy_model, toy_split, share=1.0, lr=1e-2, **SGD)
    b = played("random-label", toy_model, toy_split, lr=1e-2, **SGD)
    assert toys.same(a.result.state_dict(), b.result.state_dict())


def test_nothing_does_nothing(toy_split, toy_model):
    run = played("nothing", toy_model, toy_split)
    assert toys.same(run.result.state_dict(), toy_model.state_dict())
    assert len(run.steps) == 1
