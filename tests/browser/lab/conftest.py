"""The Lab's tests look at every frame and at all five retrained models, so they open pages on the full server."""

from __future__ import annotations

import pytest


@pytest.fixture
def server(full_server):
    return full_server
