"""The verdict on a finished run: from the same images, only at the end, and kept until the run goes on."""

from __future__ import annotations

import pytest

from core import LAF, METHODS, Run, evaluate, finish
from core.config import EvalConfig
from core.evaluation.verdict import verdict
from core.experiments.outcome.judging import Outcome, judge, report_of
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.training.recipe import LearningCheck
from tests import toys


@pytest.fixture(scope="module")
def finished(toy_split, toy_model):
    """Return a finished run with frames of all images, and a retrained model with its frame."""
    observer = Observer(toy_split, toy_model, EvalConfig(frames=1000), seed=0)
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0, observer=observer, checkpoints=Checkpoints())
    finish(run)
    gold = finish(Run(METHODS["retrain"](toys.TRAIN), toy_model, toy_split, seed=0))
    return run, gold, observer.look(gold)


def test_frames_give_the_verdict_that_reports_on_all_images_give(finished, toy_split, toy_model):
    run, gold, frame = finished
    reports = [evaluate(m, toy_split, references=[gold]) for m in (toy_model, gold, run.result)]
    assert judge(run, [frame], None) == verdict(
        "class", reports[0], [reports[1]], reports[2], steps=len(run.steps)
    )
    again = report_of(run.frames[-1].reading, [frame.reading])
    assert again.js_to_references == pytest.approx(reports[2].js_to_references, abs=1e-6)
    assert again.train_f == reports[2].train_f


def test_an_original_that_has_not_learnt_is_named(finished):
    run, _, frame = finished
    poor = LearningCheck(0.5, 1.01, 0.25, False, "it has not")  # better than any original
    assert "original" in [f.code for f in judge(run, [frame], poor).findings]
    fine = LearningCheck(0.9, 1.01, 0.25, True, "it has")
    assert "original" not in [f.code for f in judge(run, [frame], fine).findings]


def test_there_is_no_verdict_before_the_end_or_without_a_retrained_model(finished, toy_split, toy_model):
    run, _, frame = finished
    assert judge(run, [], None) is None
    observer = run.observer
    begun = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0, observer=observer)
    begun.advance()
    assert judge(begun, [frame], None) is None


def test_an_outcome_is_known_for_a_length_and_a_revision_and_goes_on_with_its_first_report(
    finished, toy_split
):
    run, gold, frame = finished
    outcome, report = Outcome(), evaluate(run.result, toy_split, references=[gold])
    assert not outcome.is_known(run, 1)
    outcome.note(run, 1, report, judge(run, [frame], None))
    assert outcome.is_known(run, 1)
    assert not outcome.is_known(run, 2)
    outcome.go_on(run)
    assert (outcome.report, outcome.verdict, outcome.report_at_stop) == (None, None, report)
    assert not outcome.is_known(run, 1)
    outcome.note(run, 1, None, judge(run, [frame], None))
    outcome.go_on(run)
    assert outcome.report_at_stop is report  # the first one stays
    stop = len(run.steps)
    assert outcome.back_to(stop).report_at_stop is report
    assert outcome.back_to(stop).back_to(stop + 1).report_at_stop is report
    assert outcome.back_to(stop - 1).report_at_stop is None
