"""The logistic regression of the frames' attack, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.evaluation.attacks.logistic import fit_logistic


def sets(n: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features (n, 4), of which the last nearly repeats the first, and labels with three members in five."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < 0.6 * n).astype(float)
    x = rng.normal(size=(n, 4)) + apart * y[:, None] * [1, 0, 0, 0.5]
    x[:, 3] = x[:, 0] + 0.01 * x[:, 3]
    return (x - x.mean(0)) / x.std(0), y


@pytest.mark.parametrize(("n", "apart"), [(20, 0.0), (600, 0.0), (600, 1.0), (60, 8.0), (600, 30.0)])
def test_it_is_scikit_learns_optimum_also_where_the_sets_are_apart(n, apart):
    x, y = sets(n, apart)
    theirs = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    weights, intercept = fit_logistic(x, y)
    np.testing.assert_allclose(weights, theirs.coef_[0], atol=1e-6)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-6)


def test_features_that_say_nothing_leave_the_share_of_members():
    y = np.r_[np.ones(30), np.zeros(10)]
    weights, intercept = fit_logistic(np.zeros((40, 4)), y)
    assert weights.tolist() == [0, 0, 0, 0]
    assert intercept == pytest.approx(np.log(3))


def test_huge_features_overflow_nothing():
    x, y = sets(60, 1.0)
    with np.errstate(all="raise", under="ignore"):
        weights, intercept = fit_logistic(1e4 * x, y)
    assert np.isfinite([*weights, intercept]).all()
