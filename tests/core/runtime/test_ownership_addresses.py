"""Addresses, totals and progress of two browsers: neither reaches the other's items."""

from __future__ import annotations

import pytest

from core.data.uploads import store
from core.errors import RequestError
from core.experiments.session.limits import SessionLimits
from core.experiments.studies import (
    kept_studies,
    parse_study,
)
from core.lessons.assessment.progress import Progress, read_progress, reset_tally, tally, write_progress
from core.lessons.library import load_lessons
from core.runs.setup import Setup
from core.runs.storage import (
    share_run,
)
from core.runtime.ownership import owner
from core.runtime.storage import home
from dashboard.session.jobs import study as studying
from dashboard.session.url_params import UrlRequest, usual_setup
from tests.core.runtime.browsers import MARK, STUDY, A, B, a_lab, proposal
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("lab_home")


@pytest.mark.parametrize("kind", ["run", "dataset", "model"])
def test_an_address_of_what_is_another_browsers_is_refused_as_one_of_nothing(kind, kinds):
    one = kinds[kind]
    key = one.make(MARK, A)

    def asked():
        if kind == "run":
            return UrlRequest(run=key)
        return UrlRequest(Setup(key) if kind == "dataset" else Setup(model=key))

    told = []
    for _ in range(2):
        lab = a_lab(B, asked())
        try:
            told.append(lab.notice)
            assert lab.experiment.setup == usual_setup(), "the Lab as it begins"
        finally:
            lab.close()
        if key in one.seen(A):
            one.changes[-1](key, A)
    assert told[0] == told[1]
    assert "that is yours or shared" in told[0]


def test_a_shared_run_of_images_that_are_not_shared_does_not_open_them():
    key = store.keep(proposal(MARK), A)
    mine = a_lab(A, UrlRequest(Setup(key)))
    try:
        until(lambda: mine.experiment.run is not None)
        mine.experiment.play(1)
        until(lambda: mine.run_id is not None and mine.experiment.run.steps)
        run_id = mine.run_id
    finally:
        mine.close()
    share_run(run_id, True, A)
    lab = a_lab(B, UrlRequest(run=run_id))
    try:
        assert "no data is kept as" in lab.notice
    finally:
        lab.close()


def test_in_a_classroom_no_run_and_no_form_leads_to_another_folder(a_run, tmp_path):
    from dataclasses import replace

    lab = a_lab(A)
    try:
        assert lab.change(replace(lab.experiment.setup, data_dir=str(tmp_path))) is None
        assert lab.experiment.setup.data_dir is None
    finally:
        lab.close()
    study = replace(parse_study(STUDY, "s"), data_dir=str(tmp_path))
    assert studying.in_folder(study, Setup(data_dir=str(tmp_path))).data_dir is None


def test_a_study_of_another_browsers_images_is_not_begun():
    key = store.keep(proposal(MARK), A)
    study = parse_study(STUDY.replace("steps = 2", f'steps = 2\ndataset = "{key}"'), "theirs")
    with pytest.raises(RequestError, match="no data is kept"):
        studying.start(study, token=B)
    assert kept_studies() == []


def test_progress_is_each_browsers_own_and_counting_anew_changes_only_ones_own_count():
    lesson = load_lessons()[0][0]
    for token, choice in ((A, 1), (B, 2)):
        write_progress(lesson, owner(token), Progress(prediction=choice, predicted="2026-01-01T00:00:00"))
    assert [read_progress(lesson, owner(t)).prediction for t in (A, B)] == [1, 2]
    reset_tally(lesson, browser=owner(B))
    assert tally(lesson, browser=owner(B)).total == 0
    assert tally(lesson, browser=owner(A)).total == 2


def test_a_new_cookie_is_no_new_allowance(kinds, monkeypatch):
    limits = SessionLimits(datasets=1, models=1, disk_mb=1)
    limits.check_dataset()
    kinds["dataset"].make(MARK, A)
    kinds["model"].make(MARK, A)
    for check, words in ((limits.check_dataset, "at most 1 uploaded"), (limits.check_model, "at most 1 own")):
        with pytest.raises(RequestError, match=words):
            check()
    (home() / "runs").mkdir(exist_ok=True)
    (home() / "runs" / "large").write_bytes(bytes(2**20))
    full = SessionLimits(disk_mb=1)
    with pytest.raises(RequestError, match="all of its 1 MB of disk"):
        full.check_disk()
    assert "1 MB of disk" in full.why_not_kept(B)


def test_the_page_keeps_no_dataset_beyond_the_total_whoever_asks(kinds):
    from dashboard.forms import dataset_upload

    kinds["dataset"].make(MARK, A)
    lab = a_lab(B, datasets=1)
    try:
        for seed in (0, 1):  # the same images as A's, and others
            assert "at most 1 uploaded datasets" in dataset_upload._open(lab, proposal("mine", seed), "mine")
        assert store.kept(B) == []
    finally:
        lab.close()


@pytest.mark.parametrize("name", ["sessions", "datasets", "models", "disk_mb"])
def test_a_total_that_means_nothing_is_refused(name):
    with pytest.raises(RequestError, match=name):
        SessionLimits(**{name: -1})
