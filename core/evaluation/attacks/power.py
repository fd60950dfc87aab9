"""The power of an attack, from the number of images and the differences between models by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEVEL = 0.05  # two-sided
POWER = 0.8


@dataclass(frozen=True)
class Power:
    """The power of an attack.

    ``smallest_auc`` is the smallest AUC above 0.5 that the test tells from 0.5 in POWER of all cases; None if even 1 is too small.
    """

    smallest_auc: float | None
    members: int
    non_members: int
    between: float  # standard deviation of the AUC over models; 0 where not known
    models: int  # retrained models behind ``between``

    @property
    def sentence(self) -> str:
        """The power in words, for users."""
        counts = f"{self.members:,} forgotten and {self.non_members:,} unseen images"
        if self.smallest_auc is None:
            return f"With {counts} this attack cannot tell any leak from chance."
        known = "" if self.models >= 2 else ", differences between models not counted"
        return (
            f"With {counts} this attack finds a leak of AUC {self.smallest_auc:.2f} or more in {100 * POWER:.0f} of 100 cases "
            f"(5 % two-sided{known}). It may miss a weaker leak."
        )


def power(members: int, non_members: int, between: float = 0.0, models: int = 0) -> Power:
    """Return the Power of an attack; ``between`` is the standard deviation of its AUC over ``models`` retrained models.

    Solves a = 0.5 + q · se(0.5) + z · se(a). se(a) combines Hanley and McNeil's standard error at a with that of the models.
    q and z are quantiles of Student's t with Satterthwaite's degrees of freedom, or of the normal distribution for
    ``between`` = 0.
    """
    if min(members, non_members) < 2:
        return Power(None, members, non_members, between, models)
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes longer to import

    def standard_error(a: float) -> float:
        return math.sqrt(sampling_variance(a, members, non_members) + between**2)

    freedom = _freedom(sampling_variance(0.5, members, non_members), between**2, models)
    q, z = float(stdtrit(freedom, 1 - LEVEL / 2)), float(stdtrit(freedom, POWER))

    def excess(a: float) -> float:
        """Return the right side of the equation minus a; negative where the test finds a."""
        return 0.5 + q * standard_error(0.5) + z * standard_error(a) - a

    low, high = 0.5, 1.0
    if excess(high) > 0:
        return Power(None, members, non_members, between, models)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return Power(high, members, non_members, between, models)


def sampling_variance(auc: float, members: int, non_members: int) -> float:
    """Return Hanley and McNeil's variance of an AUC over draws of images (Radiology 143, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    total = auc * (1 - auc) + (members - 1) * (q1 - auc * auc) + (non_members - 1) * (q2 - auc * auc)
    return max(total, 0.0) / (members * non_members)


def interval(auc: float, variance: float, between_variance: float, models: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC over draws of images (``variance``) and of models (``between_variance``).

    Student's t with Satterthwaite's degrees of freedom, where ``between_variance`` is an estimate from ``models`` models.
    Normal where ``between_variance`` is 0.
    """
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes longer to import

    freedom = _freedom(variance, between_variance, models)
    margin = float(stdtrit(freedom, 1 - LEVEL / 2)) * math.sqrt(variance + between_variance)
    return max(0.0, auc - margin), min(1.0, auc + margin)


def _freedom(sampling: float, between: float, models: int) -> float:
    if between <= 0 or models < 2:
        return 1e9
    return min(1e9, (models - 1) * ((sampling + between) / between) ** 2)
