"""The membership attack: clean sets, and numbers that agree with independent ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score, roc_curve

from core import attacks
from core.config import EvalConfig, TrainConfig
from core.data import Dataset, LabelledImages, Split, forget_classes, forget_fraction
from core.evaluation.attacks.roc import mean_ranks
from core.evaluation.metrics import FrameEvaluator, evaluate
from core.training.supervised import train
from tests import toys

SPLITS = {
    "class removal": lambda d: forget_classes(d, [0]),
    "several classes": lambda d: forget_classes(d, [2, 3, 7]),
    "data removal": lambda d: forget_fraction(d, range(5, 10), 0.4),
    "nearly all of a class": lambda d: forget_fraction(d, [4], 0.95),
}


def sampled(split, seed):
    g = torch.Generator().manual_seed(seed)
    n, m = len(split.train), len(split.test)
    return torch.randperm(n, generator=g)[: n // 2].sort().values, torch.randperm(m, generator=g)[
        : m // 2
    ].sort().values


@pytest.mark.parametrize("rows", ["all", "sampled"])
@pytest.mark.parametrize("name", SPLITS)
def test_the_four_sets_are_clean(digits, name, rows):
    split = SPLITS[name](digits)
    for seed in range(3):
        train_rows, test_rows = (None, None) if rows == "all" else sampled(split, seed)
        sets = attacks.draw_sets(split, train_rows=train_rows, test_rows=test_rows, seed=seed)
        fit_m, fit_n, members, others = (
            [*map(int, s)] for s in (sets.fit_members, sets.fit_non_members, sets.members, sets.non_members)
        )
        forgotten, remain = set(split.forget_rows.tolist()), set(split.remain_rows.tolist())
        for part in (fit_m, fit_n, members, others):
            assert part
            assert len(set(part)) == len(part)
        # no row is in both, members are forgotten images and nothing else, fitting sees none of them
        assert not set(fit_n) & set(others)
        assert set(members) <= forgotten
        assert set(fit_m) <= remain
        if rows == "all":
            assert set(members) == forgotten
        else:
            assert {*fit_m, *members} <= set(train_rows.tolist())
            assert {*fit_n, *others} <= set(test_rows.tolist())
        # drawn as the members were: the same classes in the same proportions, to the rounding down of each
        mix = np.bincount(split.train.y[members], minlength=10)
        drawn = np.bincount(split.test.y[others], minlength=10)
        share = drawn.sum() / mix.sum()
        assert np.abs(drawn - share * mix).max() <= 1.5
        assert (drawn[mix == 0] == 0).all()
        # and fitting is balanced in each class
        np.testing.assert_array_equal(
            np.bincount(split.train.y[fit_m], minlength=10), np.bincount(split.test.y[fit_n], minlength=10)
        )


def test_the_draw_repeats_per_seed(data_split):
    a, b, c = (attacks.draw_sets(data_split, seed=s) for s in (0, 0, 1))
    assert torch.equal(a.non_members, b.non_members)
    assert not torch.equal(a.non_members, c.non_members)


scores = st.lists(st.integers(-5, 5).map(lambda i: i / 4), min_size=1, max_size=40).map(np.array)


@settings(max_examples=40, deadline=None)
@given(values=scores)
def test_equal_values_share_the_mean_of_their_ranks(values):
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values))


@settings(max_examples=40, deadline=None)
@given(positive=scores, negative=scores)
def test_auc_is_scikit_learns(positive, negative):
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    expected = roc_auc_score(truth, np.r_[positive, negative])
    assert attacks.area_under_roc(positive, negative) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(positive=scores, negative=scores, fpr=st.sampled_from([0.0, 0.01, 0.1, 0.3]))
def test_tpr_at_an_fpr_is_read_off_scikit_learns_curve(positive, negative, fpr):
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    found, reached, _ = roc_curve(truth, np.r_[positive, negative], drop_intermediate=False)
    expected = reached[found <= fpr + 1e-12].max()
    assert attacks.tpr_at_fpr(positive, negative, fpr) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("auc", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("n", "m"), [(10, 10), (142, 36), (5000, 1000)])
def test_the_interval_is_hanley_and_mcneils(auc, n, m):
    low, high = attacks.auc_interval(auc, n, m)
    a = (auc * n * m + 0.5) / (n * m + 1)
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    se = math.sqrt((a * (1 - a) + (n - 1) * (q1 - a**2) + (m - 1) * (q2 - a**2)) / (n * m))
    assert low == pytest.approx(max(0, auc - 1.96 * se), abs=1e-4)
    assert high == pytest.approx(min(1, auc + 1.96 * se), abs=1e-4)
    assert 0 <= low <= auc <= high <= 1
    assert low < high


def probabilities(n, seed, sharpness=1.0, classes=10):
    g = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(n, classes, generator=g)).softmax(1)


@pytest.mark.parametrize("which", range(4))
def test_too_few_images_give_no_number(which):
    sizes = [50] * 4
    sizes[which] = attacks.MIN_SCORED - 1
    report = attacks.attack(*(probabilities(n, i) for i, n in enumerate(sizes)))
    assert set(report.as_dict().values()) == {None}
    assert (report.members, report.non_members) == (sizes[2], sizes[3])


@pytest.mark.parametrize(("non_members", "given"), [(999, False), (1000, True)])
def test_tpr_comes_only_from_a_thousand_non_members(non_members, given):
    parts = [probabilities(n, i) for i, n in enumerate((200, 200, 100, non_members))]
    assert (attacks.attack(*parts).tpr_at_1pct_fpr is not None) is given


def test_an_attack_finds_members_that_are_more_certain():
    parts = [probabilities(n, i, s) for i, (n, s) in enumerate([(400, 4), (400, 1), (300, 4), (300, 1)])]
    report = attacks.attack(*parts)
    assert report.auc > 0.9
    assert report.asr > 0.8
    assert report.auc_low < report.auc < report.auc_high
    assert attacks.attack(
        *(p[:, torch.randperm(10, generator=torch.Generator().manual_seed(1))] for p in parts)
    ).auc == pytest.approx(report.auc)


def test_on_exchangeable_data_the_interval_covers_a_half():
    covered = 0
    for i in range(100):
        report = attacks.attack(*(probabilities(n, 10 * i + j) for j, n in enumerate((200, 200, 80, 60))))
        covered += report.auc_low <= 0.5 <= report.auc_high
    assert covered >= 88  # 95 expected; fewer than 88 of 100 would be 3 deviations off


@pytest.mark.slow
def test_an_overfitted_model_gives_its_members_away():
    g = torch.Generator().manual_seed(0)

    def noise(n, start):
        x = torch.randint(0, 17, (n, 1, 8, 8), generator=g).to(torch.uint8)
        return LabelledImages(x, torch.arange(start, start + n), 16, torch.randint(0, 10, (n,), generator=g))

    noisy = Dataset("noise", "Noise", tuple("abcdefghij"), noise(300, 0), noise(300, 1000))
    split = forget_fraction(noisy, range(10), 0.5)
    model = train(split, seed=0, config=TrainConfig("digits-cnn", epochs=60, batch_size=32, lr=3e-3))
    report = evaluate(model, split)
    assert report.train_f > 0.95
    assert report.attack.auc >= 0.7


def test_the_untouched_model_is_near_a_half_when_a_class_is_removed(digits_model, class_split):
    """Trap 1: against test images of all classes this would be far from it."""
    report = evaluate(digits_model, class_split)
    assert report.attack.auc_low <= 0.55
    assert report.attack.auc_high >= 0.45
    assert (report.attack.members, report.attack.non_members) == (142, 36)


def test_a_frames_attack_is_made_of_measured_rows_only(data_split, digits_model):
    evaluator = FrameEvaluator(data_split, replace(EvalConfig(), max_points=600, max_test=200))
    sets = evaluator._sets
    assert torch.isin(torch.cat([sets.fit_members, sets.members]), evaluator.train_rows).all()
    assert torch.isin(torch.cat([sets.fit_non_members, sets.non_members]), evaluator.test_rows).all()
    assert evaluator.measure(digits_model).reading.attack.members == len(data_split.forget_rows) == 287


def test_a_split_without_test_images_of_a_class_gives_no_number(toy_split, toy_model):
    d = toy_split.dataset
    test = d.test.take(d.test.y != 1)
    bare = Split(
        Dataset(d.name, d.title, d.classes, d.train, test),
        toy_split.request,
        toy_split.remain_rows,
        toy_split.forget_rows,
    )
    report = evaluate(toys.model(bare), bare)
    assert report.attack.auc is None
    assert report.test_f is None
    assert report.test == report.test_r
