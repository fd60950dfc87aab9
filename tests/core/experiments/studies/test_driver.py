"""The run of a study: rows, failures, cancelling, and the analysis of its rows."""

from __future__ import annotations

import pytest

from core.errors import CancelledError
from core.experiments.studies import (
    ResultsTable,
    StudyRun,
    best,
    counts,
    flat,
    groups,
    joined,
    kept_study,
    pareto,
    parse_study,
)
from core.experiments.studies.jobs import Job, cell_jobs, run_job
from tests.core.experiments.studies.quick import QUICK, quick


@pytest.fixture(scope="module")
def finished():
    """A finished study of two settings on two seeds."""
    study = quick("finished", seeds="[0, 1]")
    study_run = StudyRun(study, workers=1)
    study_run.run()
    return study, study_run


def test_a_row_is_what_the_run_itself_comes_to(finished):
    from core import METHODS, Run, evaluate, finish, forget_classes, load
    from core.runs.original_models import original
    from core.runtime.progress import run_to_end

    study, study_run = finished
    cell = next(study.cells())
    split = forget_classes(load("digits"), [0], seed=0)
    model = run_to_end(
        original(split, seed=0, device=str(cell.setup.device).replace("auto", "cpu"), config=cell.train)
    )
    run = Run(METHODS["laf"](cell.config), model, split, seed=0)
    found = evaluate(finish(run), split)
    row = study_run.table.rows[cell.key]
    assert row["figures"]["train_f"] == pytest.approx(found.train_f, abs=1e-6)
    assert row["figures"]["test_r"] == pytest.approx(found.test_r, abs=1e-6)
    assert row["steps"] == 2


def test_nothing_is_done_twice(finished, monkeypatch):
    study, study_run = finished
    before = dict(study_run.table.rows)
    again = StudyRun(study, workers=1)
    monkeypatch.setattr("core.experiments.studies.backends.run_job", lambda job: pytest.fail("done again"))
    again.run()
    assert again.state == "done"
    assert again.table.rows == before


def test_another_study_takes_over_what_has_the_same_content(finished):
    _, study_run = finished
    other = quick("other", seeds="[1]", values="[20.0]")
    found = StudyRun(other, workers=1)
    found.run()
    key = next(other.cells()).key
    assert found.table.rows[key]["took_s"] == study_run.table.rows[key]["took_s"], "done again"


def test_rows_say_on_which_seeds_a_setting_was_chosen(finished):
    text = (
        QUICK.format(seeds="[9]", values="[5.0, 20.0]").replace("seeds = [9]", "")
        + "[seeds]\nchosen = [0]\nreported = [1]\n"
    )
    study = parse_study(text, "chosen")
    study_run = StudyRun(study, workers=1)
    study_run.run()
    rows = joined(study, study_run.table.rows)
    assert {(r["seed"], r["role"]) for r in rows} == {(0, "chosen"), (1, "reported")}
    found = best(study, rows)
    gaps = {g.point["temperature"]: g.mean("average_gap") for g in groups(rows, "chosen")}
    assert found.point["temperature"] == min(gaps, key=gaps.get)
    assert (found.chosen_on, found.reported_on) == ((0,), (1,))
    assert [r["seed"] for r in found.reported.rows] == [1]
    assert kept_study("chosen").chosen == (0,)


def test_distances_are_to_the_mean_of_the_retrained_models(finished):
    study, study_run = finished
    row = joined(study, study_run.table.rows)[0]
    bands = study_run.table.rows[Job("yardstick", next(study.cells())).key]
    theirs = bands["retrained"][0]
    gaps = [abs(row["figures"][k] - theirs[k]) for k in ("train_r", "train_f", "test")]
    assert row["figures"]["average_gap"] == pytest.approx(sum(gaps) / 3)
    assert row["figures"]["forget_gap"] == pytest.approx(gaps[1])
    assert flat([row])[0]["temperature"] == 5.0


def test_a_run_that_fails_is_a_row_with_the_reason_and_costs_no_other():
    study = parse_study(QUICK.format(seeds="[0]", values="[5.0]") + "lr_ra = [1e-3, 1e30]\n", "failing")
    study_run = StudyRun(study, workers=1)
    study_run.run()
    found = counts(study, study_run.table.rows)
    assert (found["done"], found["failed"], found["left"]) == (1, 1, 0)
    failed = next(r for r in joined(study, study_run.table.rows) if r["state"] == "failed")
    assert failed["error"]
    assert failed["point"]["lr_ra"] == 1e30


def test_a_model_that_cannot_be_trained_fails_the_runs_that_need_it_once():
    text = QUICK.format(seeds="[0]", values="[5.0, 20.0]").replace("[fixed]", '[fixed]\n"train.lr" = 1e30')
    study = parse_study(text, "no-model")
    study_run = StudyRun(study, workers=1)
    study_run.run()
    rows = joined(study, study_run.table.rows)
    assert [r["state"] for r in rows] == ["failed", "failed"]
    assert "its original model failed" in rows[0]["error"]


def test_cancelled_it_keeps_its_rows_and_goes_on_later():
    study = quick("cancelled", values="[6.0, 7.0, 8.0]")
    study_run = StudyRun(study, workers=1)
    with pytest.raises(CancelledError, match="run it again to continue"):
        study_run.run(lambda d: d.cancel() if d.now == "runs" else None)
    assert study_run.state == "cancelled"
    assert counts(study, ResultsTable("cancelled").rows | study_run.table.rows)["done"] == 1
    again = StudyRun(study, workers=1)
    again.run()
    assert counts(study, again.table.rows)["done"] == 3


def test_the_front_is_what_nothing_betters_in_both():
    points = [(0, 5), (1, 1), (2, 2), (5, 0), (1, 3), (6, 6)]
    brute = [
        i for i, p in enumerate(points) if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    ]
    assert sorted(pareto(points, less=(True, True))) == brute


def test_one_class_after_another_leaves_what_was_forgotten_out():
    study = parse_study(
        QUICK.split("[grid]")[0].format(seeds="[0]") + "[grid]\nsequence = [[0], [0, 3]]\n", "sequence"
    )
    rows = [run_job(j) for j in cell_jobs(study.cells())]
    assert [r["state"] for r in rows] == ["done", "done"]
    assert [r["steps"] for r in rows] == [2, 4]
    assert list(study.cells())[1].setup.classes == (0, 3)
