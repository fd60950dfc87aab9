"""Fixtures of the widget's tests: a map without UMAP, and the messages that a widget has sent."""

from __future__ import annotations

import pytest

from core.projection.projection import Projection
from core.runs.run import Run
from dashboard.presentation.widget.run_widget import RunWidget
from tests import toys


@pytest.fixture(autouse=True)
def _flat(monkeypatch):
    """Lay out maps without UMAP."""
    monkeypatch.setattr(
        Projection, "fit", classmethod(lambda cls, e0, **k: cls(e0.numpy(), e0[:, :2].numpy(), toys.Flat()))
    )


@pytest.fixture
def run(toy_model, toy_split):
    """Return a LAF run of ten steps that has not begun and has no frames."""
    return Run(toys.quick("laf"), toy_model, toy_split)


@pytest.fixture
def sent(monkeypatch):
    """Return the list of (content, buffers) that widgets send to their views."""
    messages: list[tuple[dict, list[bytes]]] = []
    monkeypatch.setattr(
        RunWidget, "send", lambda self, content, buffers=(): messages.append((content, list(buffers)))
    )
    return messages
