"""The job of the page Compare: what a reload keeps, what it drops, and the words for time."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from core.errors import RequestError
from core.experiments.comparison import Comparison
from core.runs.setup import Setup
from dashboard.session.jobs import comparison
from dashboard.session.jobs.comparison import ComparisonJob, cost_in_words, offered


class Late:
    """A timer that ends when the test says so."""

    waiting: ClassVar[list[Callable[[], None]]] = []

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self.then = then

    def start(self) -> None:
        self.waiting.append(self.then)


def time_is_up() -> None:
    for then in Late.waiting:
        then()


@pytest.fixture
def job(monkeypatch):
    """Return a maker of jobs of a browser; no comparison begins to compute."""
    monkeypatch.setattr(Comparison, "start", lambda self, runner: None)
    monkeypatch.setattr(comparison, "_kept", {})
    monkeypatch.setattr(comparison.threading, "Timer", Late)
    Late.waiting.clear()
    return lambda browser: ComparisonJob(None, lambda setup: (None, False), browser)


def test_a_reload_shows_the_comparison_and_the_closed_page_does_not_stop_it(job):
    first = job("me")
    first.start(Setup(), ["laf"], [0], 2)
    first.close()  # a reload closes the old page first
    again = job("me")
    time_is_up()
    assert again.comparison is first.comparison
    assert not again.comparison.cancelled
    assert job("you").comparison is None
    assert job(None).comparison is None


def test_a_page_that_nobody_opens_again_stops_its_comparison_after_a_while(job):
    left = job("me")
    left.start(Setup(), ["laf"], [0], 2)
    left.close()
    assert not left.comparison.cancelled
    time_is_up()
    assert left.comparison.cancelled
    unknown = job(None)
    unknown.start(Setup(), ["laf"], [0], 2)
    unknown.close()
    assert unknown.comparison.cancelled


def test_another_comparison_stops_the_last_one_at_once(job):
    mine = job("me")
    mine.start(Setup(), ["laf"], [0], 2)
    before = mine.comparison
    mine.start(Setup(), ["nothing"], [0], 2)
    assert before.cancelled
    assert not mine.comparison.cancelled


def test_a_purge_drops_what_was_kept(job, monkeypatch):
    mine = job("me")
    mine.start(Setup(), ["laf"], [0], 2)
    monkeypatch.setattr(comparison, "purge_generation", lambda: 10**6)
    mine.close()
    assert mine.comparison.cancelled
    assert job("me").comparison is None


def test_only_the_last_browsers_are_kept(job, monkeypatch):
    monkeypatch.setattr(comparison, "MOST_KEPT", 2)
    for name in "abc":
        job(name).start(Setup(), ["laf"], [0], 2)
    assert [job(name).comparison is not None for name in "abc"] == [False, True, True]


def test_a_comparison_that_cannot_be_loses_nothing(job):
    mine = job("me")
    mine.start(Setup(), ["laf"], [0], 2)
    before = mine.comparison
    with pytest.raises(RequestError):
        mine.start(Setup(), ["amnesia"], [0], 2)
    assert mine.comparison is before
    assert job("me").comparison is before


def test_retraining_has_one_row():
    assert "retrain" not in offered()
    assert {"laf", "nothing"} <= set(offered())


class Timed:
    """An experiment whose models took ``seconds`` each."""

    def __init__(self, *seconds: float) -> None:
        self.references = [type("R", (), {"seconds": s})() for s in seconds]
        self.model = None


def test_time_is_told_from_measured_trainings_only():
    assert "known once" in cost_in_words(Timed(), 2, 3, 5)
    assert "24 trainings" in cost_in_words(Timed(), 2, 3, 5)
    assert cost_in_words(Timed(2.0, 4.0), 2, 3, 5).startswith("About 72 s of computing at most: 3 ×")
