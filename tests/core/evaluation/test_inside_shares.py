"""The shares of runs inside the bands, as benchmarks.inside counts them, on readings made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.inside import inside


def reading(answers, *, train_f=0.0, test_r=0.98, commonest_share=0.5):
    p = torch.tensor(answers, dtype=torch.float32)
    return SimpleNamespace(
        forget_probabilities=p, train_f=train_f, test_r=test_r, commonest_share=commonest_share
    )


GOLD = [
    reading([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], test_r=0.97, commonest_share=0.4),
    reading([[0.5, 0.5, 0.0], [0.6, 0.4, 0.0]], test_r=0.98, commonest_share=0.5),
    reading([[0.2, 0.8, 0.0], [0.3, 0.7, 0.0]], test_r=0.99, commonest_share=0.6),
]
ONE = SimpleNamespace(
    gold=GOLD,
    split=SimpleNamespace(forget_rows=torch.arange(40), test_is_touched=torch.arange(200) < 20),
)


@pytest.mark.parametrize(
    ("changed", "js", "expected"),
    [
        ({}, 0.1, (True, True, True, True)),
        ({}, 0.0, (True, True, True, True)),  # nearer than retrained models are to one another: not too near
        ({}, 0.69, (True, True, False, True)),
        ({"train_f": 0.5}, 0.1, (False, True, True, True)),
        ({"test_r": 0.8}, 0.1, (True, False, True, True)),
        ({"commonest_share": 1.0}, 0.1, (True, True, True, False)),
    ],
)
def test_each_figure_is_held_against_its_own_band(changed, js, expected):
    one = reading([[0.5, 0.5, 0.0], [0.4, 0.6, 0.0]], **changed)
    assert inside(ONE, one, js) == (*expected, all(expected))
