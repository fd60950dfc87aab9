"""The attack of every frame of a run, a logistic regression on sorted probabilities, which is cheap enough for each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.evaluation.attacks.logistic import fit_logistic
from core.evaluation.attacks.power import interval
from core.evaluation.attacks.roc import area_under_roc, delong_variance, tpr_at_fpr

MIN_SCORED = 10  # members and non-members each; the least for a result
MIN_FOR_TPR = 1000  # non-members, so that 1 % of them are 10 false positives


@dataclass(frozen=True)
class AttackReport:
    """The result of one attack on one model. A value nearer to the retrained models' is better, not a lower value.

    ``asr`` is the balanced accuracy, ``auc`` the area under the ROC with its 95 % interval over draws of images (DeLong);
    all are in [0, 1]. ``auc`` is the metric ``auc_learned`` of an EvaluationReport.
    They are None for too few images. ``tpr_at_1pct_fpr`` is None below 1,000 non-members.
    """

    asr: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    tpr_at_1pct_fpr: float | None
    members: int
    non_members: int

    def as_dict(self) -> dict[str, float | None]:
        """Return the numbers of the JSON contract."""
        names = ("asr", "auc", "auc_low", "auc_high", "tpr_at_1pct_fpr")
        return {name: getattr(self, name) for name in names}


def attack(
    fit_members: Tensor, fit_non_members: Tensor, members: Tensor, non_members: Tensor
) -> AttackReport:
    """Run a logistic attack on sorted probabilities, (n, K) each; it fits on the first two sets and scores the last two.

    The numbers are None where one of the four sets has fewer than MIN_SCORED images.
    """
    if min(len(fit_members), len(fit_non_members), len(members), len(non_members)) < MIN_SCORED:
        return AttackReport(None, None, None, None, None, len(members), len(non_members))
    positive, negative = logistic_scores(fit_members, fit_non_members, members, non_members)
    auc = area_under_roc(positive, negative)
    low, high = interval(auc, delong_variance(positive, negative), 0.0, 0)
    return AttackReport(
        asr=float(((positive > 0).mean() + (negative <= 0).mean()) / 2),
        auc=auc,
        auc_low=low,
        auc_high=high,
        tpr_at_1pct_fpr=tpr_at_fpr(positive, negative, 0.01) if len(negative) >= MIN_FOR_TPR else None,
        members=len(positive),
        non_members=len(negative),
    )


def logistic_scores(
    fit_members: Tensor, fit_non_members: Tensor, members: Tensor, non_members: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of members and non-members, > 0 for likely members, by a logistic regression on the first two sets."""
    fit = _features(torch.cat([fit_members, fit_non_members]))
    mean, scale = fit.mean(0), fit.std(0) + 1e-9
    is_member = np.r_[np.ones(len(fit_members)), np.zeros(len(fit_non_members))]
    weights, intercept = fit_logistic((fit - mean) / scale, is_member)

    def scores(probabilities: Tensor) -> np.ndarray:
        found: np.ndarray = (_features(probabilities) - mean) / scale @ weights + intercept
        return found

    return scores(members), scores(non_members)


def _features(probabilities: Tensor) -> np.ndarray:
    """Return (n, 4) features of (n, K): logs of the three largest probabilities in falling order, and the entropy."""
    p = probabilities.double().clamp_min(1e-7)
    top = p.sort(1, descending=True).values[:, :3].log()
    entropy = -(p * p.log()).sum(1, keepdim=True)
    features: np.ndarray = torch.cat([top, entropy], 1).numpy()
    return features
