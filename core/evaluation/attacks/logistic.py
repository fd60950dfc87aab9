"""Logistic regression with an L2 penalty by Newton's method, for the few features that an attack on every frame has."""

from __future__ import annotations

import numpy as np

_MOST_STEPS = 100
_MOST_HALVINGS = 40
_FLAT = 1e-10  # of the gradient, for each row


def fit_logistic(x: np.ndarray, is_member: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weights w (d,) and the intercept b of features x (n, d) and labels (n,) of 0 and 1.

    They minimise ½ |w|² + Σ log(1 + exp(−s (x·w + b))) with s = ±1, as scikit-learn's ``LogisticRegression`` does with
    C = 1. Its import takes longer than a short run, and its checks of the input take longer than the fit. Newton's steps
    are halved until the loss does not grow (Boyd and Vandenberghe, Convex Optimization, 9.5.2).
    """
    design = np.c_[x, np.ones(len(x))]
    penalty = np.r_[np.ones(x.shape[1]), 0.0]  # the intercept has none
    sign = np.where(is_member > 0, 1.0, -1.0)

    def loss(theta: np.ndarray) -> float:
        """Return the penalised loss of w and b together (d + 1,)."""
        return float(np.logaddexp(0, -sign * (design @ theta)).sum() + 0.5 * (penalty * theta * theta).sum())

    theta = np.zeros(design.shape[1])
    best = loss(theta)
    for _ in range(_MOST_STEPS):
        p = np.exp(-np.logaddexp(0, -(design @ theta)))  # of a member
        gradient = design.T @ (p - is_member) + penalty * theta
        if np.abs(gradient).max() <= _FLAT * len(x):
            break
        curvature = (design.T * (p * (1 - p))) @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        for _ in range(_MOST_HALVINGS):
            now = loss(theta - step)
            if now <= best:
                break
            step /= 2
        else:  # rounding hides what is left of the slope
            break
        theta, best = theta - step, now
    return theta[:-1], float(theta[-1])
