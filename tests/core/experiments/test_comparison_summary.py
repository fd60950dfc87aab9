"""The summary of a comparison over its seeds, beside the definitions."""

from __future__ import annotations

import statistics

import pytest

from core.experiments.comparison_summary import summarise
from tests.core.experiments.compared import THEIRS, VALUES, Made


def test_mean_spread_gap_and_place_are_those_of_the_definition():
    lines = {line.method: line.entries for line in summarise(Made(VALUES, THEIRS)).lines}
    entry = lines["laf"]["test"]
    assert entry.mean == pytest.approx(statistics.mean(VALUES["laf"]))
    assert entry.spread == pytest.approx(statistics.stdev(VALUES["laf"]))
    assert entry.gap == pytest.approx(statistics.mean(abs(v - 0.97) for v in VALUES["laf"]))
    assert entry.inside == 3
    assert lines["finetune"]["test"].inside == 0


def test_a_method_that_is_farther_from_retraining_than_doing_nothing_is_marked():
    summary = summarise(Made(VALUES, THEIRS))
    assert summary.lost_to_nothing() == {"references": [], "laf": [], "finetune": ["test"]}


def test_nothing_is_lost_inside_the_band_however_near_doing_nothing_is():
    summary = summarise(Made({"nothing": [0.970, 0.970], "laf": [0.972, 0.971]}, THEIRS))
    assert summary.lost_to_nothing()["laf"] == []
