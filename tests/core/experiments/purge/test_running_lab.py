"""A purge beside a running Lab, an open run or a running study."""

from __future__ import annotations

import pytest

from core.data import load
from core.errors import RequestError
from core.experiments.purge import purge
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.studies import jobs
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import record
from core.runtime.content_cache import maps, models
from core.runtime.scheduler import Scheduler
from dashboard.session.lab import Lab
from dashboard.session.url_params import usual_setup
from tests import toys
from tests.core.experiments.purge.homes import SUBJECT, bring, contents, lay, pictures, purge_elsewhere
from tests.waiting import until


def test_an_open_run_stops_it_before_anything_is_removed(home, brought):
    data = load(brought)
    split, model, observer = lay(brought, tuple(data.train.ids[:12].tolist()))
    run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints())
    record(run, Setup(dataset=brought, task="indices", classes=(), ids=tuple(data.train.ids[:12].tolist())))
    run.advance()
    held = contents(home)
    with pytest.raises(RequestError, match="open in the Lab"):
        purge(brought, [int(data.train.ids[0])])
    assert contents(home) == held
    run.recorder.close()


def test_what_a_running_process_holds_in_memory_goes_when_another_one_purges(home, brought, tmp_path):
    data = load(brought)
    lay(brought, tuple(data.train.ids[:12].tolist()))
    key = next((home / "models").glob("*.safetensors")).stem
    assert models.get(key) is not None
    assert load(brought) is data
    gone = data.train.ids[:12].tolist()
    purge_elsewhere(brought, gone, tmp_path / "ids.txt")
    assert models.get(key) is None
    assert maps._memory == {} or maps.get(next(iter(maps._memory))) is None
    assert set(gone).isdisjoint(load(brought).train.ids.tolist())


def test_a_lab_that_runs_goes_on_without_them_and_says_so(home, brought, tmp_path, flat):
    data = load(brought)
    gone = data.train.ids[:5].tolist()
    kept = PreparationCache()
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), kept)
    try:
        assert lab.change(Setup(dataset=brought, task="class", classes=(1,), device="cpu")) is None
        setup = lab.experiment.setup
        until(lambda: lab.experiment.references or lab.experiment.error)
        assert lab.experiment.error is None
        stale = kept.get(setup)
        assert stale is not None
        assert not lab.drop_purged()
        experiment, comparison_job = lab.experiment, lab.comparison_job
        purge_elsewhere(brought, gone, tmp_path / "ids.txt")
        assert lab.drop_purged()
        assert not lab.drop_purged()
        assert "purged" in lab.notice
        assert experiment.closed
        assert lab.comparison_job is not comparison_job
        assert kept.get(setup) is None
        kept.put(setup, stale)  # a thread of before that was at work
        assert kept.get(setup) is None
        assert lab.experiment.setup == setup
        until(lambda: lab.experiment.run is not None or lab.experiment.error)
        assert set(gone).isdisjoint(lab.map_ids.tolist())
        assert len(lab.experiment.split.train) == len(data.train) - 5
    finally:
        lab.close()


def test_a_lab_that_was_to_forget_them_opens_the_usual_data(home, brought, tmp_path, flat):
    gone = load(brought).train.ids[:5].tolist()
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), PreparationCache())
    try:
        wanted = Setup(dataset=brought, task="indices", classes=(), ids=tuple(gone), device="cpu")
        assert lab.change(wanted) is None
        purge_elsewhere(brought, gone, tmp_path / "ids.txt")
        assert lab.drop_purged()
        assert lab.experiment.setup == usual_setup()
    finally:
        lab.close()


def test_a_lab_that_holds_the_same_images_under_another_key_drops_them(home, school, flat):
    x, y = pictures(1)
    other = bring(x[::-1], y[::-1], "Backwards")
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), PreparationCache())
    try:
        assert lab.change(Setup(dataset=other, task="class", classes=(1,), device="cpu")) is None
        experiment = lab.experiment
        until(lambda: experiment.run is not None or experiment.error)
        purge(school, subjects=[SUBJECT])
        assert lab.drop_purged()
        assert experiment.closed
        assert "purged" in lab.notice
        until(lambda: lab.experiment.split is not None or lab.experiment.error)
        assert len(lab.experiment.split.train) + len(lab.experiment.split.test) == 69
    finally:
        lab.close()


def test_a_study_that_is_being_run_stops_a_purge(home, school, monkeypatch):
    monkeypatch.setattr("core.experiments.studies.results_table.kept_studies", lambda: ["mine"])
    monkeypatch.setattr("core.experiments.studies.results_table.is_running", lambda name: name == "mine")
    held = contents(home)
    with pytest.raises(RequestError, match="study mine is being run"):
        purge(school, subjects=[SUBJECT])
    assert contents(home) == held


def test_what_jobs_of_studies_share_is_made_anew_after_a_purge(school):
    assert jobs._cached("images", lambda: 1) == 1
    assert jobs._cached("images", lambda: 2) == 1
    purge(school, subjects=[SUBJECT])
    assert jobs._cached("images", lambda: 2) == 2
    jobs._CACHE.clear()
