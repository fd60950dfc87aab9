"""Fixtures of the tests of this folder."""

from __future__ import annotations

import pytest

from tests import toys
from tests.core.methods.baselines.plays import NAMES


@pytest.fixture(scope="module")
def originals(toy_split, toy_model):
    """The original of each method; shared, so never change them."""
    return {name: toys.original_for(toys.quick(name), toy_split, toy_model) for name in NAMES}
