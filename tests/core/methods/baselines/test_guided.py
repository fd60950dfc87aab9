"""Guided unlearning: its three phases, each step against a hand-written gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.methods.baselines.guided import best_wrong, phase_of
from tests import toys
from tests.core.methods.baselines.plays import SGD, played

PHASES = {"warm_up_forget": "w", "forget": "f", "remain": "r"}


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_phases_follow_one_another(toy_split, toy_model):
    run = played(
        "guided", toy_model, toy_split, warm_up=2, forget_epochs=2, epochs=1, batch_size=20
    )  # 40 of D_f, 120 of D_r
    names = "".join(PHASES[next(iter(s.losses))] for s in run.steps)
    assert names == "wwffffrrrrrr"
    assert [s.epoch for s in run.steps] == [1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1]
    assert [phase_of(k, (2, 4, 6)) for k in (0, 1, 2, 5, 6, 11)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 3),
        (2, 0),
        (2, 5),
    ]


@pytest.mark.parametrize(
    ("number", "which", "sign"), [(0, "forget", 1), (1, "forget", -1), (4, "remain", -1)]
)
def test_a_step_of_each_phase_by_hand(number, which, sign, toy_split, toy_model):
    unlearner = toys.quick("guided", lr=0.1, warm_up=1, forget_epochs=1, **SGD)  # 3 batches of D_f
    state, twin = (unlearner.start(toy_model, toy_split, seed=0) for _ in "ab")
    state.number = number
    x, y = twin.batch(which)
    with torch.no_grad():
        e, z = toy_model.extract(x).double().numpy(), toy_model(x).double().numpy()
    answer = y.numpy()
    if number == 1:
        wrong = z.copy()
        wrong[np.arange(len(z)), answer] = -np.inf
        answer = wrong.argmax(1)
    expected = sign * 0.1 * (softmax(z) - np.eye(4)[answer]).T @ e / len(x)
    unlearner.step(state, unlearner.config)
    moved = (state.model.head.weight - toy_model.head.weight).detach()
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_d_f_is_led_to_the_originals_best_wrong_answers(toy_split, toy_model):
    """Forgetting leads D_f away and recovery keeps D_r, as the three phases promise."""
    result = played("guided", toy_model, toy_split, forget_epochs=8, epochs=1, lr=0.01).result
    x, y = toy_split.train.floats(slice(None)), toy_split.train.y
    right = result(x).argmax(1) == y
    assert right[toy_split.forget_rows].float().mean() < 0.1
    assert right[toy_split.remain_rows].float().mean() > 0.9


def test_the_best_wrong_answer_is_never_the_label():
    z = torch.tensor([[3.0, 1.0, 0.0], [3.0, 1.0, 2.0]])
    assert best_wrong(z, torch.tensor([0, 1])).tolist() == [1, 0]
