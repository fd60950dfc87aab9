"""The few-shot probe and relearning."""

from __future__ import annotations

import pytest
import torch

from core.evaluation.representations.probes import STEPS, few_shot, relearn
from tests import toys


def test_the_probe_reads_classes_that_lie_apart_and_guesses_at_noise():
    g = torch.Generator().manual_seed(0)
    y = torch.arange(4).repeat(20)
    apart = torch.nn.functional.one_hot(y, 4) * 5.0 + torch.randn(80, 4, generator=g)
    assert few_shot(apart[:40], y[:40], apart[40:], y[40:]) > 0.95
    noise = torch.randn(80, 4, generator=g)
    assert few_shot(noise[:40], y[:40], noise[40:], y[40:]) < 0.6


def test_only_the_first_shots_of_a_class_are_learned_from():
    g = torch.Generator().manual_seed(0)
    e, y = torch.randn(60, 3, generator=g), torch.arange(3).repeat(20)
    changed = e.clone()
    changed[15:] += 100  # five of each class come before
    assert few_shot(e, y, e, y, shots=5) == few_shot(changed, y, e, y, shots=5)


def test_there_is_no_probe_of_one_class_or_of_nothing():
    e, y = torch.randn(9, 3), torch.zeros(9, dtype=torch.int64)
    assert few_shot(e, y, e, y) is None
    assert few_shot(e, torch.arange(9), e[:0], y[:0]) is None


def test_relearning_starts_where_the_model_stands_and_leaves_it_alone(toy_model, toy_split):
    before = toys.weights(toy_model)
    forget = toy_split.forget
    shown, rest = forget.take(torch.arange(10)), forget.take(torch.arange(10, len(forget)))
    curve = relearn(toy_model, shown, rest)
    with torch.no_grad():
        said = toy_model(rest.floats(slice(None))).argmax(1)
    assert curve.steps == STEPS
    assert curve.accuracy[0] == pytest.approx(float((said == rest.y).double().mean()))
    assert toys.same(before, toys.weights(toy_model))
    assert relearn(toy_model, shown, rest).accuracy == curve.accuracy


def test_one_step_of_relearning_is_one_of_adam(toy_model, toy_split):
    """Against torch's own Adam, on a class that the model does not know."""
    import copy

    from core.evaluation.representations.probes import LR

    other = toys.model(toys.split())
    with torch.no_grad():
        other.head.weight[1] = 0
        other.head.bias[1] = -20
    shown, rest = toy_split.forget.take(torch.arange(10)), toy_split.forget.take(torch.arange(10, 40))
    curve = relearn(other, shown, rest)
    twin = copy.deepcopy(other).eval()
    optimiser = torch.optim.Adam(twin.parameters(), lr=LR)
    expected = []
    for _ in range(STEPS[-1]):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(twin(shown.floats(slice(None))), shown.y).backward()
        optimiser.step()
        with torch.no_grad():
            expected.append(float((twin(rest.floats(slice(None))).argmax(1) == rest.y).double().mean()))
    assert curve.accuracy[1:] == pytest.approx([expected[s - 1] for s in STEPS[1:]], abs=0.07)
