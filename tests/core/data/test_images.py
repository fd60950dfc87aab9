"""Kinds and sizes of samples, and the scale of vectors and series beside numpy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.images import Norm, kind_of, size_text, standardised_parts


@pytest.mark.parametrize(
    ("shape", "kind", "text"),
    [
        ((13,), "vectors", "13 features"),
        ((1,), "vectors", "1 feature"),
        ((2, 96), "series", "2 channels of 96 values"),
        ((1, 28, 20), "images", "20x28 grey"),
        ((3, 8, 8), "images", "8x8 in colour"),
    ],
)
def test_the_kind_follows_from_the_number_of_dimensions(shape, kind, text):
    assert kind_of(shape) == kind
    assert size_text(shape) == text


@pytest.mark.parametrize("shape", [(40, 3), (40, 3, 7)])
def test_standardised_values_equal_numpys_over_the_training_part_alone(shape):
    x = torch.from_numpy(np.random.default_rng(0).normal(1e6, [[5.0], [1.0], [0.1]], (*shape[:1], 3, 7)))
    x = x if len(shape) == 3 else x[..., 0]
    y, is_test = torch.arange(40) % 2, torch.arange(40) % 5 == 0
    train, test, scale = standardised_parts(x, y, is_test)
    axes = (0,) if len(shape) == 2 else (0, 2)
    known = x[~is_test].numpy()
    mean, std = known.mean(axes, keepdims=True), known.std(axes, keepdims=True)
    np.testing.assert_allclose(train.x, (known - mean) / std, atol=1e-5)
    np.testing.assert_allclose(test.x, (x[is_test].numpy() - mean) / std, atol=1e-5)
    np.testing.assert_allclose(scale.std, std.ravel(), rtol=1e-9)
    assert train.ids.tolist() == (~is_test).nonzero().flatten().tolist()
    assert torch.equal(train.floats(slice(None)), train.x)


def test_a_constant_feature_becomes_zero_and_not_a_division_by_zero():
    scale = Norm.of_values(torch.full((5, 2), 7.0))
    assert scale == Norm((7.0, 7.0), (1.0, 1.0))
    assert not scale.standardised(torch.full((5, 2), 7.0)).any()
