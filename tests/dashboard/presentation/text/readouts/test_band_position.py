"""The band of retrained models on the page: rows, places and sentences against hand-made models and an independent formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import t

from core.evaluation.attacks import AttackReport
from core.evaluation.metrics import Reading
from core.methods.step import Step
from dashboard.presentation.text.readouts import loss_charts, status_text
from dashboard.presentation.text.readouts.band_position import ReferenceBands, ordinal

CLASSES = list("0123456789")
COUNTS = dict.fromkeys(
    (
        "remain_train",
        "forget_train",
        "one_answer",
        "clean_f",
        "planted",
        "remain_test",
        "forget_test",
        "test",
    ),
    200,
)


def probabilities(*, answer: int, sure: float, n: int = 40) -> torch.Tensor:
    p = torch.full((n, 10), (1 - sure) / 9)
    p[:, answer] = sure
    return p


def model(*, answer: int = 1, sure: float = 0.7, **values) -> Reading:
    attack = AttackReport(0.5, 0.5, 0.4, 0.6, None, 100, 100)
    made = Reading(
        train_r=0.99,
        train_f=0.0,
        test=0.9,
        test_r=0.98,
        test_f=0.0,
        attack=attack,
        answers=tuple(0.6 if k == answer else 0.4 / 9 for k in range(10)),
        forget_probabilities=probabilities(answer=answer, sure=sure),
    )
    return replace(made, **values)


ORIGINAL = model(answer=0, sure=0.99, train_f=1.0, test_f=0.97, answers=(1.0, *[0.0] * 9))
RETRAINED = [
    model(sure=s, train_r=v, test_r=v - 0.01)
    for s, v in zip((0.6, 0.62, 0.65, 0.7, 0.71), (0.985, 0.99, 0.992, 0.995, 0.999), strict=True)
]


def bands(task="class", references=RETRAINED, **options) -> ReferenceBands:
    return ReferenceBands.of(task, references, COUNTS, **options)


def told(reading, references=RETRAINED, task="class", original=ORIGINAL, **options):
    by = bands(task, references, **options)
    waiting = status_text.waiting(len(by.references), by.total)
    return status_text.sentence(task, by.compare(reading), by.compare(original), by, CLASSES, waiting)


def prediction_interval(values, step):
    """Hahn and Meeker, with numpy and scipy."""
    k = len(values)
    spread = np.sqrt((np.var(values, ddof=1) + step**2 / 12) * (1 + 1 / k))
    half = t(k - 1).interval(0.95)[1] * spread
    return np.mean(values) - half, np.mean(values) + half


def test_the_band_of_a_row_is_a_prediction_interval_widened_by_one_image():
    spec = next(s for s in bands().specs() if s["key"] == "remain_train")
    values = [0.985, 0.99, 0.992, 0.995, 0.999]
    low, high = prediction_interval(values, 1 / 200)
    assert spec["reference"] == values
    assert spec["band"] == pytest.approx([low, min(1.0, high)])


@pytest.mark.parametrize(("value", "inside"), [(0.98, True), (0.99, True), (0.97, False)])
def test_a_place_is_inside_or_so_many_points_from_the_nearer_end(value, inside):
    found = bands().compare(model(train_r=value)).positions_in_band["remain_train"]
    values = [0.985, 0.99, 0.992, 0.995, 0.999]
    low, _ = prediction_interval(values, 1 / 200)
    assert found.inside is inside
    if inside:
        scale = np.sqrt((np.var(values, ddof=1) + (1 / 200) ** 2 / 12) * 1.2)
        percentile = 100 * t(4).cdf((value - np.mean(values)) / scale)
        assert found.text == "typical"
        assert f"{ordinal(percentile)} percentile of 5" in found.words
    else:
        assert found.text == f"{100 * (low - value):.1f} below"
        assert found.gap == pytest.approx(value - low)


def test_one_retrained_model_makes_no_band_and_nothing_is_called_inside():
    by = bands(references=RETRAINED[:1], total=5)
    found = by.compare(RETRAINED[0]).positions_in_band
    assert all(s.inside is None for s in found.values())
    assert all("one retrained model: no band yet" in s.words for s in found.values())
    assert all(s["band"] is None for s in by.specs())
    said = told(RETRAINED[0], RETRAINED[:1], total=5)
    assert "1 of 5 are ready" in said["more"]


def test_while_none_is_retrained_the_sentence_says_how_many_there_will_be():
    said = told(ORIGINAL, [], total=5)
    assert said["more"] == "Comparing with retrained models: 0 of 5 are ready."
    assert bands(references=[], total=5).compare(ORIGINAL).positions_in_band == {}


@pytest.mark.parametrize(
    ("auc", "interval", "inside"),
    [(0.5, (0.4, 0.6), True), (0.75, (0.53, 0.85), None), (0.75, (0.7, 0.8), False)],
)
def test_an_auc_is_above_only_where_its_interval_leaves_the_band(auc, interval, inside):
    references = [
        replace(r, attack=replace(r.attack, auc=a))
        for r, a in zip(RETRAINED, (0.49, 0.5, 0.5, 0.51, 0.52), strict=True)
    ]
    attack = AttackReport(0.5, auc, *interval, None, 100, 100)
    found = bands(references=references).compare(model(attack=attack)).positions_in_band["auc"]
    assert found.inside is inside
    assert ("above" in found.text) is (inside is False)
    if inside is None:
        assert found.text == "cannot tell"


def test_the_js_band_is_each_retrained_models_mean_distance_to_the_others():
    spec = bands().specs()[-1]
    assert spec["key"] == "js"

    def js(a, b):
        p, q = a.forget_probabilities[0].double().numpy(), b.forget_probabilities[0].double().numpy()
        return jensenshannon(p, q) ** 2  # all images are alike

    expected = [np.mean([js(r, o) for o in RETRAINED if o is not r]) for r in RETRAINED]
    assert spec["reference"] == pytest.approx(expected, abs=1e-6)
    k = len(expected)
    half = (prediction_interval(expected, 0)[1] - np.mean(expected)) * (k - 1) / (k - 2)  # they share pairs
    high = np.mean(expected) + half
    assert spec["band"] == pytest.approx([0.0, high], abs=1e-6)
    assert bands(references=RETRAINED[:2]).specs()[-1]["band"] is None  # one distance is no band


def test_retrained_models_are_inside_their_band_and_the_original_is_not():
    by = bands()
    for reading in RETRAINED:
        assert not [k for k in by.compare(reading).is_outside() if k != "js"]
    assert {"forget_train", "forget_test", "js"} <= set(by.compare(ORIGINAL).is_outside())


def test_a_band_has_a_colour_only_once_every_retrained_model_is_there():
    for count, tone in ((4, "none"), (5, "inside")):
        by = bands(references=RETRAINED[:count], total=5)
        place = by.compare(RETRAINED[2]).positions_in_band["remain_train"]
        assert place.inside is True
        assert place.as_dict(is_final=by.is_complete)["tone"] == tone


@pytest.mark.parametrize(
    ("reading", "head", "more"),
    [
        (
            ORIGINAL,
            "100 % of the images to forget are still recognised.",
            "100 % before; 0 % after retraining.",
        ),
        (
            model(answer=7, sure=0.99, answers=tuple(float(k == 7) for k in range(10))),
            "0 % of the images to forget are still recognised.",
            "100 % of them are called 7; retrained models call 60 % of them 1.",
        ),
    ],
)
def test_a_step_is_described_and_not_judged(reading, head, more):
    said = told(reading)
    assert (said["head"], said["tone"]) == (head, "neutral")
    assert said["more"].endswith(more)


@pytest.mark.parametrize(
    ("spent", "seconds", "wanted"),
    [
        (1.0, [2.0, 4.0], "2.0 times as long"),
        (3.0, [2.0, 4.0], "about as long"),
        (1.95, [2.0, 4.0], "about as long"),  # not "1.0 times as long"
        (5.0, [2.0, 4.0], "not cheaper here"),
        (0.0001, [2.0], "more than 100 times"),
        (1.0, [], "still running"),
    ],
)
def test_the_clock_claims_only_what_all_retrained_models_allow(spent, seconds, wanted):
    assert wanted in status_text.clock(spent, seconds, done=True)


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1st"), (2, "2nd"), (13, "13th"), (62, "62nd"), (50, "50th"), (0, "1st"), (100, "99th")],
)
def test_percentiles_are_words(n, text):
    assert ordinal(n) == text


def test_other_methods_losses_are_shown_as_they_are_and_lafs_per_image():
    step = Step(1, 2, 1, "unlearn", {"remain": 0.5, "forget_kl": 2.0}, {"both": 3.0})
    assert loss_charts.loss_terms(step) == {
        "loss_remain": 0.5,
        "loss_forget_kl": 2.0,
        "grad_both": 3.0,
        "cosine": None,
    }
    charts = loss_charts.loss_charts("scrub", [step])
    assert [c["name"] for c in charts] == ["losses", "gradients, log"]
    assert [line[0] for c in charts for line in c["lines"]] == ["loss_remain", "loss_forget_kl", "grad_both"]
    assert [line[2] for line in charts[0]["lines"]] == ["remain", "forget"]
    assert loss_charts.loss_charts("nothing", [Step(1, 1, 1, "unlearn", {}, {})]) == []
    assert len(loss_charts.loss_charts("laf", [])) == 5
    laf = Step(
        1, 2, 1, "unlearn", {"ue": 6.0, "ue_remain": 4.0}, {"ue": 1.0}, 0.5, {"remain": 8, "forget": 4}
    )
    assert loss_charts.loss_terms(laf) == {"ue_remain": 0.5, "grad_ue": 1.0, "cosine": 0.5}
    repair = Step(3, 3, 1, "repair", {"cross_entropy": 0.25}, {})
    assert loss_charts.loss_terms(repair)["loss_cross_entropy"] == 0.25
    assert loss_charts.loss_charts("laf+r", [])[-1]["lines"][0][0] == "loss_cross_entropy"
