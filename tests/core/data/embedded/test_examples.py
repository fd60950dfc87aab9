"""The embedded datasets of vectors and series: size, test set, scale, and that the series are always the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine

from core.data import load
from core.data.embedded.examples import LENGTH, SHAPES, generate


@pytest.mark.parametrize(("name", "read"), [("wine", load_wine), ("breast_cancer", load_breast_cancer)])
def test_a_dataset_of_vectors_is_scikit_learns_standardised_by_its_training_part(name, read):
    data, bunch = load(name), read()
    assert data.kind == "vectors"
    assert data.shape == (bunch.data.shape[1],)
    assert len(data.features) == bunch.data.shape[1]
    assert len(data.classes) == len(bunch.target_names)
    for part in (data.train, data.test):
        rows = part.ids.numpy()
        raw = part.x.double() * torch.tensor(data.scale.std) + torch.tensor(data.scale.mean)
        np.testing.assert_allclose(raw.numpy(), bunch.data[rows], rtol=1e-4, atol=1e-4)
        assert part.y.tolist() == bunch.target[rows].tolist()
    np.testing.assert_allclose(data.train.x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(0, correction=0), 1, atol=1e-5)
    assert len(data.train) + len(data.test) == len(bunch.target)
    shares = [(data.test.y == c).float().mean().item() for c in range(len(data.classes))]
    assert shares == pytest.approx(np.bincount(bunch.target) / len(bunch.target), abs=0.03)


def test_generated_series_are_the_same_each_time_and_of_equal_classes():
    x, y = generate(3, seed=5)
    again, _ = generate(3, seed=5)
    other, _ = generate(3, seed=6)
    assert x.shape == (3 * len(SHAPES), 1, LENGTH)
    assert np.bincount(y).tolist() == [3] * len(SHAPES)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)


def test_classes_of_generated_series_differ_in_shape_by_an_independent_sign():
    x, y = generate(60, seed=0)
    jump = np.abs(np.diff(x[:, 0, :60], axis=1)).max(1)  # a square or sawtooth jumps, a sine does not
    peak = x[:, 0].max(1)
    mean = {name: (jump[y == c].mean(), peak[y == c].mean()) for c, name in enumerate(SHAPES)}
    assert mean["square"][0] > mean["sine"][0] + 0.5
    assert mean["pulse"][1] > mean["sine"][1] + 0.5


def test_the_series_dataset_says_that_it_is_generated():
    data = load("generated_series")
    assert (data.kind, data.shape, len(data.train), len(data.test)) == ("series", (1, 96), 960, 240)
    assert "enerated" in data.title
    assert "series of 1x96" in repr(data)
