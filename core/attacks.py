"""Membership inference: was this image trained on? Fit and score sets are disjoint; non-members are drawn as members were.

Members are images of D_f. Against test images of all classes an attack on a removed class would only measure that the class is
unseen, so the non-members it is scored on come from the same classes in the same proportions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core import seeds
from core.data.split import Split

MIN_SCORED = 10  # members and non-members each; below it no number is given
MIN_FOR_TPR = 1000  # non-members: 1 % of them is then 10 false positives
MAX_FIT = 2000  # members, and as many non-members


@dataclass(frozen=True)
class AttackReport:
    """What one attack on one model found. Nearer to the retrained models' value is better, not lower.

    ``asr`` balanced accuracy, ``auc`` area under the ROC with its 95 % interval, all in [0, 1]; None where there are too few
    images for a number. ``tpr_at_1pct_fpr`` is None below 1,000 non-members.
    """

    asr: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    tpr_at_1pct_fpr: float | None
    members: int
    non_members: int

    def as_dict(self) -> dict[str, float | None]:
        """The numbers of the JSON contract."""
        names = ("asr", "auc", "auc_low", "auc_high", "tpr_at_1pct_fpr")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class AttackSets:
    """Who plays which part: rows of the training set for members, rows of the test set for non-members; all (n,) int64."""

    fit_members: Tensor  # of D_r
    fit_non_members: Tensor
    members: Tensor  # of D_f
    non_members: Tensor


def draw_sets(
    split: Split, *, train_rows: Tensor | None = None, test_rows: Tensor | None = None, seed: int = 0
) -> AttackSets:
    """Draw the four sets of an attack on D_f, from ``train_rows`` and ``test_rows`` (default: all).

    A class of which all is forgotten gives all its test images to scoring; one of which a part remains gives half of them to
    fitting; an untouched one gives all to fitting. Fitting takes as many members as non-members of each class.
    """
    train_y, test_y = (
        split.true_y.cpu(),
        split.test.y.cpu(),
    )  # mislabelled members, too, are images of their true class
    train_rows = torch.arange(len(train_y)) if train_rows is None else train_rows
    test_rows = torch.arange(len(test_y)) if test_rows is None else test_rows
    forgotten = torch.zeros(len(train_y), dtype=torch.bool)
    forgotten[split.forget_rows.cpu()] = True
    members = train_rows[forgotten[train_rows]]
    remaining = train_rows[~forgotten[train_rows]]
    mix = torch.bincount(train_y[members], minlength=len(split.dataset.classes))

    score: dict[int, Tensor] = {}
    fit_members, fit_non_members = [], []
    for c in range(len(mix)):
        mine = _shuffled(test_rows[test_y[test_rows] == c], seed, "test", c)
        kept = _shuffled(remaining[train_y[remaining] == c], seed, "train", c)
        half = 0 if not mix[c] else len(mine) if not len(kept) else len(mine) // 2
        if mix[c]:
            score[c] = mine[:half]
        count = min(len(mine) - half, len(kept), math.ceil(MAX_FIT / len(mix)))
        fit_members.append(kept[:count])
        fit_non_members.append(mine[half : half + count])
    share = min((len(rows) / int(mix[c]) for c, rows in score.items()), default=0.0)
    non_members = [rows[: math.floor(share * int(mix[c]) + 1e-9)] for c, rows in score.items()]
    empty = [torch.empty(0, dtype=torch.int64)]
    return AttackSets(
        torch.cat(fit_members or empty),
        torch.cat(fit_non_members or empty),
        members,
        torch.cat(non_members or empty),
    )


def _shuffled(rows: Tensor, seed: int, *names: str | int) -> Tensor:
    return rows[torch.randperm(len(rows), generator=seeds.generator(seed, "attack", *names))]


def attack(
    fit_members: Tensor, fit_non_members: Tensor, members: Tensor, non_members: Tensor
) -> AttackReport:
    """A logistic attack on sorted probabilities: (n, K) each; fitted on the first two, scored on the last two.

    Gives no numbers where fewer than MIN_SCORED images stand on any of the four sides.
    """
    if min(len(fit_members), len(fit_non_members), len(members), len(non_members)) < MIN_SCORED:
        return AttackReport(None, None, None, None, None, len(members), len(non_members))
    from sklearn.linear_model import LogisticRegression

    fit = _features(torch.cat([fit_members, fit_non_members]))
    mean, scale = fit.mean(0), fit.std(0) + 1e-9
    is_member = np.r_[np.ones(len(fit_members)), np.zeros(len(fit_non_members))]
    model = LogisticRegression(solver="newton-cholesky").fit((fit - mean) / scale, is_member)
    positive = model.decision_function((_features(members) - mean) / scale)
    negative = model.decision_function((_features(non_members) - mean) / scale)
    auc = area_under_roc(positive, negative)
    low, high = auc_interval(auc, len(positive), len(negative))
    return AttackReport(
        asr=float(((positive > 0).mean() + (negative <= 0).mean()) / 2),
        auc=auc,
        auc_low=low,
        auc_high=high,
        tpr_at_1pct_fpr=tpr_at_fpr(positive, negative, 0.01) if len(negative) >= MIN_FOR_TPR else None,
        members=len(positive),
        non_members=len(negative),
    )


def _features(probabilities: Tensor) -> np.ndarray:
    """(n, K) -> (n, 4): logs of the three largest probabilities in falling order, and the entropy; no label is used."""
    p = probabilities.double().clamp_min(1e-7)
    top = p.sort(1, descending=True).values[:, :3].log()
    entropy = -(p * p.log()).sum(1, keepdim=True)
    features: np.ndarray = torch.cat([top, entropy], 1).numpy()
    return features


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """P(a member scores above a non-member), ties counted half."""
    from scipy.stats import rankdata

    ranks = rankdata(np.r_[positive, negative])[: len(positive)]
    n, m = len(positive), len(negative)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(auc: float, members: int, non_members: int) -> tuple[float, float]:
    """95 % interval by Hanley and McNeil's variance (Radiology 143, 1982), half a pair added so that 0 and 1 keep a width."""
    pairs = members * non_members
    a = (auc * pairs + 0.5) / (pairs + 1)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (members - 1) * (q1 - a * a) + (non_members - 1) * (q2 - a * a)) / pairs
    half = 1.959964 * math.sqrt(max(variance, 0.0))
    return max(0.0, auc - half), min(1.0, auc + half)


def tpr_at_fpr(positive: np.ndarray, negative: np.ndarray, fpr: float) -> float:
    """Share of members above the lowest threshold that lets at most ``fpr`` of the non-members pass."""
    allowed = math.floor(fpr * len(negative))
    threshold = np.sort(negative)[::-1][allowed]
    return float((positive > threshold).mean())
