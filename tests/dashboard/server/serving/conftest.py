"""The server that the tests of this folder share."""

from __future__ import annotations

import signal

import pytest

from tests.dashboard.server.serving.process import Server


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("serving"))
    yield made
    made.end(signal.SIGTERM)
