"""The stopping rules: pure functions of signals, one for each task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import ConfigError
from core.methods.laf.automatic.signals import Signals
from core.methods.laf.automatic.stopping import StoppingRule, decide, score

START = Signals(0, 1.0, 1.0, 1.0, 0.99)
UNSURE = replace(START, recognised_error=0.02)
GONE = replace(START, step=10, forget_agreement=0.0, distance=0.3)


def steps(*signals):
    return [replace(s, step=10 + 2 * i) for i, s in enumerate(signals)]


def test_no_rule_stops_before_the_first_step():
    for task in ("class", "data", "indices", "noise"):
        assert decide(task, []).stop is False


def test_class_removal_goes_on_while_answers_to_forget_are_given():
    decision = decide("class", steps(*[replace(GONE, forget_agreement=0.3)] * 9))
    assert not decision.stop
    assert decision.best is None
    assert decision.reason == "30 % of the images to forget still get an answer to forget"


def test_class_removal_stops_once_readings_no_longer_come_nearer_and_names_the_best_one():
    history = steps(GONE, replace(GONE, distance=0.2), *[replace(GONE, distance=0.4)] * 3)
    decision = decide("class", history)
    assert decision.stop
    assert decision.best == history[1]
    assert decision.reason.startswith(
        "after 12 steps 0 % of the images to forget get a forgotten class, 100 % of the remaining ones keep"
    )


def test_class_removal_waits_while_readings_come_nearer():
    history = steps(*[replace(GONE, distance=0.5 - 0.05 * i) for i in range(6)])
    assert not decide("class", history).stop


def test_a_model_thrown_over_by_its_first_step_has_not_forgotten():
    """D_f has lost its answers and D_r as well: both agreements are read."""
    broken = replace(GONE, remain_agreement=0.57)
    decision = decide("class", steps(*[broken] * 9))
    assert not decision.stop
    assert decision.best is None
    assert decision.reason == "only 57 % of the remaining images keep the original's answer"


def test_the_first_steps_are_not_trusted():
    early = replace(GONE, step=2)
    decision = decide("class", [early])
    assert decision.best is None
    assert decision.reason == "the first 8 steps are not trusted"


def test_of_two_readings_alike_the_earlier_one_is_the_best():
    history = steps(*[GONE] * 5)
    assert decide("class", history).best == history[0]


@pytest.mark.parametrize("task", ["data", "indices"])
def test_data_removal_stops_at_the_first_reading_that_is_no_surer_of_forgotten_than_of_unseen_images(task):
    history = steps(replace(UNSURE, recognised=0.61), replace(UNSURE, recognised=0.51))
    assert not decide(task, history[:1]).stop
    decision = decide(task, history)
    assert decision.stop
    assert decision.best == history[1]
    assert "no surer of the images to forget than of unseen ones (AUC 0.51)" in decision.reason


def test_data_removal_says_that_doing_nothing_is_as_near():
    decision = decide("data", [replace(UNSURE, recognised=0.5)])
    assert decision.stop
    assert "doing nothing is as near" in decision.reason


def test_data_removal_without_unseen_images_never_stops():
    decision = decide("data", steps(START))
    assert not decision.stop
    assert decision.reason == "there are no unseen images to compare D_f with"


def test_noisy_labels_stop_where_neighbours_agree_most():
    shares = [0.5, 0.8, 0.95, *[0.9] * 12]
    history = steps(*[replace(START, neighbours=v, mended=v) for v in shares])
    assert not decide("noise", history[:-1]).stop
    decision = decide("noise", history)
    assert decision.stop
    assert decision.best == history[2]
    assert "95 % of the images to forget get the answer of similar ones" in decision.reason


def test_noisy_labels_that_are_not_seen_to_be_mended_never_meet_the_aim():
    """However many answers agree with their neighbours: a model that collapses to one answer agrees with itself."""
    agrees = replace(START, neighbours=1.0, remain_agreement=1.0)
    blind = decide("noise", steps(*[agrees] * 20))
    assert blind.best is None
    assert blind.reason.endswith("so they cannot tell")
    partly = decide("noise", steps(replace(agrees, mended=0.5), replace(agrees, mended=0.4, neighbours=0.9)))
    assert partly.best is None
    assert "came 50 % of the way" in partly.reason


def test_a_better_reading_has_a_lower_score():
    assert score("class", replace(GONE, distance=0.1)) < score("class", GONE)
    assert score("class", GONE) < score("class", replace(GONE, remain_agreement=0.95))
    kept = replace(GONE, unseen_agreement=0.98, unseen_distance=0.01)
    assert score("class", kept) == pytest.approx((GONE.distance or 0) + 3 * 0.03)
    assert score("class", kept) < score("class", replace(kept, unseen_agreement=0.97))
    assert score("class", kept) == score(
        "class", replace(kept, remain_agreement=0.9)
    )  # unseen images count instead
    assert score("noise", replace(START, neighbours=0.9)) < score("noise", replace(START, neighbours=0.8))
    assert score("data", replace(UNSURE, recognised=0.5)) < score("data", replace(UNSURE, recognised=0.6))


def test_a_rule_outside_its_bounds_is_refused():
    with pytest.raises(ConfigError, match="forgotten"):
        StoppingRule(forgotten=0)
