"""Fixtures of the tests of this folder."""

from __future__ import annotations

import pytest

from core.projection.projection import Projection
from core.runtime.content_cache import ContentCache
from dashboard.presentation.export import notebook as watch_module
from tests import toys


@pytest.fixture
def toy_world(monkeypatch, toy_split):
    """The toy data is what every name loads, quickly trained; nothing is kept for other tests."""
    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr(watch_module, "load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr("core.config.TrainConfig.preset", classmethod(lambda *a: toys.TRAIN))
    for module in ("core.runs.original_models", "core.runs.reference_models"):
        monkeypatch.setattr(f"{module}.models", ContentCache("toys"))
    for module in ("core.projection.map_cache", "core.experiments.session.reference_pool"):
        monkeypatch.setattr(f"{module}.maps", ContentCache("toy-maps"))


@pytest.fixture
def flat(monkeypatch):
    monkeypatch.setattr(
        Projection, "fit", classmethod(lambda cls, e0, **k: cls(e0.numpy(), e0[:, :2].numpy(), toys.Flat()))
    )
