"""Verdicts hold: none in green before every band, none that changes afterwards, none from differences below the noise floor."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.verdict import FORGET_MARGIN, verdict
from core.experiments.outcome.judging import report_of
from core.runs.records import Mark, Phase
from dashboard.presentation.story.verdict_text import verdict_sentence
from dashboard.presentation.text.readouts import status_text
from dashboard.presentation.text.readouts.band_position import ReferenceBands
from dashboard.presentation.wire import outcome
from tests.dashboard.presentation.text.readouts.test_band_position import (
    CLASSES,
    COUNTS,
    ORIGINAL,
    RETRAINED,
    model,
)

TASKS = ("class", "data", "noise")
WANTED = len(RETRAINED)


def as_noise(reading, share):
    return replace(reading, clean_f=share)


GOLD = {
    "class": RETRAINED,
    "data": [replace(r, train_f=0.9 + 0.01 * k) for k, r in enumerate(RETRAINED)],
    "noise": [as_noise(r, 0.95 + 0.01 * k) for k, r in enumerate(RETRAINED)],
}
FIRST = {"class": ORIGINAL, "data": replace(ORIGINAL, train_f=1.0), "noise": as_noise(ORIGINAL, 0.4)}


def judged(task, reading, gold):
    reports = [report_of(r, gold) for r in (FIRST[task], reading, *gold)]
    return verdict(task, reports[0], reports[2:], reports[1], steps=9)


def bands(task, references=None):
    return ReferenceBands.of(task, GOLD[task] if references is None else references, COUNTS, total=WANTED)


def told(task, reading, plant=None):
    by = ReferenceBands.of(task, GOLD[task], COUNTS, total=WANTED, plant=plant)
    found = judged(task, reading, GOLD[task])
    return verdict_sentence(task, by.compare(reading), by.compare(FIRST[task]), by, CLASSES, found)


def shown(task, frames, references, phase):
    """What the page shows of the newest frame: the step's sentence, or the verdict on the run."""
    by = bands(task, references)
    last = frames[-1]
    run = SimpleNamespace(phase=phase, frames=frames, steps=range(last.step))
    all_there = phase is Phase.DONE and by.is_complete
    split = SimpleNamespace(task=task, dataset=SimpleNamespace(classes=CLASSES))
    experiment = SimpleNamespace(
        split=split, fork_run=None, verdict=judged(task, last.reading, GOLD[task]) if all_there else None
    )
    untouched = by.compare(FIRST[task])
    said = status_text.sentence(task, by.compare(last.reading), untouched, by, CLASSES)
    found = outcome.verdict(experiment, run, by, untouched)
    return (found["head"], found["tone"]) if found else ("", said["tone"])


SHARE = st.floats(0, 1).map(lambda v: round(v, 3))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(TASKS),
    st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=8),
    st.lists(st.booleans(), max_size=12),
)
def test_a_verdict_waits_for_every_band_and_then_stays(task, values, order):
    readings = [replace(model(), train_f=f, test=t, test_r=t, train_r=t) for f, t in values]
    if task == "noise":
        readings = [as_noise(r, r.train_f) for r in readings]
    frames = [SimpleNamespace(step=0, reading=FIRST[task])]
    wanted = [SimpleNamespace(step=k + 1, reading=r) for k, r in enumerate(readings)]
    count, seen = 0, []

    def look():
        phase = Phase.RUNNING if wanted else Phase.DONE
        seen.append(shown(task, frames, GOLD[task][:count], phase))
        if wanted or count < WANTED:
            assert seen[-1] == ("", "neutral")

    for is_frame in [*order, *[True] * len(wanted), *[False] * WANTED]:
        if is_frame and wanted:
            frames.append(wanted.pop(0))
        elif not is_frame and count < WANTED:
            count += 1
        look()
    assert sum(a != b for a, b in pairwise(seen)) <= 1
    if seen[-1][1] == "good" and task == "class":
        assert readings[-1].train_f <= max(r.train_f for r in GOLD[task]) + FORGET_MARGIN


def test_a_verdict_without_every_band_is_refused():
    by = bands("class", RETRAINED[:4])
    found = judged("class", RETRAINED[2], RETRAINED)
    with pytest.raises(ValueError, match="4 of 5 retrained"):
        verdict_sentence("class", by.compare(RETRAINED[2]), by.compare(ORIGINAL), by, CLASSES, found)


def test_what_no_read_out_tells_from_retraining_is_green():
    said = told("class", RETRAINED[2])
    assert said["tone"] == "good"
    assert said["head"].startswith("Forgotten")


def test_what_is_forgotten_in_accuracy_alone_is_not_green_and_says_what_differs():
    said = told("class", model(answer=7, sure=0.99, answers=tuple(float(k == 7) for k in range(10))))
    assert said["tone"] == "forget"
    assert "“most common answer”" in said["more"]
    assert "100 % of them are called 7" in said["more"]


@pytest.mark.parametrize(
    ("reading", "tone"),
    [
        (replace(ORIGINAL, train_f=1.0), "forget"),
        (replace(model(), test_r=0.5, train_r=0.5, test=0.5), "alarm"),
    ],
)
def test_a_failure_has_its_tone_and_says_what_to_try(reading, tone):
    said = told("class", reading)
    assert said["tone"] == tone
    assert "Try " in said["more"]


def test_a_gain_below_the_noise_floor_is_not_green():
    first = replace(RETRAINED[2], train_f=0.925)
    by = ReferenceBands.of("data", GOLD["data"], COUNTS, total=WANTED)
    found = judged("data", replace(first, train_f=0.921), GOLD["data"])
    nearer = replace(found, findings=(replace(found.findings[0], code="forgotten"),))
    said = verdict_sentence(
        "data", by.compare(replace(first, train_f=0.921)), by.compare(first), by, CLASSES, nearer
    )
    assert said["tone"] == "neutral"
    assert "smaller than that between retrained models" in said["more"]


@pytest.mark.parametrize(
    ("share", "head", "tone"),
    [
        (0.9, "The planted thing is still there.", "forget"),
        (0.3, "A part of the planted thing is left.", "forget"),
        (0.1, "The planted thing is gone.", "good"),
    ],
)
def test_a_plant_is_gone_only_where_retraining_has_it(share, head, tone):
    gold = [replace(r, planted=p) for r, p in zip(GOLD["noise"], (0.08, 0.09, 0.1, 0.11, 0.12), strict=True)]
    by = ReferenceBands.of("noise", gold, COUNTS, total=WANTED, plant="trigger")
    now = replace(gold[0], planted=share)
    first = replace(FIRST["noise"], planted=0.9)
    found = judged("noise", now, gold)
    said = verdict_sentence("noise", by.compare(now), by.compare(first), by, CLASSES, found)
    assert (said["head"], said["tone"]) == (head, tone)


def test_the_step_nearest_to_retraining_is_that_of_the_least_distance():
    readings = [{"step": s, "values": {"js": js}} for s, js in ((0, 0.6), (4, 0.2), (8, 0.31))]
    assert outcome.nearest(readings) == {"step": 4, "js": 0.2}
    assert outcome.nearest([{"step": 0, "values": {"js": None}}]) is None


def test_the_stop_is_the_mark_that_says_so_and_no_other():
    marks = [Mark(3, "chosen by eye: …"), Mark(8, f"{outcome.STOPPED}: after 8 steps …")]
    assert outcome.stop(SimpleNamespace(marks=marks)) == {"step": 8, "text": marks[1].text}
    assert outcome.stop(SimpleNamespace(marks=marks[:1])) is None
