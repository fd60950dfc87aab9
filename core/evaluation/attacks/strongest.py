"""The strongest of several attacks on one model, with its p corrected for the choice among them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.evaluation.attacks.result import AttackResult
from core.evaluation.attacks.roc import delong_variance
from core.evaluation.reference_band import band


@dataclass(frozen=True)
class StrongestAttack:
    """The attack whose AUC is least likely for one more retrained model.

    ``p`` is two-sided, ``corrected`` the same after Holm's correction for ``attacks`` tests.
    """

    name: str
    title: str
    auc: float
    low: float  # of the AUC's 95 % interval
    high: float
    p: float
    corrected: float
    attacks: int
    references: tuple[float, ...]  # AUCs of this attack on retrained models
    by_attack: Mapping[str, float]  # corrected p of every attack

    @property
    def sentence(self) -> str:
        """The result in words, for users."""
        p = f"p = {self.corrected:.3f}" if self.corrected >= 0.001 else "p < 0.001"
        beside = (
            f"retrained models {min(self.references):.2f} to {max(self.references):.2f}"
            if len(self.references) > 1
            else "tested against 0.5, since two retrained models are needed for a comparison"
        )
        if self.corrected >= 0.05:
            finding = "No attack tells this model from retrained ones."
        elif len(self.references) > 1 and self.auc < sum(self.references) / len(self.references):
            finding = "It finds less here than in retrained models, which is a trace too."
        else:
            finding = "It finds more here than in models that never saw the images."
        if len(self.references) < 2:
            finding = (
                "No attack tells forgotten from unseen images."
                if self.corrected >= 0.05
                else "It tells forgotten from unseen images."
            )
        return (
            f"The strongest of {self.attacks} attacks is “{self.title.lower()}”: AUC {self.auc:.2f}, {beside}; "
            f"{p} after Holm's correction for {self.attacks} tests. {finding}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "auc": self.auc,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "p_corrected": self.corrected,
            "attacks": self.attacks,
            "retrained": list(self.references),
            "p_corrected_by_attack": dict(self.by_attack),
            "sentence": self.sentence,
        }


def strongest_attack(results: Mapping[str, AttackResult]) -> StrongestAttack | None:
    """Return the attack with the smallest p; among equals the one farthest from what it is tested against. None without an AUC."""
    made = {n: r for n, r in results.items() if r.auc is not None}
    if not made:
        return None
    p = {name: _p_of(result) for name, result in made.items()}
    corrected = dict(zip(p, holm(list(p.values())), strict=True))

    def order(name: str) -> tuple[float, float]:
        result = made[name]
        assert result.auc is not None
        return p[name], -abs(result.auc - _centre(result))

    best = made[min(made, key=order)]
    assert best.auc is not None
    assert best.low is not None
    assert best.high is not None
    return StrongestAttack(
        best.name,
        best.title,
        best.auc,
        best.low,
        best.high,
        p[best.name],
        corrected[best.name],
        len(made),
        best.reference_aucs,
        corrected,
    )


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values corrected by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979), each at most 1.

    The i-th smallest of m is multiplied by m - i + 1, and no corrected value is below that of a smaller p.
    """
    corrected = [0.0] * len(p)
    most = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        most = max(most, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = most
    return corrected


def _centre(result: AttackResult) -> float:
    aucs = result.reference_aucs
    return math.fsum(aucs) / len(aucs) if len(aucs) > 1 else 0.5


def _p_of(result: AttackResult) -> float:
    """Return the two-sided p of an AUC: of one more retrained model (Student's t, k - 1 degrees of freedom), or of 0.5.

    The differences between retrained models count as at least the rounding of one image.
    """
    from scipy.special import ndtr, stdtr

    assert result.auc is not None
    aucs = result.reference_aucs
    if len(aucs) > 1:
        of_references = band(aucs, resolution=1 / max(1, min(result.members, result.non_members)))
        assert of_references is not None
        return float(2 * stdtr(len(aucs) - 1, -abs(result.auc - of_references.mean) / of_references.scale))
    if result.scores is None:
        return 1.0
    variance = delong_variance(result.scores.members, result.scores.non_members)
    if not variance > 0:
        return 1.0
    return float(2 * ndtr(-abs(result.auc - 0.5) / math.sqrt(variance)))
