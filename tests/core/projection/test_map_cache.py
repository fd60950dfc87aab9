"""A map is laid out once for a model and its images."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from core.errors import LabError
from core.projection.map_cache import fitted_map, map_key


class Plane:
    """A layout that counts its calls and takes the first two numbers of each representation."""

    def __init__(self) -> None:
        self.calls = 0

    def fit(self, e, seed):
        self.calls += 1
        return e[:, :2] - e[:, :2].mean(0)

    def follow(self, previous, e):
        raise LabError("not asked")


@pytest.fixture
def scene(toy_split, toy_model, tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    rows = torch.arange(30)
    with torch.no_grad():
        e0 = toy_model.extract(toy_split.train.floats(rows))
    return toy_model, toy_split.dataset, rows, e0


def test_a_second_map_of_the_same_comes_from_the_cache_with_the_same_places(scene):
    layout = Plane()
    first, second = (fitted_map(*scene, seed=3, umap=layout) for _ in range(2))
    assert layout.calls == 1
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.representations, second.representations)
    assert second.umap is layout
    fitted_map(*scene, seed=4, umap=layout)
    assert layout.calls == 2


def test_the_key_goes_by_weights_images_rows_and_seed(scene):
    model, dataset, rows, _ = scene
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(other.parameters()).add_(1e-3)
    keys = {
        map_key(model, dataset, rows, 0),
        map_key(other, dataset, rows, 0),
        map_key(model, dataset, rows[1:], 0),
        map_key(model, dataset, rows, 1),
    }
    assert len(keys) == 4
    assert map_key(copy.deepcopy(model), dataset, rows.clone(), 0) in keys
