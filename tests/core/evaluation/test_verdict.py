"""The verdict: each way to fail is told with what happened, why and what to try, and success is told as such."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RequestError
from core.evaluation.attacks.frame_attack import AttackReport
from core.evaluation.metrics import Report
from core.evaluation.verdict import FORGET_MARGIN, PRICE_MARGIN, Verdict, verdict

NO_ATTACK = AttackReport(None, None, None, None, None, 0, 0)


def report(train_r=0.99, train_f=0.98, test=0.96, test_r=0.96, js=0.0, clean_f=None, classes=10) -> Report:
    answers = (1.0,) + (0.0,) * (classes - 1)
    nothing = torch.zeros(1, classes)
    return Report(
        train_r, train_f, test, test_r, 0.5, NO_ATTACK, answers, nothing, clean_f, js_to_references=(js,)
    )


ORIGINAL = report(js=0.6)
RETRAINED = report(train_f=0.0, test=0.87, test_r=0.97, js=0.05)


def codes(found: Verdict) -> list[str]:
    return [finding.code for finding in found.findings]


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and text.count(". ") == 0


@pytest.mark.parametrize(
    ("unlearned", "expected"),
    [
        (report(train_f=0.0, test_r=0.95, js=0.3), ["forgotten"]),
        (report(train_f=FORGET_MARGIN, test_r=0.96, js=0.3), ["forgotten"]),
        (report(train_f=0.98, js=0.6), ["not forgotten"]),
        (report(train_f=0.95, js=0.6), ["not forgotten"]),
        (report(train_f=0.30, js=0.5), ["partly forgotten"]),
        (report(train_f=0.0, test_r=0.80, js=0.5), ["price"]),
        (report(train_f=0.50, test_r=0.50, js=0.5), ["partly forgotten", "price"]),
    ],
)
def test_class_removal_is_told_by_train_f_and_by_test_r(unlearned, expected):
    found = verdict("class", ORIGINAL, [RETRAINED], unlearned, steps=8)
    assert codes(found) == expected
    assert found.is_success == (expected == ["forgotten"])


def test_an_unknown_task_is_no_data_removal():
    with pytest.raises(RequestError, match="unknown task 'klass'; there are: class, data, noise, indices"):
        verdict("klass", ORIGINAL, [RETRAINED], ORIGINAL, steps=1)


def test_a_class_that_the_original_never_recognised_is_not_called_forgotten():
    found = verdict("class", report(train_f=0.0, js=0.03), [RETRAINED], report(train_f=0.0, js=0.3), steps=8)
    assert codes(found) == ["no gain"]
    assert found.describe().startswith("There was nothing to forget: the original recognises 0.0 %")
    assert found.is_success
    worse = verdict("class", report(train_f=0.0), [RETRAINED], report(train_f=0.5), steps=8)
    assert codes(worse) == ["not forgotten"]


def test_a_later_request_pays_for_what_earlier_ones_cost():
    worn = replace(report(train_f=0.5, test=0.85, js=0.5), newest_f=0.98)
    ends = replace(report(train_f=0.5, test=0.85, js=0.4), newest_f=0.5)
    gold = replace(report(train_f=0.5, test=0.96), newest_f=0.5)
    assert codes(verdict("indices", worn, [gold], ends, steps=10)) == ["price"]
    first = [replace(r, newest_f=None) for r in (worn, gold, ends)]
    assert "price" not in codes(verdict("indices", first[0], [first[1]], first[2], steps=10))


def test_a_run_that_forgot_nothing_says_so_with_its_steps_and_what_to_try():
    found = verdict("class", ORIGINAL, [RETRAINED], report(train_f=0.98), steps=8)
    assert found.describe() == (
        "Nothing was forgotten: the model recognises 98.0 % of the forgotten images. "
        "The original recognises 98.0 %, and retrained models recognise 0.0 %. The run made 8 steps. "
        "Try more steps, or higher learning rates."
    )


@pytest.mark.parametrize(
    ("clean_f", "expected"),
    [
        (0.50, "not forgotten"),
        (0.54, "not forgotten"),
        (0.70, "partly forgotten"),
        (0.80, "forgotten"),
        (0.95, "forgotten"),
    ],
)
def test_noisy_labels_must_come_two_thirds_of_the_way_in_true_labels(clean_f, expected):
    original, retrained = report(train_f=0.3, clean_f=0.5), report(train_f=0.0, clean_f=0.95)
    found = verdict("noise", original, [retrained], report(train_f=0.0, clean_f=clean_f), steps=100)
    assert codes(found) == [expected]


@pytest.mark.parametrize(
    ("unlearned", "expected"),
    [
        (report(train_f=0.90, test=0.95, js=0.004), "forgotten"),
        (report(train_f=0.98, test=0.96, js=0.010), "no gain"),
        (report(train_f=0.98, test=0.96, js=0.200), "farther"),
        (report(train_f=0.60, test=0.95, js=0.010), "farther"),
    ],
)
@pytest.mark.parametrize("task", ["data", "indices"])
def test_data_removal_is_told_beside_doing_nothing(task, unlearned, expected):
    original, retrained = report(js=0.010), report(train_f=0.90, test=0.95, js=0.004)
    found = verdict(task, original, [retrained], unlearned, steps=20)
    assert codes(found) == [expected]
    assert found.is_success == (expected in ("forgotten", "no gain"))


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        (0.0, "not forgotten"),
        (0.4, "not forgotten"),
        (0.6, "not forgotten"),
        (0.8, "no gain"),
        (0.96, "no gain"),
    ],
)
def test_a_run_that_changed_nothing_is_no_success_where_retrained_models_do_not_know_the_images(
    gold, expected
):
    still = report(train_f=0.98, js=0.3)
    found = verdict("indices", still, [report(train_f=gold, js=0.05)], still, steps=1)
    assert codes(found) == [expected]
    assert found.is_success == (expected == "no gain")
    assert f"retrained models recognise {100 * gold:.1f} %" in str(found).lower()


@pytest.mark.parametrize(("train_f", "expected"), [(0.95, "partly forgotten"), (0.5, "forgotten")])
def test_a_run_that_came_nearer_is_no_success_while_it_recognises_far_more_than_retrained_models(
    train_f, expected
):
    original, now = report(train_f=0.98, js=0.3), report(train_f=train_f, js=0.2)
    found = verdict("indices", original, [report(train_f=0.36)], now, steps=20)
    assert codes(found) == [expected]
    assert found.is_success == (expected == "forgotten")


@pytest.mark.parametrize("pixels", [None, 0.4])
def test_an_original_that_did_not_learn_is_told(pixels):
    weak = report(train_r=0.2, train_f=0.1, test=0.13 if pixels is None else 0.3, test_r=0.13, js=0.1)
    gone = report(train_r=0.2, train_f=0.0, test=0.13, test_r=0.13, js=0.1)
    found = verdict("class", weak, [gone], gone, steps=8, pixel_accuracy=pixels)
    assert codes(found) == ["original"]
    said = found.describe()
    assert ("40.0 %" in said) if pixels else ("10.0 %" in said)
    assert ("hardly learnt" in said) is (
        pixels is None
    )  # 30 % is more than guessing, and less than nearest neighbours


def test_without_retrained_models_there_is_no_verdict():
    with pytest.raises(ValueError, match="at least one"):
        verdict("class", ORIGINAL, [], ORIGINAL, steps=1)


share = st.floats(0, 1)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.sampled_from(["class", "data", "noise", "indices"]),
    st.lists(st.tuples(share, share, share, share, st.floats(0, 0.69), share), min_size=3, max_size=5),
)
def test_any_accuracies_make_plain_sentences_and_a_price_only_beyond_the_margin(task, values):
    made = [report(a, b, c, d, js, f) for a, b, c, d, js, f in values]
    original, unlearned, *retrained = made
    found = verdict(task, original, retrained, unlearned, steps=1)
    assert found.findings
    for finding in found.findings:
        assert is_one_sentence(finding.what)
        assert not finding.advice or is_one_sentence(finding.advice)
    name = "test_r" if task == "class" else "test"
    gold = sum(getattr(r, name) for r in retrained) / len(retrained)
    paid = min(getattr(original, name), gold) - getattr(unlearned, name)
    assert ("price" in codes(found)) == (paid > PRICE_MARGIN)
    assert found.as_dict()["success"] == found.is_success
