"""The rule that compares an AUC with retrained models."""

from __future__ import annotations

import pytest

from core.evaluation.attacks.finding import attack_finding
from core.evaluation.reference_band import band

BAND = band([0.48, 0.50, 0.52])


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (BAND.high + 0.01, 0.9, "more"),
        (BAND.high - 0.01, 0.9, "cannot tell"),
        (0.1, BAND.low - 0.01, "less"),
        (0.1, 0.9, "cannot tell"),
        (0.5, 0.5, "cannot tell"),
    ],
)
def test_only_an_interval_beyond_the_band_tells(low, high, finding):
    assert attack_finding(low, high, BAND) == finding


@pytest.mark.parametrize("references", [[], [0.5]])
def test_fewer_than_two_retrained_models_are_no_band(references):
    assert attack_finding(0.9, 0.95, band(references)) == "no band"
