"""SSD and LFSSD: importances from hand-written gradients, and the papers' rule in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.methods.baselines.training_free.dampening import dampening_factors
from tests import toys
from tests.core.methods.baselines.plays import played


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def head_outputs(model, split, rows):
    x = split.train.floats(rows)
    with torch.no_grad():
        return model.extract(x).double().numpy(), model(x).double().numpy()


def gradient_of_bias(name, z, y):
    """The gradient of the batch's quantity in the head's bias, by hand."""
    if name == "ssd":  # of the mean cross-entropy
        return (softmax(z) - np.eye(z.shape[1])[y]).mean(0)
    return 2 * z.mean(0)  # of the mean squared length of the logits


def prepared(name, split, model, **settings):
    unlearner = toys.quick(name, **settings)
    unlearner.configure(model, split)
    visible = split if unlearner.needs_labels else split.unlabelled()
    state = unlearner.start(model, visible, seed=0)
    while unlearner.prepare(state, unlearner.config) is not None:
        pass
    return unlearner, state


@pytest.mark.parametrize("name", ["ssd", "lfssd"])
def test_importance_and_dampening_follow_the_formula_by_hand(name, toy_split, toy_model):
    """NumPy computes the head's bias gradient of each batch, the two importances and the new bias."""
    unlearner, state = prepared(name, toy_split, toy_model, batch_size=16, alpha=1.2)
    sizes = {}
    for part, rows in state.fixed["rows"].items():
        gradients = []
        for at in range(0, len(rows), 16):
            batch = rows[at : at + 16]
            _, z = head_outputs(toy_model, toy_split, batch)
            gradients.append(gradient_of_bias(name, z, toy_split.train.y[batch].numpy()))
        powers = np.square(gradients) if name == "ssd" else np.abs(gradients)
        sizes[part] = powers.mean(0)
    bias = toy_model.head.bias.detach().double().numpy()
    factors = np.where(sizes["forget"] > 1.2 * sizes["all"], np.minimum(sizes["all"] / sizes["forget"], 1), 1)
    assert (factors < 1).any(), "the example dampens nothing"
    for _ in range(unlearner.steps(toy_split, unlearner.config)):
        unlearner.step(state, unlearner.config)
    np.testing.assert_allclose(state.model.head.bias.detach().numpy(), factors * bias, rtol=1e-4)


@pytest.mark.parametrize("name", ["ssd", "lfssd"])
def test_a_threshold_that_no_weight_reaches_changes_nothing(name, toy_split, toy_model):
    result = played(name, toy_model, toy_split, alpha=1e6).result
    assert toys.same(result.state_dict(), toy_model.state_dict())


@pytest.mark.parametrize("name", ["ssd", "lfssd"])
def test_it_forgets_the_class_before_the_others(name, toy_split, toy_model):
    """The papers' claim: accuracy on D_f falls farther than on D_r. The toy net is so small that D_r suffers too."""
    result = played(name, toy_model, toy_split, alpha=2.0 if name == "ssd" else 1.5).result
    right = result(toy_split.train.floats(slice(None))).argmax(1) == toy_split.train.y
    kept, forgotten = (
        float(right[rows].float().mean()) for rows in (toy_split.remain_rows, toy_split.forget_rows)
    )
    assert forgotten < 0.05 < 0.3 < kept


def test_random_passes_cover_every_image_once(toy_split, toy_model):
    _, state = prepared("lfssd", toy_split, toy_model)
    assert sorted(state.fixed["rows"]["all"].tolist()) == list(range(len(toy_split.train)))
    assert sorted(state.fixed["rows"]["forget"].tolist()) == toy_split.forget_rows.tolist()


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=20),
    st.floats(0.1, 50),
    st.floats(0, 10),
)
def test_factors_are_those_of_the_papers_rule(pairs, alpha, lam):
    everything, forget = (torch.tensor(v, dtype=torch.float64) for v in zip(*pairs, strict=True))
    found = dampening_factors(everything, forget, alpha=alpha, lam=lam).tolist()
    for (i_d, i_f), factor in zip(pairs, found, strict=True):
        expected = min(lam * i_d / i_f, 1.0) if i_f > alpha * i_d and i_f > 1e-30 else None
        if expected is not None:
            assert factor == pytest.approx(expected)
        elif i_f <= alpha * i_d:
            assert factor == 1
        assert 0 <= factor <= 1
