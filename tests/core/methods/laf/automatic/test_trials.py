"""Which rates follow which trials, and when a trial is lost or good enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config import LAFConfig
from core.methods.laf.automatic.signals import Signals
from core.methods.laf.automatic.trials import (
    BETWEEN,
    BOLDER,
    FIRMER,
    GENTLER,
    GENTLEST,
    SLOWER,
    Trial,
    following,
    is_due,
    is_enough,
    is_too_bold,
    nearest,
    rank,
)


def reading(step: int, a_f: float, a_r: float, distance: float = 0.4) -> Signals:
    return Signals(step, a_f, a_r, 1.0, 0.9, distance=distance)


def trial(*signals: Signals, met: bool = True) -> Trial:
    last = signals[-1]
    return Trial(LAFConfig(steps=last.step), signals, last if met else None, 0.5 if met else None, "")


BORNE = trial(reading(40, 0, 0.99))
QUICKLY = trial(reading(10, 0, 0.99))
SEEN = trial(replace(reading(40, 0, 0.99), unseen_agreement=0.96))
LOST = trial(*[reading(s, 0, 0.5) for s in (12, 14, 16)], met=False)
COSTLY = trial(replace(reading(10, 0, 0.99), unseen_agreement=0.96))
LEFT = trial(reading(80, 0.2, 0.93), met=False)
DIVERGED = Trial(LAFConfig(steps=1), (), None, None, "")
NEXT = [
    ((BORNE,), BOLDER["class"][0]),
    ((SEEN,), GENTLER["class"][0]),
    ((BORNE, LOST), BOLDER["class"][1]),
    ((BORNE, LOST, LOST), None),
    ((QUICKLY,), GENTLER["class"][0]),
    ((LOST,), GENTLER["class"][0]),
    ((DIVERGED,), GENTLER["class"][0]),
    ((LEFT,), FIRMER[0]),
    ((LEFT, LEFT), FIRMER[1]),
    ((LEFT, LEFT, LEFT), None),
    ((QUICKLY, BORNE), BOLDER["class"][1]),
    ((QUICKLY, BORNE, LOST), None),
    ((QUICKLY, QUICKLY), SLOWER),
    ((QUICKLY, QUICKLY, LOST), BOLDER["class"][1]),
    ((COSTLY, BORNE), None),
    ((LOST, LOST), GENTLEST),
    ((LOST, LEFT), BETWEEN),
    ((COSTLY,), GENTLER["class"][0]),
    ((LOST, BORNE), None),
    ((LOST, QUICKLY), SLOWER),
    ((LOST, QUICKLY, LOST), None),
    ((LOST, COSTLY), SLOWER),
    ((LOST, COSTLY, LOST), GENTLEST),
    ((LOST, COSTLY, LOST, LOST), None),
    ((LOST, LOST, LOST), None),
    ((DIVERGED, DIVERGED), None),
]


@pytest.mark.parametrize(("trials", "rates"), NEXT, ids=range(len(NEXT)))
def test_rates_follow_from_how_the_trials_before_ended(trials, rates):
    assert following("class", trials) == rates


def test_a_trial_is_lost_once_three_readings_lost_the_rest_after_forgetting():
    lost = LOST.signals
    assert is_too_bold("class", lost, 0.9)
    assert not is_too_bold("class", lost[:2], 0.9)  # too early
    assert not is_too_bold("class", (*lost, reading(18, 0, 0.95)), 0.9)  # it recovered
    assert not is_too_bold("class", (*lost, reading(18, 0.5, 0.5)), 0.9)  # there is more to forget
    assert not is_too_bold("data", lost, 0.9)


def test_a_reading_as_retrained_models_have_it_is_enough():
    assert is_enough("class", reading(40, 0, 0.99, distance=0.1))
    assert not is_enough("class", reading(40, 0, 0.9, distance=0.1))
    assert is_enough("class", replace(reading(40, 0, 0.99, distance=0.1), unseen_agreement=0.96))
    assert not is_enough("class", replace(reading(40, 0, 0.99, distance=0.1), unseen_agreement=0.94))
    assert not is_enough("class", reading(40, 0, 0.99))
    assert is_enough("noise", replace(reading(40, 0.5, 0.96), mended=0.97))
    assert not is_enough("noise", replace(reading(40, 0.5, 0.96), mended=0.8))
    assert not is_enough("noise", replace(reading(40, 0.5, 0.9), mended=0.97))
    assert not is_enough("noise", reading(40, 0.5, 0.96))
    assert not is_enough("data", reading(40, 0, 1.0, distance=0.1))
    assert not is_enough("class", None)


def test_readings_far_from_the_aim_are_spared():
    far, near = reading(4, 0.8, 1.0), reading(4, 0.1, 1.0)
    assert is_due("class", 2, ())
    assert [n for n in (5, 6, 7, 8) if is_due("class", n, (near,))] == [6, 7, 8]
    assert [n for n in (5, 6, 7, 8) if is_due("class", n, (far,))] == [8]
    assert not is_due("noise", 20, ())
    assert is_due("noise", 260, (reading(240, 1, 1),))


def test_of_readings_that_miss_the_aim_the_nearest_is_taken_and_those_trials_come_last():
    signals = (reading(10, 0.3, 0.95), reading(20, 0.1, 0.94), reading(30, 0.05, 0.6))
    assert nearest("class", signals) == signals[1]
    assert nearest("data", signals) == signals[2]
    mended = [
        replace(reading(20 * i, 0, kept), neighbours=v)
        for i, (kept, v) in enumerate([(1, 0.7), (1, 0.8), (0.8, 1)])
    ]
    assert nearest("noise", mended) == mended[1]  # the last one lost D_r
    assert sorted([DIVERGED, LEFT, BORNE], key=lambda t: rank("class", t)) == [BORNE, LEFT, DIVERGED]
