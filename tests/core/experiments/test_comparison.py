"""Comparisons of methods over seeds: cells, failures, summaries and exported files."""

from __future__ import annotations

import pytest

from core.config import LAFConfig, TrainConfig
from core.errors import LabError
from core.evaluation.evaluator import Evaluator
from core.evaluation.metrics import FrameEvaluator, evaluate
from core.experiments.audit import audit
from core.experiments.comparison import Comparison, load_compared_model
from core.experiments.comparison_summary import summarise
from core.methods import METHODS
from core.methods.baselines.no_op import Nothing
from core.runs.reference_models import references
from core.runs.setup import Setup
from core.runtime.progress import Progress, run_to_end
from core.runtime.scheduler import Scheduler
from dashboard.presentation.export import comparison_files
from dashboard.presentation.text.readouts.band_position import ReferenceBands
from tests import toys
from tests.waiting import until


class Diverging(Nothing):
    """Fails at its first step."""

    name = "diverging"
    title = "Diverging"

    def update(self, state, config):
        return {"loss": float("inf")}, {}


class Bursting(Nothing):
    """Runs out of memory."""

    name = "bursting"
    title = "Bursting"

    def update(self, state, config):
        raise MemoryError


@pytest.fixture
def toy(monkeypatch):
    """Comparisons are of the toy data, with quick settings."""
    monkeypatch.setattr("core.experiments.comparison.load", lambda *a, **k: toys.dataset())
    monkeypatch.setattr(TrainConfig, "preset", classmethod(lambda *_: toys.TRAIN))
    monkeypatch.setattr(LAFConfig, "preset", classmethod(lambda *_: toys.QUICK))
    monkeypatch.setattr(METHODS, "_added", {"diverging": Diverging, "bursting": Bursting})
    return Setup(dataset="toy", classes=(1,), device="cpu")


def test_each_method_is_judged_on_each_seed_beside_its_own_references(toy):
    comparison = Comparison(toy, ["nothing", "laf"], [0, 1], references=2)
    told: list[Progress] = []
    comparison.finish(lambda what, p: told.append(p))
    assert comparison.done == 4
    assert {c.state for c in comparison.cells.values()} == {"done"}
    assert {seed: len(found) for seed, found in comparison.retrained.items()} == {0: 2, 1: 2}
    assert told
    for (name, seed), cell in comparison.cells.items():
        figure = cell.judgement.figures["train_f"]
        theirs = [j.figures["train_f"].value for j in comparison.retrained[seed]]
        assert list(figure.band.values) == pytest.approx(theirs), (name, seed)


def test_lab_comparison_and_record_have_one_js_one_auc_and_one_band_for_each(toy):
    comparison = Comparison(toy, ["laf"], [0], references=3)
    comparison.finish()
    compared = comparison.cells["laf", 0].judgement
    split, original, made = load_compared_model(toy, "laf")
    known = references(split, original, count=3, seed=0)
    bands = ReferenceBands.of(
        "class",
        [
            FrameEvaluator(split, seed=5).measure(r.model).reading for r in known
        ],  # a page's seed changes nothing
        {
            "remain_train": 120,
            "forget_train": 40,
            "one_answer": 40,
            "remain_test": 60,
            "forget_test": 20,
            "test": 80,
        },
    )
    lab = bands.compare(FrameEvaluator(split, seed=6).measure(made.model).reading)
    report = evaluate(made.model, split, references=[r.model for r in known])
    judged = run_to_end(Evaluator(split, original, known, seed=7).judge(made.model))
    record = audit(
        toy, split, original, made.model, known, judged, config=None, seconds={}, peak_memory_mb=1.0
    )
    checks = {c.name: c for c in record.checks}
    rows = {row.key: row for row in bands.rows}
    for row, key in (("js", "js"), ("auc", "auc_learned"), ("forget_test", "test_f")):
        mine, theirs = bands.bands[row], compared.figures[key].band
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6), key
        assert lab.values[row] == pytest.approx(compared.figures[key].value, abs=1e-6), key
        assert judged.figures[key].band.high == pytest.approx(theirs.high, abs=1e-9)
    assert report.js == pytest.approx(compared.figures["js"].value, abs=1e-6)
    assert report.attack.auc == compared.attacks["learned"].auc
    assert rows["auc"].label == compared.figures["auc_learned"].label == "AUC, learned"
    auc, js = checks["AUC, learned"], checks["JS to retrained (JS)"]
    assert auc.found.startswith(f"{report.attack.auc:.2f} ")
    of = bands.bands
    assert auc.expected == f"{of['auc'].low:.2f} to {of['auc'].high:.2f}"
    assert js.expected == f"{of['js'].low:.3f} nats to {of['js'].high:.3f} nats"
    said = {"more": "outside", "less": "outside", "cannot tell": "inside"}[
        compared.attacks["learned"].finding
    ]
    assert said == ("outside" if lab.positions_in_band["auc"].inside is False else "inside")


def test_a_second_comparison_takes_every_outcome_from_the_shelf(toy, monkeypatch):
    first = Comparison(toy, ["laf"], [0], references=1)
    first.finish()

    def never(*_):
        raise AssertionError("it was run again")

    monkeypatch.setattr("core.methods.laf.laf.LAF.step", never)
    monkeypatch.setattr("core.methods.retrain.Retrain.step", never)
    monkeypatch.setattr("core.runs.original_models.Training", never)
    again = Comparison(toy, ["laf"], [0], references=1)
    again.finish()
    a, b = (c.cells["laf", 0] for c in (first, again))
    assert b.error is None
    assert a.judgement.figures["test"].value == b.judgement.figures["test"].value
    assert a.seconds == b.seconds


def test_a_method_that_fails_says_why_and_the_others_stand(toy):
    comparison = Comparison(toy, ["diverging", "bursting", "nothing"], [0], references=1)
    comparison.finish()
    assert comparison.cells["diverging", 0].state == "failed"
    assert "lower lr" in comparison.cells["diverging", 0].error
    assert "memory" in comparison.cells["bursting", 0].error
    assert comparison.cells["nothing", 0].state == "done"
    summary = summarise(comparison)
    lines = {line.method: line for line in summary.lines}
    assert lines["diverging"].errors
    assert lines["nothing"].entries
    assert "failed" in comparison_files.to_markdown(summary)


def test_a_cancelled_comparison_keeps_what_is_done_and_stops(toy):
    comparison = Comparison(toy, ["nothing", "laf"], [0, 1], references=1)
    runner = Scheduler(1)

    original = comparison._set_cell
    comparison._set_cell = lambda cell: (
        original(cell),
        comparison.cancel() if cell.state == "done" else None,
    )
    comparison.start(runner)
    until(lambda: comparison.over)
    states = [c.state for c in comparison.cells.values()]
    assert states.count("done") == 1
    assert "running" not in states
    assert not comparison.errors
    runner.close()


def test_data_that_cannot_be_read_is_one_sentence_a_seed(toy, monkeypatch):
    def broken(*_, **__):
        raise LabError("the file is broken")

    monkeypatch.setattr("core.experiments.comparison.load", broken)
    comparison = Comparison(toy, ["nothing"], [0, 1])
    comparison.finish()
    assert comparison.errors == {0: "the file is broken", 1: "the file is broken"}
