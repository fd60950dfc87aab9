"""Fixtures of the lesson tests: an empty home and a small lesson."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import config
from core.experiments.session import reference_pool
from core.lessons import read_lesson, replay
from core.runs import reference_models
from tests.core.lessons.files import LESSON, written


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty home; training is quick, and two retrained models take the place of five."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=4))
    for module in (reference_models, reference_pool, replay):
        monkeypatch.setattr(module, "usual_count", lambda *_: 2)
    return tmp_path / "home"


@pytest.fixture
def lesson(tmp_path):
    return read_lesson(written(tmp_path, LESSON))
