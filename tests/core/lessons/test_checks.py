"""The language of checks, and the facts that it uses."""

from __future__ import annotations

import math
import random
import re

import pytest

from core.errors import RequestError
from core.lessons.checks import read_check
from core.lessons.fact_names import PLAIN
from core.lessons.facts import facts_of
from core.runs.diagnostics import alarms
from core.runs.setup import Setup


def test_checks_agree_with_python_on_random_expressions():
    chance = random.Random(0)
    names = ["train_f", "test_r", "steps"]

    def some(deep: int) -> str:
        if deep == 0 or chance.random() < 0.3:
            a, b = chance.choice(names), chance.choice([*names, "0.5", "2 * 0.25", "(train_f + 0.1)"])
            return f"{a} {chance.choice(['<', '<=', '>', '>=', '==', '!='])} {b}"
        if chance.random() < 0.2:
            return f"not ({some(deep - 1)})"
        return f"({some(deep - 1)}) {chance.choice(['and', 'or'])} ({some(deep - 1)})"

    for _ in range(300):
        text = some(3)
        facts = {n: chance.choice([0.0, 0.25, 0.5, 0.75, 1.0]) for n in names}
        assert read_check(text).verdict({**facts, "alarms": frozenset()}).passed == eval(text, {}, facts), (
            text
        )


@pytest.mark.parametrize(
    ("text", "facts", "passed"),
    [
        ("train_f < 2 %", {"train_f": 0.019}, True),
        ('alarm "Collapse"', {"alarms": {"collapse"}}, True),
        ('not alarm "collapse"', {"alarms": {"collapse"}}, False),
        ("js < 0.5", {"js": None}, False),
        ("not js < 0.5", {"js": None}, False),
        ("js < 0.5 or steps > 1", {"js": None, "steps": 2}, True),
        ("0.1 < train_f < 0.3", {"train_f": 0.2}, True),
        ('losses == "ue"', {"losses": "ue"}, True),
        ("lr_ra / lr_ue >= 2", {"lr_ra": 1.0, "lr_ue": 0.0}, False),
        ("steps > 1 or steps > 5 and steps > 9", {"steps": 2}, True),
    ],
)
def test_what_checks_say(text, facts, passed):
    assert read_check(text).verdict(facts).passed is passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train_x < 1", "did you mean 'train_r'"),
        ("train_f", "a comparison such as < 0.02 is missing"),
        ("train_f < ", "at the end"),
        ('__import__("os").system("x")', "cannot be read"),
        ("alarm collapse", 'write alarm "collapse"'),
        ("(" * 40 + "steps > 1" + ")" * 40, "nested more than 20 deep"),
        ("steps > 1 steps > 2", "expected the end"),
        ("steps > 1; steps", "cannot be read"),
        ("steps > 1 or " * 60 + "steps > 1", "at most 500 characters"),
    ],
)
def test_a_wrong_check_is_told_in_one_sentence(text, said):
    with pytest.raises(RequestError, match=re.escape(said)):
        read_check(text)


def test_facts_are_those_of_the_run(unlearned, class_split, digits_model):
    from core.config import EvalConfig
    from core.methods import LAF
    from core.runs.observer import Observer
    from core.runs.run import Run

    observer = Observer(class_split, digits_model, EvalConfig.preset("digits"), seed=0)
    run = Run(LAF(), digits_model, class_split, seed=0, observer=observer)
    while len(run.steps) < 30:
        run.advance()
    other = observer.original.reading
    found = facts_of(run, Setup(), [other], fork=run)
    last = run.frames[-1].reading
    assert set(PLAIN) <= {*found, *(k for k in PLAIN if "measurement" in PLAIN[k])}
    assert found["train_f"] == last.train_f == found["fork.train_f"]
    assert found["original.test_r"] == other.test_r == found["retrained.test_r"]
    assert found["lowest.test_r"] == min(f.reading.test_r for f in run.frames)
    assert found["alarms"] == {a.name.lower() for a in alarms(run, [other])}
    assert (found["tau"], found["lr_ra"], found["steps"]) == (run.config.temperature, run.config.lr_ra, 30)
    assert found["vae_last"] == run.progress["vae"].curve[-1]
    assert found["vae_last"] < found["vae_first"]
    assert math.isclose(
        found["angle_f"], sorted_median(run.frames[-1].angles[observer.evaluator.is_forget.numpy()])
    )


def sorted_median(values) -> float:
    ordered = sorted(map(float, values))
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
