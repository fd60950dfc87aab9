"""KLoM, probes by layer, harm to the nearest and the strongest attack, as a report has them, against values made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, roc_auc_score

from core.config import EvalConfig
from core.data import forget_fraction
from core.evaluation.evaluator import Evaluator
from core.evaluation.measuring.beside import against_references
from core.evaluation.measuring.measurements import measure_model
from core.evaluation.measuring.sample import EvaluationSample
from core.evaluation.metric_specs import metric_band
from core.evaluation.representations.layer_probes import probe_auc
from core.evaluation.representations.similarity import layer_features
from core.models.base import outputs
from core.models.registry import build
from core.runs.reference_models import references
from core.runtime.progress import run_to_end
from tests import toys
from tests.core.evaluation.answers.test_klom import by_numpy


@pytest.fixture(scope="module")
def known(toy_split, toy_model):
    return references(toy_split, toy_model, count=3, seed=0)


@pytest.fixture(scope="module")
def other(toy_split):
    """A model that nobody trained."""
    return build("digits-cnn", (1, 8, 8), 4, seed=3)


@pytest.fixture(scope="module")
def report(toy_split, toy_model, known, other):
    return run_to_end(Evaluator(toy_split, toy_model, known).judge(other))


def margins(model, images):
    p = outputs(model, images).probabilities.double().numpy()
    own = p[np.arange(len(p)), images.y.numpy()]
    return np.log(own / (p.sum(1) - own))


def test_klom_is_by_hand_leaving_one_reference_out_and_its_floor_is_the_references(toy_split, other):
    sample = EvaluationSample(toy_split, 0)
    base = run_to_end(measure_model(other, sample, EvalConfig()))
    g = torch.Generator().manual_seed(0)
    n = len(sample.forget)
    models = [replace(base, forget=torch.randn(n, 4, generator=g).softmax(1)) for _ in range(9)]
    y = toy_split.train.y[sample.forget].numpy()

    def margin(p):
        own = p.double().numpy()[np.arange(n), y]
        return np.log(own / (1 - own))

    mine, *theirs = (margin(m.forget) for m in models)

    def alone(one, others):
        return np.array([by_numpy(one[i : i + 1], np.array([t[i] for t in others])) for i in range(n)])

    values = np.mean([alone(mine, [t for t in theirs if t is not out]) for out in theirs], 0)
    floor = [alone(t, [o for o in theirs if o is not t]).mean() for t in theirs]
    found, of_each = against_references(models[0], models[1:], sample)
    assert found["klom_f"] == pytest.approx(values.mean(), abs=1e-4)
    assert found["klom_f_95"] is None or found["klom_f_95"] == pytest.approx(
        np.percentile(values, 95), abs=1e-4
    )
    assert [v["klom_f"] for v in of_each] == pytest.approx(floor, abs=1e-4)
    assert max(floor) < 11  # not at its most


def test_a_klom_at_its_most_among_retrained_models_is_no_number(report, toy_split, known):
    theirs = [margins(r.model, toy_split.forget) for r in known]
    tails = []
    for t in theirs:
        others = [o for o in theirs if o is not t]
        each = [by_numpy(t[i : i + 1], np.array([o[i] for o in others])) for i in range(len(t))]
        tails.append(np.percentile(each, 95))
    assert min(tails) == pytest.approx(-np.log(1e-5))  # two others fill two bins of twenty
    assert report.figures["klom_f_95"].value is None
    assert "too few" in report.figures["klom_f_95"].why


def test_a_band_of_klom_that_holds_every_model_is_none():
    assert metric_band("klom_f", [10.0, 10.4, 11.0, 10.2]) is None
    assert metric_band("klom_f", [5.0, 5.2, 5.1, 4.9]).high < 6


def test_harm_is_read_on_the_nearest_by_the_originals_representation(
    report, toy_split, toy_model, known, other
):
    e_r = outputs(toy_model, toy_split.remain).representations.double().numpy()
    e_f = outputs(toy_model, toy_split.forget).representations.double().numpy()
    unit = [e / np.linalg.norm(e, axis=1, keepdims=True) for e in (e_r, e_f)]
    nearest = np.argsort(-(unit[0] @ unit[1].T).max(1))[: len(e_r) // 10]
    images = toy_split.remain.take(torch.from_numpy(nearest.copy()))
    right = [
        float((outputs(m, images).predictions == images.y).double().mean())
        for m in (other, *(r.model for r in known))
    ]
    assert report.figures["near_r"].value == pytest.approx(right[0])
    assert report.figures["near_r"].band.values == pytest.approx(right[1:])
    sample = EvaluationSample(toy_split, 0)
    rows = toy_split.remain_rows[nearest]
    unseen = toy_split.test.take(sample.test[sample.unseen_like(rows)])
    assert set(unseen.y.tolist()) == set(images.y.tolist())
    scores = np.r_[margins(other, images), margins(other, unseen)]  # in the order of the loss
    expected = roc_auc_score(np.r_[np.ones(len(images)), np.zeros(len(unseen))], scores)
    assert report.figures["near_auc"].value == pytest.approx(expected, abs=1e-6)


def test_probes_stand_beside_the_originals_and_the_retrained_models(report, toy_split, toy_model, other):
    sample = EvaluationSample(toy_split, 0)
    forget = layer_features(other, sample.deep("forget"))
    unseen = layer_features(other, sample.unseen)
    found = {p.layer: p for p in report.layer_probes if p.against == "unseen"}
    assert found.keys() == forget.keys()
    for layer, probe in found.items():
        assert probe.auc == pytest.approx(probe_auc(forget[layer], unseen[layer]), abs=1e-6)
        assert len(probe.references) == 3
    assert report.figures["layer_probe"].value == pytest.approx(max(p.excess for p in found.values()))
    assert {p.against for p in report.layer_probes} == {"unseen", "remaining"}  # whole classes are forgotten


def test_changes_of_answers_and_the_strongest_attack_are_in_the_report(report, toy_split, toy_model, other):
    changes = report.answer_changes["forget"]
    before, now = (outputs(m, toy_split.train.take(changes.rows)).predictions for m in (toy_model, other))
    np.testing.assert_array_equal(changes.matrix, confusion_matrix(before, now, labels=range(4)))
    assert report.figures["attack_p"].value == report.strongest.corrected
    assert report.strongest.attacks == len(report.attacks)
    plain = report.as_dict()
    assert plain["strongest_attack"]["p_corrected"] == report.strongest.corrected
    assert np.array(plain["answer_changes"]["remain"]).sum() == len(toy_split.remain_rows)


def test_a_sample_smaller_than_the_attacks_sets_changes_no_auc(toy_split, monkeypatch):
    split = forget_fraction(toys.dataset(), [0, 1], 0.5)
    model = toys.model(split)
    whole = run_to_end(Evaluator(split, model).judge(model))
    monkeypatch.setattr(
        "core.evaluation.measuring.sample.MAX_IMAGES", {"remain": 30, "forget": 25, "test": 20}
    )
    part = run_to_end(Evaluator(split, model, seed=4).judge(model))
    assert {n: r.auc for n, r in part.attacks.items()} == {n: r.auc for n, r in whole.attacks.items()}
    assert part.figures["train_r"].value is not None
