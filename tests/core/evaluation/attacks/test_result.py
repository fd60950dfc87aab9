"""Attacks with their interval and power, each against an independent computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from core.data import LabelledImages, forget_classes, forget_noisy, plant
from core.data.planted import stamp
from core.evaluation.attacks import area_under_roc, draw_sets
from core.evaluation.attacks.member_sets import as_members, without_twins
from core.evaluation.attacks.per_image import logits_of, per_image
from core.evaluation.attacks.power import interval, power
from core.evaluation.attacks.result import Scores, attack_result
from core.evaluation.attacks.roc import auc_interval, can_tell_tpr, delong_variance, roc_points
from core.evaluation.attacks.scores import ATTACKS, Answers, member_scores, paper_asr

some = st.lists(st.integers(-6, 6).map(lambda i: i / 4), min_size=2, max_size=25).map(np.array)


@settings(max_examples=40, deadline=None)
@given(positive=some, negative=some)
def test_delongs_variance_is_that_of_the_placements(positive, negative):
    """Written out: psi(x, y) = 1, 1/2 or 0, and the variances of its row and column means."""
    psi = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    expected = psi.mean(1).var(ddof=1) / len(positive) + psi.mean(0).var(ddof=1) / len(negative)
    found = delong_variance(positive, negative)
    if expected > 1e-12:
        assert found == pytest.approx(expected, abs=1e-12)
    else:
        assert found > 0  # Hanley and McNeil's keeps a width


@settings(max_examples=40, deadline=None)
@given(positive=some, negative=some)
def test_the_curve_is_scikit_learns(positive, negative):
    fpr, tpr, at = roc_points(positive, negative)
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    expected = roc_curve(truth, np.r_[positive, negative], drop_intermediate=False)
    for mine, theirs in zip((fpr, tpr, at[1:]), (*expected[:2], expected[2][1:]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    assert np.trapezoid(tpr, fpr) == pytest.approx(area_under_roc(positive, negative))


def test_without_differences_between_models_the_interval_is_the_normal_one():
    low, high = interval(0.7, 0.04**2, 0.0, 0)
    assert (low, high) == pytest.approx((0.7 - 1.96 * 0.04, 0.7 + 1.96 * 0.04), abs=1e-4)


def test_differences_between_models_widen_it_as_a_t_distribution_does():
    _, high = interval(0.5, 1e-12, 0.03**2, 5)
    assert high - 0.5 == pytest.approx(stats.t.ppf(0.975, 4) * 0.03, rel=1e-3)
    both = interval(0.5, 0.03**2, 0.03**2, 5)
    assert both[1] - 0.5 == pytest.approx(stats.t.ppf(0.975, 16) * 0.03 * math.sqrt(2), rel=1e-3)
    assert both[0] == pytest.approx(1 - both[1])


@pytest.mark.parametrize(("members", "non_members"), [(30, 30), (142, 36), (2000, 1000)])
def test_a_leak_of_the_stated_size_is_found_in_80_of_100_cases(members, non_members):
    """Normal scores whose shift gives the stated area, drawn 400 times and judged by Hanley and McNeil's interval."""
    smallest = power(members, non_members).smallest_auc
    shift = math.sqrt(2) * stats.norm.ppf(smallest)
    g = np.random.default_rng(0)
    seen = 0
    for _ in range(400):
        auc = area_under_roc(g.normal(size=members) + shift, g.normal(size=non_members))
        seen += (
            not auc_interval(0.5, members, non_members)[0]
            <= auc
            <= auc_interval(0.5, members, non_members)[1]
        )
    assert 0.72 <= seen / 400 <= 0.9


def test_power_falls_with_fewer_images_and_with_models_that_differ():
    assert power(1000, 1000).smallest_auc < power(100, 100).smallest_auc < power(30, 30).smallest_auc
    assert power(100, 100, 0.05, 5).smallest_auc > power(100, 100).smallest_auc
    assert power(2, 2).smallest_auc is None
    assert "cannot tell any leak" in power(1, 50).sentence
    assert "0.69" in power(142, 36, 0.043, 5).sentence


def test_non_members_bear_labels_by_the_law_of_the_members(digits):
    split = forget_noisy(digits, [0, 1, 2], 0.6, seed=0)
    sets = draw_sets(split)
    unseen = as_members(split, sets)
    truth = split.test.y[sets.non_members]
    assert (unseen.y != truth).all()
    assert torch.equal(unseen.x, split.test.x[sets.non_members])
    for c in range(3):  # as many of each wrong label as among the members, to the rounding of a whole round
        given_ = split.train.y[sets.members][split.clean_y[sets.members] == c]
        law = np.bincount(given_, minlength=10) / len(given_)
        mine = np.bincount(unseen.y[truth == c], minlength=10)
        assert np.abs(mine - law * mine.sum()).max() <= 6
        assert mine[c] == 0


def test_without_noise_they_keep_their_own_and_with_a_trigger_they_are_stamped(digits):
    split = forget_classes(digits, [3], seed=0)
    sets = draw_sets(split)
    assert torch.equal(as_members(split, sets).y, split.test.y[sets.non_members])
    marked = plant(digits, "trigger", seed=0)
    sets = draw_sets(marked)
    unseen = as_members(marked, sets)
    assert (unseen.y == 0).all()
    assert torch.equal(unseen.x, stamp(marked.test.x[sets.non_members], 16))


def test_copies_of_an_image_are_no_further_evidence(digits):
    split = plant(digits, "duplicates", seed=0)
    kept = without_twins(split.train, split.forget_rows)
    assert len(split.forget_rows) == 8 * len(kept)
    x = split.train.x[kept].flatten(1)
    assert len(torch.unique(x, dim=0)) == len(kept)


