"""The list of runs: what the search finds, and what a line says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import LAFConfig, as_dict
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runs.storage import RunInfo, owner
from dashboard.forms.run_list import escaped, is_found, outcome_of, settings_of
from dashboard.presentation.charts.runs import on_all_images

MINE = "a" * 32
INFO = RunInfo(
    id="20260102-030405-abcdef",
    name="Before lunch",
    note="for the report",
    created=datetime(2026, 1, 2, tzinfo=UTC),
    setup=Setup(seed=3),
    forget="class 0",
    phase=Phase.DONE,
    steps=5,
    total_steps=5,
    frames=6,
    owner=owner(MINE),
    shared=False,
    parent=None,
    parent_step=None,
    bytes=1000,
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", True),
        ("LUNCH before", True),
        ("report", True),
        ("digits class done", True),
        ("seed 3", True),
        ("seed 33", False),
        ("seed 3 laf", True),
        ("shared", False),
        ("fork", False),
        ("mnist", False),
        ("02 Jan", True),
    ],
)
def test_a_run_is_found_by_all_words(words, found):
    assert is_found(INFO, words, MINE) is found


def test_a_run_of_another_browser_is_found_as_shared():
    assert is_found(INFO, "shared", "b" * 32)
    assert is_found(replace(INFO, parent="x"), "fork", MINE)


@given(st.text())
def test_no_search_fails(words):
    assert is_found(INFO, words, MINE) in (True, False)


def run(config, phase="done", first=1.0, last=0.0, **about):
    def reading(train_f):
        return SimpleNamespace(train_f=train_f, train_r=1.0, test=0.98, clean_f=None)

    frames = [SimpleNamespace(reading=reading(v)) for v in (first, last)]
    values = {"config": as_dict(config), "phase": phase, "changes": [], "error": None, **about}
    found = {name: values.get(name) for name in ("automatic", "verdict")}
    return SimpleNamespace(setup=Setup(), about=values, frames=frames, **found)


def test_the_outcome_is_each_accuracy_before_and_after():
    told = outcome_of(run(LAFConfig()))
    assert told == r"Train\_f 100.0 → 0.0 % · Train\_r 100.0 → 100.0 % · Test 98.0 → 98.0 %"
    assert outcome_of(run(LAFConfig(), "failed", error="a *loss* is NaN")) == r"Failed: a \*loss\* is NaN"


def test_settings_are_those_that_differ_from_the_preset():
    preset = LAFConfig.preset("digits", "class")
    assert settings_of(run(preset)) == "preset settings"
    assert settings_of(run(replace(preset, temperature=4.0))) == "preset settings, but τ 15 → 4"
    assert settings_of(run(preset, changes=[{"after": 2}])) == "preset settings, changed 1 time on the way"


def test_automatic_settings_are_named_as_such_and_compared_with_those_that_were_found():
    found = replace(LAFConfig.preset("digits", "class"), temperature=20.0)
    record = {"config": as_dict(found), "reason": "the loss fell"}
    assert settings_of(run(found, automatic=record)) == "automatic settings"
    used = replace(found, temperature=4.0)
    assert settings_of(run(used, automatic=record)) == "automatic settings, but τ 20 → 4"


def test_the_verdict_stands_in_place_of_the_accuracies():
    verdict = {"success": True, "findings": [{"what": "Forgotten: it is *gone*.", "why": "", "advice": ""}]}
    assert outcome_of(run(LAFConfig(), verdict=verdict)) == r"Forgotten\: it is \*gone\*."


def test_text_of_users_is_no_markdown():
    assert escaped("[x](y) <b>") == r"\[x\]\(y\) \<b\>"


@pytest.mark.parametrize(
    ("shape", "noun"), [((1, 8, 8), "images"), ((13,), "vectors"), ((1, 64), "series"), (None, "images")]
)
def test_the_outcome_names_what_the_dataset_holds(shape, noun):
    verdict = {"findings": [{"what": "Forgotten: 3 % of the forgotten images are recognised"}]}
    kept = run(LAFConfig(), verdict=verdict, images={"shape": shape}, report={"test": 0.5})
    assert outcome_of(kept).endswith(f"forgotten {noun} are recognised")
    assert on_all_images(kept.about) == f"On all {noun} at its end: Test 50.0 %"
