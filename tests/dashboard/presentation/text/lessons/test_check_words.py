"""Checks in words: every fact has words, and a sentence says what the comparison says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.lessons.fact_names import PLAIN, PREFIXES, known_names
from core.lessons.library import SHIPPED
from core.lessons.parser import read_lessons
from dashboard.presentation.text.lessons.check_words import FACTS, PLACES, in_words


def test_every_fact_and_every_place_has_words():
    assert FACTS.keys() == PLAIN.keys()
    assert PLACES.keys() == PREFIXES.keys()


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("train_f < 2 %", "forgotten, train: below 2 %"),
        ('phase == "done"', "the run: finished"),
        ("tau <= 1", "τ: at most 1"),
        (
            "test_r > original.test_r - 5 %",
            "remaining, test: above its value before unlearning minus 5 points",
        ),
        ("fork.tau < tau", "τ, in the fork: below its value now"),
        (
            "vae_last < vae_first / 3",
            "last loss of autoencoder 1: below first loss of autoencoder 1 divided by 3",
        ),
        ("0.3 < fair_auc < 0.7", "attack AUC against the same class: between 0.3 and 0.7"),
        ('alarm "collapse"', "the alarm “collapse” is on"),
        ('not alarm "collapse"', "no alarm “collapse”"),
        ('method != "laf"', "the method: not LAF"),
        ("not a check", "not a check"),
    ],
)
def test_a_clause_in_words(clause, words):
    assert in_words(clause) == words


@given(
    st.sampled_from(known_names()), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(0, 99)
)
def test_any_comparison_has_words_with_its_number_and_no_code(name, sign, number):
    told = in_words(f"{name} {sign} {number}")
    assert FACTS[name.rpartition(".")[2]] in told
    assert str(number) in told
    assert "==" not in told
    assert "_f " not in told


def test_no_shipped_check_is_shown_as_code():
    parts = [p for lesson in read_lessons([SHIPPED])[0] for p in lesson.parts if p.check is not None]
    clauses = [c.text for p in parts for c in p.check.verdict({}).clauses]
    assert len(clauses) > 50
    assert [c for c in clauses if in_words(c) == c] == []


def test_a_negated_clause_holds_where_its_alarm_is_off():
    from core.lessons.checks import read_check

    check = read_check('steps >= 1 and not alarm "collapse"')
    verdict = check.verdict({"steps": 1, "alarms": {"stalled"}})
    assert [(c.text, c.holds) for c in verdict.clauses] == [
        ("steps >= 1", True),
        ('not alarm "collapse"', True),
    ]
    assert not check.verdict({"steps": 1, "alarms": {"collapse"}}).passed