def answers(n=60, m=50, seed=0, sharp=1.0, shown=40):
    g = torch.Generator().manual_seed(seed)

    def p(count, scale):
        return (scale * torch.randn(count, 10, generator=g)).softmax(1)

    y = [torch.randint(0, 10, (k,), generator=g) for k in (n, m)]
    return Answers(p(shown, sharp), p(shown, 1.0), p(n, sharp), p(m, 1.0), *y)


def test_the_scores_are_what_their_names_say():
    a = answers()
    p, y = a.members.double().numpy(), a.members_y.numpy()
    expected = {
        "confidence": np.log(p.max(1)),
        "entropy": -stats.entropy(p, axis=1),
        "loss": np.log(p[np.arange(len(p)), y]),
        "correctness": (p.argmax(1) == y).astype(float),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(member_scores(name, a)[0], values, atol=1e-9)
    assert list(ATTACKS) == [*expected, "learned"]


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_but_those_that_read_labels_finds_sharper_answers(name):
    a = answers(300, 300, sharp=4.0, shown=300)
    members, others = member_scores(name, a)
    auc = roc_auc_score(np.repeat([1, 0], 300), np.r_[members, others])
    assert auc == pytest.approx(area_under_roc(members, others))
    assert (auc > 0.8) is (name in ("confidence", "entropy", "learned"))


def test_the_papers_attack_is_balanced_and_repeats():
    sharp, blunt = answers(300, 100, sharp=4.0, shown=300), answers(300, 100, seed=3, shown=300)
    assert paper_asr(sharp) > 0.8
    assert abs(paper_asr(blunt) - 0.5) < 0.15
    assert paper_asr(sharp) == paper_asr(sharp)
    assert paper_asr(answers(5, 100)) is None


def test_too_few_images_give_a_sentence_and_no_number():
    few = answers(n=6)
    assert member_scores("loss", few) is None
    result = attack_result("loss", None, None, [], 6, 50)
    assert result.auc is None
    assert result.low is None
    assert result.power is None
    assert "6 forgotten" in result.why
    assert "each image" in result.why


def test_tpr_comes_only_where_ten_false_positives_are_expected():
    assert [can_tell_tpr(n, 0.01) for n in (999, 1000)] == [False, True]
    assert [can_tell_tpr(n, 0.001) for n in (9_999, 10_000)] == [False, True]
    g = np.random.default_rng(0)
    result = attack_result("loss", Scores(g.normal(size=50), g.normal(size=1000)), None, [], 50, 1000)
    assert result.tpr_at_1pct_fpr is not None
    assert result.tpr_at_01pct_fpr is None


def test_the_result_names_the_same_attack_on_original_and_references():
    g = np.random.default_rng(0)
    one, *others = (Scores(g.normal(size=80), g.normal(size=60)) for _ in range(5))
    result = attack_result("entropy", one, others[0], others[1:], 80, 60)
    assert result.original_auc == others[0].auc
    assert result.reference_aucs == tuple(o.auc for o in others[1:])
    assert result.between == pytest.approx(np.std(result.reference_aucs, ddof=1))
    narrow = attack_result("entropy", one, None, [], 80, 60)
    assert narrow.between is None
    assert result.high - result.low > narrow.high - narrow.low
    assert set(result.as_dict()) >= {"auc", "low", "high", "power", "reference_aucs"}


# a few images, one by one


def test_logits_are_logits_and_keep_their_digits_near_one():
    p = torch.tensor([[0.8, 0.1, 0.1], [1e-9, 1 - 2e-9, 1e-9]], dtype=torch.float64)
    found = logits_of(p, torch.tensor([0, 1]))
    np.testing.assert_allclose(found, [math.log(4), math.log((1 - 2e-9) / 2e-9)], rtol=1e-6)


def test_an_image_beyond_the_retrained_models_is_told_from_the_others():
    g = np.random.default_rng(0)
    retrained = [g.normal(size=20) for _ in range(5)]
    judged = g.normal(size=20)
    judged[7] = 12.0
    found = per_image(torch.arange(20), torch.arange(100, 120), judged, retrained)
    assert found.p.argmin() == 7
    assert found.p[7] < 0.01
    assert found.ids[7] == 107
    assert found.models == 5
    assert "5 retrained models" in found.sentence
    assert found.log_ratio is None
    like = per_image(torch.arange(20), torch.arange(20), judged, retrained, [np.full(20, 12.0)])
    assert like.log_ratio.argmax() == 7
    assert like.log_ratio[7] > 0 > like.log_ratio[3]


def test_one_more_retrained_model_is_below_5_percent_as_often_as_it_should():
    g = np.random.default_rng(1)
    hits = []
    for _ in range(300):
        centre = g.normal(size=10)
        draws = [centre + 0.7 * g.normal(size=10) for _ in range(6)]
        hits.append((per_image(torch.arange(10), torch.arange(10), draws[0], draws[1:]).p < 0.05).mean())
    assert 0.02 <= np.mean(hits) <= 0.06


def test_one_retrained_model_has_no_spread_to_judge_by():
    assert per_image(torch.arange(2), torch.arange(2), np.zeros(2), [np.zeros(2)]) is None


def test_vectors_count_as_twins_only_where_all_their_values_and_the_label_are_equal():
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0 + 1e-6], [1.0, 2.0]])
    images = LabelledImages(x, torch.arange(4), 1, torch.tensor([0, 0, 0, 1]))
    assert without_twins(images, torch.arange(4)).tolist() == [0, 2, 3]
