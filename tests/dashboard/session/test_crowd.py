"""Tabs that play beside each other know of each other; a short pause changes nothing for the others."""

from __future__ import annotations

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.runs.records import Phase
from core.runtime.scheduler import Scheduler
from dashboard.presentation.wire.packet import unpack
from dashboard.session import polling
from dashboard.session.lab import Lab
from tests.toys import Flat
from tests.waiting import until


@pytest.fixture
def labs(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    runner, kept = Scheduler(workers=2), PreparationCache()
    made = [Lab(runner, Flat(), Scheduler(workers=1), kept) for _ in range(2)]
    yield made
    for lab in made:
        lab.close()


def test_one_that_plays_counts_for_the_others_until_it_has_stood_still_for_a_while(labs, monkeypatch):
    one, other = labs
    until(lambda: all(lab.experiment.run is not None for lab in labs))
    assert other.news.crowd == 1
    before = other.news.pause_s
    one.experiment.play()
    until(lambda: other.news.crowd == 2)
    assert other.news.pause_s == 2 * before  # news is looked for less often from now on
    assert one.news.crowd == 1
    one.experiment.pause()
    until(lambda: one.phase is not Phase.RUNNING)
    assert other.news.crowd == 2
    header, _ = unpack(other.outbox.packet(other.experiment, other.token, other.news.crowd))
    assert header["crowd"] == 2
    monkeypatch.setattr(polling, "RECENT_S", 0.0)
    assert other.news.crowd == 1
