"""KLoM against a histogram by NumPy, its limits, and its floor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.evaluation.answers.klom import EMPTY, floor_of_one, klom, klom_of_one, mean_and_tail


def by_numpy(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """One image, with np.histogram."""
    a, b = np.clip(unlearned, -100, 100), np.clip(retrained, -100, 100)
    both = np.r_[a, b]
    p, edges = np.histogram(a, 20, (both.min(), both.max()))
    q = np.histogram(b, edges)[0] / len(b)
    return sum(x / len(a) * math.log(x / len(a) / max(y, 1e-5)) for x, y in zip(p, q, strict=True) if x)


@pytest.mark.parametrize(("m", "k"), [(1, 2), (1, 5), (7, 9), (100, 100)])
def test_it_is_the_divergence_of_numpys_histograms(m, k):
    rng = np.random.default_rng(m + k)
    u, r = rng.normal(1, 3, (m, 6)), rng.normal(0, 3, (k, 6))
    u[0, 0] = 250.0  # is clipped
    expected = [by_numpy(u[:, i], r[:, i]) for i in range(6)]
    np.testing.assert_allclose(klom(u, r), expected, atol=1e-9)


def test_equal_models_have_none_and_one_alone_has_the_most():
    same = np.full((1, 3), 2.0)
    np.testing.assert_allclose(klom(same, np.repeat(same, 4, 0)), 0)
    np.testing.assert_allclose(klom(same + 9, np.repeat(same, 4, 0)), -math.log(EMPTY))
    with pytest.raises(ValueError, match="at least one"):
        klom(same, np.empty((0, 3)))


def test_a_model_of_the_same_kind_is_measured_as_its_floor_is():
    """A retrained model that is judged, left out of the rest, has the value it has as a member of them on average."""
    rng = np.random.default_rng(3)
    models = rng.normal(0, 2, (6, 4000))
    floor = np.mean([floor_of_one(i, list(models[:5])).mean() for i in range(5)])
    assert klom_of_one(models[5], list(models[:5])).mean() == pytest.approx(floor, rel=0.03)
    assert klom_of_one(models[5] + 20, list(models[:5])).mean() == pytest.approx(-math.log(EMPTY))
    assert klom_of_one(models[0], []) is None
    assert floor_of_one(0, list(models[:1])) is None


def test_mean_and_tail_are_numpys():
    x = np.arange(101.0)
    assert mean_and_tail(x) == (50.0, 95.0)
    assert mean_and_tail(np.empty(0)) == mean_and_tail(None) == (None, None)
