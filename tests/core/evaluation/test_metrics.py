"""Every number that is shown, against an independent computation of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import accuracy_score

from core.config import EvalConfig
from core.evaluation.metrics import FrameEvaluator, angles, evaluate, jensen_shannon


def answers_of(model, images):
    with torch.no_grad():
        return model.eval()(images.x.float() / images.white).argmax(1).numpy()


@pytest.mark.parametrize("task", ["class_split", "data_split"])
def test_accuracies_are_scikit_learns(task, digits_model, unlearned, request):
    split = request.getfixturevalue(task)
    touched = np.isin(split.test.y, split.request.classes)
    for model in (digits_model, unlearned.result):
        report = evaluate(model, split)
        said, y = answers_of(model, split.test), split.test.y.numpy()
        assert report.train_r == pytest.approx(
            accuracy_score(split.remain.y, answers_of(model, split.remain))
        )
        assert report.train_f == pytest.approx(
            accuracy_score(split.forget.y, answers_of(model, split.forget))
        )
        assert report.test == pytest.approx(accuracy_score(y, said))
        assert report.test_f == pytest.approx(accuracy_score(y[touched], said[touched]))
        assert report.test_r == pytest.approx(accuracy_score(y[~touched], said[~touched]))


def test_answers_say_where_forgotten_images_go(unlearned, class_split, retrained):
    report = evaluate(unlearned.result, class_split, references=[retrained])
    counts = np.bincount(answers_of(unlearned.result, class_split.forget), minlength=10)
    np.testing.assert_allclose(report.answers, counts / counts.sum(), atol=1e-6)
    assert sum(report.answers) == pytest.approx(1)
    assert report.commonest == counts.argmax()
    assert report.commonest_share == pytest.approx(counts.max() / counts.sum())


def test_the_distance_to_retrained_is_zero_for_itself(unlearned, class_split, retrained):
    assert evaluate(retrained, class_split, references=[retrained]).js == 0
    report = evaluate(unlearned.result, class_split, references=[retrained, unlearned.result])
    assert report.js_to_references[0] > 0.01
    assert report.js_to_references[1] == 0
    assert report.js == pytest.approx(report.js_to_references[0] / 2)
    assert evaluate(retrained, class_split).js is None


rows = st.tuples(st.integers(1, 20), st.integers(2, 12), st.integers(0, 10**6), st.sampled_from([0.1, 1, 30]))


@settings(max_examples=60, deadline=None)
@given(rows)
def test_jensen_shannon_is_scipys(given):
    n, k, seed, sharpness = given
    p, q = (sharpness * np.random.default_rng([seed, i]).normal(size=(n, k)) for i in range(2))
    p, q = (torch.tensor(x).softmax(1) for x in (p, q))
    expected = np.mean(jensenshannon(p.numpy(), q.numpy(), axis=1) ** 2)
    assert jensen_shannon(p, q) == pytest.approx(expected, abs=1e-9)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
    assert jensen_shannon(p, p) == 0


def test_jensen_shannon_of_disjoint_answers_is_ln_2():
    p, q = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 0.5, 0.5]])
    assert jensen_shannon(p, q) == pytest.approx(math.log(2))


def test_jensen_shannon_of_nothing_or_of_no_numbers_is_not_zero():
    """Zero would say "just as the retrained model"."""
    assert math.isnan(jensen_shannon(torch.empty(0, 3), torch.empty(0, 3)))
    bad = torch.full((2, 3), torch.nan)
    assert math.isnan(jensen_shannon(bad, torch.full((2, 3), 1 / 3)))


@settings(max_examples=60, deadline=None)
@given(rows)
def test_angles_are_numpys(given):
    n, d, seed, scale = given
    a, b = (scale * np.random.default_rng([seed, i]).normal(size=(n, d)) for i in range(2))
    cos = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(
        angles(torch.tensor(a), torch.tensor(b)), np.degrees(np.arccos(np.clip(cos, -1, 1))), atol=1e-4
    )
    np.testing.assert_allclose(angles(torch.tensor(a), torch.tensor(3 * a)), 0, atol=1e-6)
    np.testing.assert_allclose(angles(torch.tensor(a), torch.tensor(-a)), 180, atol=1e-4)


def test_small_angles_keep_their_digits():
    tilt = 1e-5  # degrees: arccos of a float32 cosine would give 0 or 0.02
    b = torch.tensor([[math.cos(math.radians(tilt)), math.sin(math.radians(tilt))]], dtype=torch.float64)
    assert float(angles(torch.tensor([[1.0, 0.0]]), b)) == pytest.approx(tilt, rel=1e-4)


# a frame measures a share


def test_a_share_weighs_test_by_the_true_shares(data_split, digits_model):
    config = replace(EvalConfig(), max_points=400, max_test=100)
    evaluator = FrameEvaluator(data_split, config, seed=1)
    reading = evaluator.measure(digits_model).reading
    touched = np.isin(data_split.test.y, range(5, 10))
    weight = touched.mean()
    assert reading.test == pytest.approx(weight * reading.test_f + (1 - weight) * reading.test_r)
    rows = evaluator.test_rows.numpy()
    said, y = (
        answers_of(digits_model, data_split.test.take(evaluator.test_rows)),
        data_split.test.y.numpy()[rows],
    )
    mine = touched[rows]
    assert (mine.sum(), (~mine).sum()) == (50, 50)
    assert reading.test_f == pytest.approx(accuracy_score(y[mine], said[mine]))
    assert reading.test_r == pytest.approx(accuracy_score(y[~mine], said[~mine]))


@pytest.mark.parametrize("most", [100, 400, 1000, 5000])
def test_at_most_half_of_the_points_are_forgotten_ones(data_split, most):
    evaluator = FrameEvaluator(data_split, replace(EvalConfig(), max_points=most))
    n, n_f = len(data_split.train), len(data_split.forget_rows)
    assert len(evaluator.train_rows) == min(most, n)
    assert int(evaluator.is_forget.sum()) == min(n_f, max(most // 2, most - (n - n_f)))
    assert torch.equal(evaluator.is_forget, torch.isin(evaluator.train_rows, data_split.forget_rows))
    assert evaluator.train_rows.unique().tolist() == evaluator.train_rows.tolist()  # sorted, no repeats
    assert evaluator.is_everything is (most > n)


def test_the_choice_of_points_is_fixed_by_the_seed(data_split):
    config = replace(EvalConfig(), max_points=300)
    a, b, c = (FrameEvaluator(data_split, config, seed=s).train_rows for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_report_has_the_fields_of_the_contract(digits_model, class_split):
    report = evaluate(digits_model, class_split)
    for name in ("train_r", "train_f", "test", "test_r", "test_f"):
        assert 0 <= getattr(report, name) <= 1
    assert set(report.attack.as_dict()) == {"asr", "auc", "auc_low", "auc_high", "tpr_at_1pct_fpr"}
    assert report.attack.tpr_at_1pct_fpr is None  # 36 non-members are too few


def test_measuring_changes_nothing(digits_model, class_split):
    before = {k: v.clone() for k, v in digits_model.state_dict().items()}
    a, b = (evaluate(digits_model, class_split) for _ in "ab")
    assert a == b
    assert all(torch.equal(v, before[k]) for k, v in digits_model.state_dict().items())
