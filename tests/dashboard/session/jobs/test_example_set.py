"""The example set: its study, one job at a time for each browser, and what it says when a part fails."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from core.errors import StoreError
from core.experiments.studies import name_for
from dashboard.session.jobs import example_set as module
from tests.waiting import until

TOKEN = "e" * 32


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Every wait is short, studies end at once, and no job of an earlier test is there."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(module, "POLL_S", 0.005)
    monkeypatch.setattr(module, "_jobs", {})
    started = []
    monkeypatch.setattr(module.studying, "start", lambda study, token: started.append((study.name, token)))
    monkeypatch.setattr(module.studying, "driven", lambda name: SimpleNamespace(over=True, error=None))
    return started


def test_the_example_study_is_small_and_shows_lines():
    study = module.example_study()
    assert study.size == 8
    assert list(study.varied) == ["temperature"]
    assert studied(study) == {"digits"}


def studied(study):
    return module.studying.datasets_of(study)


def test_a_browser_that_has_the_run_only_runs_the_study_under_its_own_name(quick, monkeypatch):
    monkeypatch.setattr(module, "kept_run", lambda token: "20260101-000000-abcdef")
    job = module.make(TOKEN, lambda: pytest.fail("the run is there"))
    until(lambda: not job.busy)
    assert job.error is None
    assert job.result == module.ExampleSet("20260101-000000-abcdef", name_for("example", TOKEN))
    assert quick == [("example", TOKEN)]


def test_a_second_click_joins_the_work_and_a_failure_is_told_and_can_be_tried_again(quick):
    going, closed = threading.Event(), []

    class Broken:
        run = None

        @property
        def error(self):
            going.wait(10)
            return StoreError("the disk is full")

        def close(self):
            closed.append(True)

    first = module.make(TOKEN, Broken)
    assert module.make(TOKEN, Broken) is first
    assert module.job_of("f" * 32) is None
    going.set()
    until(lambda: not first.busy)
    assert first.error == "the disk is full"
    assert closed == [True]
    assert quick == []
    assert module.make(TOKEN, Broken) is not first
    until(lambda: not module.job_of(TOKEN).busy)


def test_nothing_is_made_yet_in_an_empty_home(quick):
    assert module.kept_run(TOKEN) is None
    assert not module.is_made(TOKEN)


@pytest.mark.parametrize(
    ("about", "retrain_error", "problem", "judged"),
    [
        ({}, None, None, False),
        ({"verdict": {"text": "Forgotten."}}, None, None, True),
        ({}, StoreError("no memory"), None, True),  # there will be no verdict
        ({}, None, "the disk is full", True),
    ],
)
def test_the_example_run_stays_open_until_its_kept_record_has_the_verdict(
    about, retrain_error, problem, judged
):
    experiment = SimpleNamespace(retrain_error=retrain_error, references=[1, 2, 3, 4, 5])
    recorder = SimpleNamespace(problem=problem, folder=SimpleNamespace(read_about=lambda: about))
    assert module._is_judged(experiment, recorder) is judged
