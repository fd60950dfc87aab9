"""Helpers of the tests of this folder: the tolerance of a still point, unit rows and random clusters."""

from __future__ import annotations

import numpy as np

STILL = 1e-4  # a still point may move by 0.01 % of the span


def unit(e):
    e = np.asarray(e, dtype=np.float64)
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def blobs(n=120, d=12, seed=0):
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(4, d))
    return (centres[np.arange(n) % 4] + rng.normal(size=(n, d))).astype(np.float32)
