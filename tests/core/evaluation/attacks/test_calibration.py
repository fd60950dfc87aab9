"""The attacks are quiet where there is nothing to see and speak where there is; small versions of the benchmark's questions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.attack_calibration import QUICK, attacked, null, overfitted, planted, resplit
from core.data import forget_classes
from core.evaluation.attacks.scores import ATTACKS


def test_the_pool_is_drawn_anew_and_nothing_is_lost(digits):
    a, b = resplit(digits, 0), resplit(digits, 1)
    for one in (a, b):
        ids = one.train.ids.tolist() + one.test.ids.tolist()
        assert sorted(ids) == sorted(digits.train.ids.tolist() + digits.test.ids.tolist())
        assert len(one.train) == len(digits.train)
    assert a.train.ids.tolist() != b.train.ids.tolist()


def test_trap_1_the_untouched_model_of_a_removed_class_is_near_a_half(digits_model, digits):
    found = attacked(forget_classes(digits, [0], seed=0), [digits_model], 0)
    assert set(found) == set(ATTACKS)
    assert all(r.low <= 0.5 <= r.high for r in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["class removal", "data removal"])
def test_the_interval_covers_a_half_for_models_that_were_retrained(task):
    repeats = 8
    covers, _ = null(task, repeats, others=1, config=replace(QUICK, epochs=4))
    # 95 % are meant. The five attacks see the same models, so they err together: at most one model in eight may be missed by all
    assert sum(covers.values()) >= repeats * len(ATTACKS) - 5


@pytest.mark.slow
def test_a_model_that_learned_wrong_labels_by_heart_is_found_out():
    found = overfitted()["loss"]
    assert found.auc >= 0.7
    assert found.low > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "key"), [("duplicates", "planted"), ("canaries", "auc_loss")])
def test_a_plant_is_seen_before_unlearning_and_not_after_retraining(kind, key):
    rows = {name: values for name, *values in planted(kind, 3, config=QUICK)}
    before, after, low, high = rows[key]
    beyond = (high - low) / 2  # one of twenty retrained models is outside a band of 95 %, but not far
    assert not low - beyond <= before <= high + beyond
    assert low - beyond <= after <= high + beyond
