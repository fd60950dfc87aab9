"""Fixtures of the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from core.projection.projection import Projection


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    pixels = load_digits().data.astype(np.float32) / 16
    pixels.setflags(write=False)
    return pixels


@pytest.fixture(scope="module")
def fitted(digits) -> Projection:
    return Projection.fit(digits, seed=0)
