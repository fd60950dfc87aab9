"""The record of a deletion request states what was measured, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from core.evaluation.attacks.power import power
from core.evaluation.attacks.result import AttackResult
from core.evaluation.evaluator import Evaluator
from core.experiments.audit import _attack_check, audit, weights_hash
from core.experiments.audit_request import command_of
from core.methods import LAF
from core.runs.reference_models import references
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runtime.progress import run_to_end
from dashboard.cli import main
from dashboard.presentation.export import audit_page
from tests import toys


@pytest.fixture(scope="module")
def drawn(toy_split, toy_model):
    """Return a function that draws up the record of one run for settings of some origin, and the run's evaluation."""
    theirs = references(toy_split, toy_model, count=3, seed=0)
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    unlearned = finish(run)
    judged = run_to_end(Evaluator(toy_split, toy_model, theirs).judge(unlearned, seconds=dict(run.seconds)))

    def draw(settings):
        return audit(
            Setup(dataset="digits", classes=(1,), device="cpu", settings=settings),
            toy_split,
            toy_model,
            unlearned,
            theirs,
            judged,
            config=run.config,
            seconds=dict(run.seconds),
            peak_memory_mb=100.0,
        )

    return draw, judged


@pytest.fixture(scope="module")
def record(drawn):
    draw, judged = drawn
    return draw("preset"), judged


def test_it_names_labels_only_where_the_settings_were_tuned_with_them(drawn):
    draw, _ = drawn
    found, preset = draw("automatic"), draw("preset")
    assert found.done["settings from"] == "short trials on these images, without labels or retrained models"
    assert found.tuned.startswith("nothing: ")
    assert "trials" not in preset.done["settings from"]
    assert "by looking at labels" in preset.tuned


def test_each_verdict_follows_from_the_band(record):
    made, judged = record
    by_name = {c.name: c for c in made.checks}
    for figure in judged.figures.values():
        name = f"{figure.label} ({figure.symbol})" if figure.symbol else figure.label
        if name not in by_name or figure.band is None or figure.value is None:
            continue
        low, high = figure.band.low, figure.band.high
        inside = low - 1e-9 <= figure.value <= high + 1e-9
        assert by_name[name].verdict == ("passed" if inside else "failed"), name
    assert sum(made.count(v) for v in ("passed", "failed", "no power", "not tested")) == len(made.checks)


def test_it_names_what_was_asked_the_cost_the_settings_and_that_it_is_no_guarantee(record):
    made, _ = record
    text = audit_page.document(made, datetime(2026, 1, 2, 3, 4))
    for part in (
        "40 images",
        "b",
        "unlearn",
        "retrain",
        "no legal guarantee",
        "temperature",
        "2026-01-02 03:04",
        "laf run",
    ):
        assert part in text, part
    assert "http" not in text
    json.dumps(made.as_dict())


def test_hashes_tell_other_weights_apart_and_are_those_of_the_same_weights(record, toy_model):
    made, _ = record
    assert made.hashes["original weights"] == weights_hash(toy_model)
    assert made.hashes["unlearned weights"] != made.hashes["original weights"]
    twin = toys.model(toys.split())
    assert weights_hash(twin) == weights_hash(toy_model)


@pytest.mark.parametrize(
    "setup",
    [
        Setup(classes=(0,)),
        Setup(task="data", classes=(5, 6), fraction=0.25, seed=3),
        Setup(task="noise", classes=(1,), method="laf+r"),
        Setup(plant="canaries"),
        Setup(task="indices", ids=(1, 2), classes=()),
        Setup(settings="preset"),
        Setup(settings="automatic"),
    ],
)
def test_the_command_that_does_it_again_is_one_that_laf_reads_as_the_same_request(
    setup, tmp_path, monkeypatch
):
    from dashboard.cli.options import classes_of, setup_of

    monkeypatch.chdir(tmp_path)
    (tmp_path / "IDS.txt").write_text("1\n2\n")
    words = command_of(setup).split()
    assert words[0] == "laf"
    read = main.parser().parse_args(words[1:])
    again = replace(setup_of(read), settings=read.settings)
    if again.task != "indices" and again.plant is None:
        again = replace(again, classes=classes_of(read, again.task, [str(i) for i in range(10)]))
    mine = replace(setup, classes=()) if setup.plant else setup
    assert replace(again, device=mine.device, task=mine.task) == mine


def attack(auc: float, low: float, high: float, theirs: tuple[float, ...], n: int) -> AttackResult:
    return AttackResult(
        "learned", "learned", "", n, n, auc, low, high, 0.01, None, None, 0.5, theirs, power(n, n)
    )


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (attack(0.50, 0.48, 0.52, (0.49, 0.51), 2000), "passed"),
        (attack(0.50, 0.35, 0.65, (0.49, 0.51), 30), "no power"),
        (attack(0.80, 0.75, 0.85, (0.49, 0.51), 500), "failed"),
        (attack(0.80, 0.75, 0.85, (0.78, 0.81), 500), "passed"),
        (AttackResult("learned", "learned", "", 3, 3, why="too few"), "not tested"),
    ],
)
def test_an_attack_that_could_have_seen_nothing_has_not_passed(result, verdict):
    check = _attack_check(result)
    assert check.verdict == verdict
    assert check.why
