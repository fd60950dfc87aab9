"""The attack of every frame of the Lab: a logistic one on sorted probabilities, cheap enough for each step."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.evaluation.attacks.roc import area_under_roc, auc_interval, tpr_at_fpr

MIN_SCORED = 10  # members and non-members each; below it no number is given
MIN_FOR_TPR = 1000  # non-members: 1 % of them is then 10 false positives


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


def attack(
    fit_members: Tensor, fit_non_members: Tensor, members: Tensor, non_members: Tensor
) -> AttackReport:
    """A logistic attack on sorted probabilities: (n, K) each; fitted on the first two, scored on the last two.

    Gives no numbers where fewer than MIN_SCORED images stand on any of the four sides.
    """
    if min(len(fit_members), len(fit_non_members), len(members), len(non_members)) < MIN_SCORED:
        return AttackReport(None, None, None, None, None, len(members), len(non_members))
    positive, negative = learned(fit_members, fit_non_members, members, non_members)
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


def learned(
    fit_members: Tensor, fit_non_members: Tensor, members: Tensor, non_members: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of members and of non-members, > 0 where more like a member, by a logistic regression fitted on the first two."""
    from sklearn.linear_model import LogisticRegression

    _accept_lbfgs()
    fit = _features(torch.cat([fit_members, fit_non_members]))
    mean, scale = fit.mean(0), fit.std(0) + 1e-9
    is_member = np.r_[np.ones(len(fit_members)), np.zeros(len(fit_non_members))]
    model = LogisticRegression(solver="newton-cholesky").fit((fit - mean) / scale, is_member)
    return (
        model.decision_function((_features(members) - mean) / scale),
        model.decision_function((_features(non_members) - mean) / scale),
    )


@functools.cache
def _accept_lbfgs() -> None:
    """Where Newton's method finds no way on scikit-learn goes on with another one, to the same optimum; nobody can do anything about it."""
    warnings.filterwarnings("ignore", message="Line search of Newton solver")


def _features(probabilities: Tensor) -> np.ndarray:
    """(n, K) -> (n, 4): logs of the three largest probabilities in falling order, and the entropy; no label is used."""
    p = probabilities.double().clamp_min(1e-7)
    top = p.sort(1, descending=True).values[:, :3].log()
    entropy = -(p * p.log()).sum(1, keepdim=True)
    features: np.ndarray = torch.cat([top, entropy], 1).numpy()
    return features
