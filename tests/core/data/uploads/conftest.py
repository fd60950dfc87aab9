"""Fixtures of the tests of uploads."""

from tests.core.data.uploads.builders import own_home  # noqa: F401
