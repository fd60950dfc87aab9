"""An evaluation: its metrics against independent computations, its band, its slices."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix

from core.config import TrainConfig
from core.data import forget_fraction, forget_indices, forget_noisy, plant
from core.errors import DivergedError, RequestError
from core.evaluation.evaluator import Evaluator
from core.evaluation.metric_specs import METRIC_SPECS
from core.evaluation.metrics import FrameEvaluator, jensen_shannon
from core.evaluation.reference_band import Retrained, band
from core.evaluation.representations.similarity import rotation_from_original
from core.models.base import outputs
from core.models.registry import build
from core.runtime.progress import run_to_end
from core.training.supervised import copy_of, train
from tests import toys


def others(split, count=3):
    """Models that were trained on D_r with seeds of their own."""
    return [Retrained(i, train(_rest(split), seed=10 + i, config=toys.TRAIN), 0.5) for i in range(count)]


def _rest(split):
    from dataclasses import replace

    return replace(split, dataset=replace(split.dataset, train=split.remain), remain_rows=torch.arange(0))


@pytest.fixture(scope="module")
def known(toy_split):
    return others(toy_split)


@pytest.fixture(scope="module")
def evaluator(toy_split, toy_model, known):
    return Evaluator(toy_split, toy_model, known)


@pytest.fixture(scope="module")
def report(evaluator, known):
    """Another retrained model, as if it were unlearned."""
    return run_to_end(evaluator.judge(train(_rest(evaluator.split), seed=50, config=toys.TRAIN)))


def answers_of(model, images):
    with torch.no_grad():
        return model.eval()(images.x.float() / images.white).argmax(1).numpy()


def test_accuracies_and_matrices_are_scikit_learns(evaluator, toy_split, toy_model):
    found = run_to_end(evaluator.judge(toy_model))
    for key, images in (
        ("train_r", toy_split.remain),
        ("train_f", toy_split.forget),
        ("test", toy_split.test),
    ):
        assert found.figures[key].value == pytest.approx(
            accuracy_score(images.y, answers_of(toy_model, images))
        )
    said = answers_of(toy_model, toy_split.test)
    expected = confusion_matrix(toy_split.test.y, said, labels=range(4))
    np.testing.assert_array_equal(found.prediction_matrix["test"], expected)
    assert found.prediction_matrix["forget"].sum() == len(toy_split.forget_rows)
    np.testing.assert_allclose(found.class_accuracy, expected.diagonal() / expected.sum(1))


def test_js_and_the_spread_are_those_of_the_answers_to_all_of_d_f(evaluator, toy_split, toy_model, known):
    found = run_to_end(evaluator.judge(toy_model)).figures
    p = outputs(toy_model, toy_split.forget).probabilities
    pairs = [jensen_shannon(p, outputs(r.model, toy_split.forget).probabilities) for r in known]
    assert found["js"].value == pytest.approx(np.mean(pairs), abs=1e-6)
    mean = p.double().mean(0).numpy()
    assert found["spread"].value == pytest.approx(-(mean * np.log(mean)).sum(), abs=1e-6)


def test_the_original_is_itself(evaluator, toy_model):
    found = run_to_end(evaluator.judge(toy_model))
    assert found.figures["cka_original"].value == pytest.approx(1, abs=1e-6)
    assert found.figures["angle"].value == pytest.approx(0, abs=1e-3)
    assert found.figures["angle_ratio"].value is None
    assert "did not move" in found.figures["angle_ratio"].why
    assert all(s.to_original == pytest.approx(1, abs=1e-6) for s in found.cka)
    assert found.attacks["learned"].auc == found.attacks["learned"].original_auc


def test_figures_come_in_their_order_and_those_that_mean_nothing_here_are_left_out(report):
    assert [k for k in METRIC_SPECS if k not in ("clean_f", "planted")] == list(report.figures)
    assert [k for k, f in report.figures.items() if f.summary] == ["average_gap", "tug_of_war"]


def test_the_summaries_are_their_formulas(evaluator, report, known):
    means = {k: np.mean(report.figures[k].band.values) for k in ("train_r", "train_f", "test")}
    gaps = [abs(report.figures[k].value - m) for k, m in means.items()]
    assert report.figures["average_gap"].value == pytest.approx(np.mean(gaps))
    assert report.figures["tug_of_war"].value == pytest.approx(math.prod(1 - g for g in gaps))


def test_a_reference_is_judged_against_the_others(evaluator, known, report):
    found = run_to_end(evaluator.judge(known[1].model, reference=1))
    assert found.references == 2
    assert report.references == 3
    assert found.figures["train_r"].band.values == tuple(
        report.figures["train_r"].band.values[i] for i in (0, 2)
    )
    assert len(found.attacks["loss"].reference_aucs) == 2
    with pytest.raises(RequestError, match="number 7"):
        run_to_end(evaluator.judge(known[0].model, reference=7))


def test_probe_and_relearning_are_less_the_mean_of_the_retrained(report):
    for key in ("probe", "relearn"):
        assert sum(report.figures[key].band.values) == pytest.approx(0, abs=1e-9)


def test_without_retrained_models_there_are_values_and_no_band(toy_split, toy_model):
    found = run_to_end(
        Evaluator(toy_split, toy_model).judge(toy_model, seconds={"a": 1.5, "b": 2}, peak_memory_mb=70)
    )
    assert found.figures["train_r"].band is None
    assert found.figures["train_r"].value is not None
    assert found.figures["js"].value is None
    assert found.figures["js"].why
    assert (found.figures["seconds"].value, found.figures["peak_memory_mb"].value) == (3.5, 70)
    json.dumps(found.as_dict(), allow_nan=False)


def test_references_are_measured_once_and_work_comes_in_slices(evaluator, report, toy_model):
    slices = list(evaluator.judge(toy_model))
    again = list(Evaluator(evaluator.split, toy_model, evaluator.references).judge(toy_model))
    assert len(again) > 2 * len(slices) > 6
    assert all(0 <= s.done <= s.total for s in again)


def test_nothing_global_moves_and_no_model_changes(evaluator, toy_model):
    before = toys.weights(toy_model)
    state = torch.get_rng_state()
    a = run_to_end(evaluator.judge(toy_model)).as_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert toys.same(before, toys.weights(toy_model))
    assert a == run_to_end(evaluator.judge(toy_model)).as_dict()


def test_a_model_without_numbers_is_said_to_have_none(evaluator, toy_model):
    broken = copy_of(toy_model)
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    with pytest.raises(DivergedError, match="the model is no longer a number"):
        run_to_end(evaluator.judge(broken))


def test_another_original_keeps_what_is_known_of_the_references(evaluator, toy_split, toy_model):
    other = build("digits-cnn", (1, 8, 8), 4, seed=9)
    run_to_end(evaluator.judge(toy_model))
    twin = evaluator.of_original(other)
    assert len(list(twin.judge(other))) < 40
    assert run_to_end(twin.judge(other)).figures["cka_original"].value == pytest.approx(1, abs=1e-6)
    assert run_to_end(evaluator.judge(toy_model)).figures["cka_original"].value == pytest.approx(1, abs=1e-6)


def test_noise_has_clean_labels_and_a_plant_its_sign():
    data = toys.dataset()
    noisy = forget_noisy(data, [0, 1], 0.5, seed=0)
    model = train(noisy, seed=0, config=toys.TRAIN)
    found = run_to_end(Evaluator(noisy, model).judge(model)).figures
    said = answers_of(model, noisy.forget)
    assert found["clean_f"].value == pytest.approx(np.mean(said == noisy.clean_y[noisy.forget_rows].numpy()))
    planted = plant(data, "trigger", seed=0)
    model = train(planted, seed=0, config=TrainConfig("digits-cnn", epochs=2, batch_size=32))
    assert 0 <= run_to_end(Evaluator(planted, model).judge(model)).figures["planted"].value <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda d: forget_fraction(d, [0, 1], 0.5),
        lambda d: forget_noisy(d, [0, 1], 0.5, seed=0),
        lambda d: plant(d, "trigger", seed=0),
        lambda d: plant(d, "duplicates", seed=0),
    ],
    ids=["data", "noise", "trigger", "duplicates"],
)
def test_a_frame_and_a_report_attack_the_same_images(make):
    split = make(toys.dataset())
    model = train(split, seed=0, config=toys.TRAIN)
    frame = FrameEvaluator(split, seed=3).measure(model).reading.attack
    found = run_to_end(Evaluator(split, model, seed=4).judge(model)).attacks["learned"]
    assert (frame.members, frame.non_members) == (found.members, found.non_members)
    assert frame.auc == found.auc
    if frame.auc is not None:
        assert (frame.auc_low, frame.auc_high) == pytest.approx(found.image_interval)


def test_a_few_images_get_scores_of_their_own(toy_split):
    split = forget_indices(toys.dataset(), [3, 8, 21])
    model = toys.model(split)
    found = run_to_end(Evaluator(split, model, others(split)).judge(model))
    assert found.per_image.ids.tolist().sort() == [3, 8, 21].sort()
    assert all(a.auc is None and a.why for a in found.attacks.values())
    assert found.figures["relearn"].value is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_more_images_get_none(toy_split):
    split = forget_fraction(toys.dataset(), [0, 1], 0.9)
    model = toys.model(split)
    assert run_to_end(Evaluator(split, model, others(split, 2)).judge(model)).per_image is None


# angles in any coordinate system


def test_a_turned_copy_did_not_move_and_a_moved_group_did():
    g = torch.Generator().manual_seed(0)
    f0, r0 = torch.randn(50, 8, generator=g), torch.randn(200, 8, generator=g)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=g))[0]
    angle, ratio = rotation_from_original(f0 @ rotation, r0 @ rotation, f0, r0)
    assert angle == pytest.approx(0, abs=1e-2)
    assert ratio is None
    shake = 0.1 * torch.randn(200, 8, generator=g)
    angle, ratio = rotation_from_original(-f0 @ rotation, (r0 + shake) @ rotation, f0, r0)
    assert angle == pytest.approx(180, abs=2)
    assert ratio > 10


# the band


def test_a_pairwise_band_makes_up_for_the_pairs_that_means_share():
    values = [0.2, 0.25, 0.31]
    plain, pairs = band(values), band(values, pairwise=True)
    assert pairs.scale == pytest.approx(2 * plain.scale)  # (k - 1) / (k - 2)
    assert band(values[:2], pairwise=True).place(0.3).inside is None


@pytest.mark.slow
def test_a_retrained_model_lies_inside_the_band_of_others_as_often_as_it_should(digits):
    from benchmarks.calibration import coverage, splits

    name, split = next(splits())
    assert name == "class 0"
    found = coverage(split, 7, 3)
    rates = {key: float(np.mean(hits)) for (key, k), hits in found.items() if k == 5}
    assert 0.91 <= np.mean(list(rates.values())) <= 0.99
    assert (
        min(rates.values()) >= 0.7
    )  # of seven models one more or less is 14 points; benchmarks.calibration has twenty
