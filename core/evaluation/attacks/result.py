"""The result of an attack on a model, beside its results on the original and on retrained models, with its power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.attacks.finding import Finding, attack_finding
from core.evaluation.attacks.frame_attack import MIN_SCORED
from core.evaluation.attacks.power import Power, interval, power
from core.evaluation.attacks.roc import area_under_roc, can_tell_tpr, delong_variance, roc_points, tpr_at_fpr
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.reference_band import Band, band


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of members (n,) and non-members (m,) under one model, higher for likely members."""

    members: np.ndarray
    non_members: np.ndarray

    @property
    def auc(self) -> float:
        """Area under the ROC, in [0, 1]."""
        return area_under_roc(self.members, self.non_members)


@dataclass(frozen=True, eq=False)
class AttackResult:
    """One attack on one model; AUCs and rates are in [0, 1]. A value nearer to the retrained models' is better, not a lower value.

    For too few images, every number is None and ``why`` is the reason.
    """

    name: str
    title: str
    help: str
    members: int
    non_members: int
    auc: float | None = None
    low: float | None = (
        None  # of the 95 % interval over draws of images and, with two retrained models or more, of models
    )
    high: float | None = None
    between: float | None = (
        None  # standard deviation of the AUC over retrained models; None for fewer than two
    )
    tpr_at_1pct_fpr: float | None = None  # None for fewer than 10 expected false positives
    tpr_at_01pct_fpr: float | None = None
    original_auc: float | None = None
    reference_aucs: tuple[float, ...] = ()
    power: Power | None = None
    why: str | None = None
    scores: Scores | None = None
    original_scores: Scores | None = None
    reference_scores: tuple[Scores, ...] = ()

    def roc(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return FPR, TPR and threshold of every corner of the curve; None without scores."""
        return None if self.scores is None else roc_points(self.scores.members, self.scores.non_members)

    @property
    def band(self) -> Band | None:
        """The band of the retrained models' AUCs; that of the metric ``auc_`` + ``name``."""
        return band(self.reference_aucs)

    @property
    def image_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the AUC over draws of images alone (DeLong); None without an AUC."""
        if self.auc is None or self.low is None or self.high is None:
            return None
        if self.scores is None:
            return self.low, self.high
        variance = delong_variance(self.scores.members, self.scores.non_members)
        return interval(self.auc, variance, 0.0, 0)

    @property
    def finding(self) -> Finding | None:
        """The comparison with retrained models by ``attack_finding``; None without an AUC."""
        found = self.image_interval
        return None if found is None else attack_finding(*found, self.band)

    @property
    def sees_a_leak(self) -> bool | None:
        """True if 0.5 is outside the interval; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 0.5 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without scores."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _JSON_FIELDS}
        values["reference_aucs"] = list(self.reference_aucs)
        values["smallest_auc_it_would_see"] = self.power.smallest_auc if self.power else None
        values["power"] = self.power.sentence if self.power else None
        return values


_JSON_FIELDS = (
    *("title", "auc", "low", "high", "between", "tpr_at_1pct_fpr", "tpr_at_01pct_fpr"),
    *("original_auc", "members", "non_members", "why"),
)


def attack_result(
    name: str,
    evaluated: Scores | None,
    original: Scores | None,
    references: Sequence[Scores],
    members: int,
    non_members: int,
) -> AttackResult:
    """Return the result of the attack ``name`` from the scores under each model; ``evaluated`` is None for too few images."""
    kind = ATTACKS[name]
    if evaluated is None:
        few = (
            "members or non-members"
            if min(members, non_members) < MIN_SCORED
            else "remaining or other test images to learn from"
        )
        why = (
            f"Too few images for this attack ({members:,} forgotten, {non_members:,} unseen of the same kind; it needs {MIN_SCORED} {few}). "
            "See instead how sure the model and the retrained models are of each image."
        )
        return AttackResult(name, kind.title, kind.help, members, non_members, why=why)
    aucs = tuple(one.auc for one in references)
    between = float(np.std(aucs, ddof=1)) if len(aucs) > 1 else None
    variance = delong_variance(evaluated.members, evaluated.non_members)
    auc = evaluated.auc
    low, high = interval(auc, variance, (between or 0.0) ** 2, len(aucs))
    models = len(aucs) if between is not None and math.isfinite(between) else 0
    return AttackResult(
        name=name,
        title=kind.title,
        help=kind.help,
        members=members,
        non_members=non_members,
        auc=auc,
        low=low,
        high=high,
        between=between,
        tpr_at_1pct_fpr=_tpr(evaluated, 0.01),
        tpr_at_01pct_fpr=_tpr(evaluated, 0.001),
        original_auc=None if original is None else original.auc,
        reference_aucs=aucs,
        power=power(members, non_members, between or 0.0, models),
        scores=evaluated,
        original_scores=original,
        reference_scores=tuple(references),
    )


def _tpr(scores: Scores, fpr: float) -> float | None:
    if not can_tell_tpr(len(scores.non_members), fpr):
        return None
    return tpr_at_fpr(scores.members, scores.non_members, fpr)
