"""Fixtures of the ownership tests."""

from tests.core.runtime.browsers import a_run, kinds, lab_home, of_a, pages  # noqa: F401
