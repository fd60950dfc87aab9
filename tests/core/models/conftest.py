"""Fixtures of the tests of uploaded models."""

from tests.core.models.uploaded import data, own_home, trained, weights  # noqa: F401
