"""Fixtures of the purge tests: an empty home, uploaded datasets, and a map without UMAP."""

from __future__ import annotations

import numpy as np
import pytest

from core import config
from core.data import load
from core.data.uploads import store
from core.runs.unlearned_models import unlearned_models_of
from core.runtime.content_cache import answers, maps, models
from tests import toys
from tests.core.experiments.purge.homes import SUBJECT, bring, pictures


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    # a small net: what it learns is not under test
    monkeypatch.setitem(config._TRAIN, "own-colour", toys.TRAIN)
    store._loaded.cache_clear()
    for cache in (
        models,
        answers,
        maps,
        unlearned_models_of,
    ):  # memory of the process has entries of other homes
        monkeypatch.setattr(cache, "_memory", type(cache._memory)())
    yield tmp_path / "home"
    store._loaded.cache_clear()


@pytest.fixture
def brought(home, tmp_path):
    """Upload the toy dataset as an npz; return its key."""
    made = toys.dataset()
    path = tmp_path / "mine.npz"
    arrays = {}
    for part, images in (("train", made.train), ("test", made.test)):
        arrays |= {f"x_{part}": images.x[:, 0].numpy() * 15, f"y_{part}": images.y.numpy()}
    np.savez(path, **arrays)
    return load(path).name


@pytest.fixture
def flat():
    """Return a projection backend without UMAP."""

    class Flat:
        def fit(self, e, seed):
            return np.ascontiguousarray(e[:, :2])

        def follow(self, previous, e):
            return np.ascontiguousarray(previous)

    return Flat()


@pytest.fixture
def school(home):
    """Upload 90 images in three classes: 21 show SUBJECT, 5 of these are test images."""
    x, y = pictures(1)
    return bring(x, y, "School", [f"{i},{SUBJECT if i % 30 < 7 else 'Bob Field'}" for i in range(len(x))])
