"""DELETE with the original's own answer: one step by hand."""

from __future__ import annotations

import numpy as np
import torch

from core.methods.baselines.label_free.delete import without_own_answer
from core.runs.run import Run
from tests import toys
from tests.core.methods.baselines.plays import SGD, played


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def masked(z):
    z = z.copy()
    z[np.arange(len(z)), z.argmax(1)] = -np.inf
    return softmax(z)


def test_the_first_step_descends_on_the_masked_answers(toy_split, toy_model):
    twin = toys.quick("delete").start(toy_model, toy_split.unlabelled(), seed=0)
    x = twin.images("forget")
    with torch.no_grad():
        e, z = toy_model.extract(x).double().numpy(), toy_model(x).double().numpy()
    expected = -0.1 * (softmax(z) - masked(z)).T @ e / len(x)
    run = Run(toys.quick("delete", lr=0.1, **SGD), toy_model, toy_split)
    run.advance()
    moved = (run.result.head.weight - toy_model.head.weight).detach()
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_the_struck_answer_has_no_probability_and_the_others_keep_their_ratios():
    z = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.5, 2.0]])
    found = without_own_answer(z)
    assert found[0, 0] == 0 == found[1, 2]
    torch.testing.assert_close(found.sum(1), torch.ones(2))
    torch.testing.assert_close(found[0, 1] / found[0, 2], torch.tensor(1.0).exp())


def test_d_f_ends_with_the_originals_second_answers(toy_split, toy_model):
    """The paper's aim: after striking the label, the model answers as its original would without it."""
    result = played("delete", toy_model, toy_split, epochs=40, lr=0.05).result
    x = toy_split.train.floats(toy_split.forget_rows)
    second = toy_model(x).topk(2, dim=1).indices[:, 1]
    assert (result(x).argmax(1) == second).float().mean() > 0.9
