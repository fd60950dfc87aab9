"""Fixtures of the lesson tests: an empty home and a small lesson."""

from __future__ import annotations

import pytest

from core.lessons import read_lesson
from tests.core.lessons.files import LESSON, written


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def lesson(tmp_path):
    return read_lesson(written(tmp_path, LESSON))
