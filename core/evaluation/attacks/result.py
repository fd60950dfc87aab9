"""What an attack found on a model, beside what it finds on the original and on retrained models, with its power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.attacks.frame_attack import MIN_SCORED
from core.evaluation.attacks.power import Power, interval, power
from core.evaluation.attacks.roc import area_under_roc, can_tell_tpr, delong_variance, roc_points, tpr_at_fpr
from core.evaluation.attacks.scores import ATTACKS


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of members (n,) and non-members (m,) under one model, higher where more like a member."""

    members: np.ndarray
    non_members: np.ndarray

    @property
    def auc(self) -> float:
        """Area under the ROC, in [0, 1]."""
        return area_under_roc(self.members, self.non_members)


@dataclass(frozen=True, eq=False)
class AttackResult:
    """One attack on one model; areas and rates in [0, 1]. Nearer to the retrained models' is better, not lower.

    Where there are too few images every number is None and ``why`` says so.
    """

    name: str
    title: str
    help: str
    members: int
    non_members: int
    auc: float | None = None
    low: float | None = None  # 95 %: draws of images and, with two retrained models or more, of models
    high: float | None = None
    between: float | None = (
        None  # standard deviation of the area over retrained models; None of fewer than two
    )
    tpr_at_1pct_fpr: float | None = None  # None where fewer than 10 false positives are expected
    tpr_at_01pct_fpr: float | None = None
    original_auc: float | None = None
    reference_aucs: tuple[float, ...] = ()
    power: Power | None = None
    why: str | None = None
    scores: Scores | None = None
    original_scores: Scores | None = None
    reference_scores: tuple[Scores, ...] = ()

    def roc(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """FPR, TPR and threshold of every corner of the curve."""
        return None if self.scores is None else roc_points(self.scores.members, self.scores.non_members)

    @property
    def sees_a_leak(self) -> bool | None:
        """Whether 0.5 is outside the interval; None without a number."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 0.5 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """The numbers, plain; scores are left out."""
        names = ("title", "auc", "low", "high", "between", "tpr_at_1pct_fpr", "tpr_at_01pct_fpr", "original_auc", "members", "non_members", "why")  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        found["reference_aucs"] = list(self.reference_aucs)
        found["smallest_auc_it_would_see"] = self.power.smallest_auc if self.power else None
        found["power"] = self.power.sentence if self.power else None
        return found


def attack_result(
    name: str, judged: Scores | None, original: Scores | None, references: Sequence[Scores], members: int, non_members: int
) -> AttackResult:  # fmt: skip
    """The AttackResult of the attack ``name`` from the scores under each model; ``judged`` None: there were too few images."""
    kind = ATTACKS[name]
    if judged is None:
        few = (
            "members or non-members"
            if min(members, non_members) < MIN_SCORED
            else "remaining or other test images to learn from"
        )
        why = (
            f"Too few images for this attack ({members:,} forgotten, {non_members:,} unseen of the same kind; it needs {MIN_SCORED} {few}); "
            "what can be said instead is how sure the model is of each image, beside the retrained models."
        )
        return AttackResult(name, kind.title, kind.help, members, non_members, why=why)
    aucs = tuple(one.auc for one in references)
    between = float(np.std(aucs, ddof=1)) if len(aucs) > 1 else None
    variance = delong_variance(judged.members, judged.non_members)
    auc = judged.auc
    low, high = interval(auc, variance, (between or 0.0) ** 2, len(aucs))
    return AttackResult(
        name, kind.title, kind.help, members, non_members, auc, low, high, between,
        _tpr(judged, 0.01), _tpr(judged, 0.001), None if original is None else original.auc, aucs,
        power(members, non_members, between or 0.0, len(aucs) if between is not None and math.isfinite(between) else 0),
        None, judged, original, tuple(references),
    )  # fmt: skip


def _tpr(scores: Scores, fpr: float) -> float | None:
    if not can_tell_tpr(len(scores.non_members), fpr):
        return None
    return tpr_at_fpr(scores.members, scores.non_members, fpr)
