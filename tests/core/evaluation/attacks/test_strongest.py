"""The strongest attack: Holm's correction, the choice, and how often it errs among retrained models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from core.evaluation.attacks.result import AttackResult, Scores, attack_result
from core.evaluation.attacks.strongest import holm, strongest_attack


def one(name: str, auc: float, references: tuple[float, ...], n: int = 4000) -> AttackResult:
    return AttackResult(name, name, "", n, n, auc, auc - 0.01, auc + 0.01, 0.01, reference_aucs=references)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_rejects_what_the_step_down_rule_rejects(p):
    corrected = holm(p)
    for level in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if (len(p) - rank) * p[i] > level:
                break
            rejected.add(i)
        assert {i for i, c in enumerate(corrected) if c <= level} == rejected


def test_p_is_students_for_one_more_retrained_model():
    aucs = (0.48, 0.50, 0.51, 0.53)
    found = strongest_attack({"loss": one("loss", 0.60, aucs), "entropy": one("entropy", 0.5, aucs)})
    spread = np.sqrt((np.var(aucs, ddof=1) + (1 / 4000) ** 2 / 12) * (1 + 1 / 4))
    expected = 2 * t.sf((0.60 - np.mean(aucs)) / spread, 3)
    assert (found.name, found.attacks) == ("loss", 2)
    assert found.p == pytest.approx(expected)
    assert found.corrected == pytest.approx(2 * expected)
    assert f"p = {2 * expected:.3f}" in found.sentence


def test_sentence_follows_direction_and_significance():
    aucs = (0.50, 0.501, 0.499, 0.5)
    assert "finds more" in strongest_attack({"a": one("a", 0.8, aucs)}).sentence
    assert "finds less" in strongest_attack({"a": one("a", 0.2, aucs)}).sentence
    assert "No attack" in strongest_attack({"a": one("a", 0.5, aucs)}).sentence
    assert strongest_attack({"a": AttackResult("a", "a", "", 2, 2, why="few")}) is None


def test_without_two_retrained_models_it_is_tested_against_a_half():
    rng = np.random.default_rng(0)
    leak = Scores(rng.normal(1, 1, 300), rng.normal(0, 1, 300))
    found = strongest_attack({"loss": attack_result("loss", leak, None, [], 300, 300)})
    assert found.p < 1e-6
    assert "against 0.5" in found.sentence
    none = Scores(rng.normal(0, 1, 300), rng.normal(0, 1, 300))
    assert strongest_attack({"loss": attack_result("loss", none, None, [], 300, 300)}).p > 0.01


def test_among_retrained_models_it_raises_a_false_alarm_no_more_often_than_stated():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(400):
        drawn = rng.normal(0.5, 0.02, (5, 6))
        found = strongest_attack({str(i): one(str(i), row[0], tuple(row[1:])) for i, row in enumerate(drawn)})
        alarms += found.corrected < 0.05
    assert alarms <= 32  # 20 expected, four standard deviations
