"""What an attack could have seen: its power, from how many images there are and how much models differ by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEVEL = 0.05  # two-sided
POWER = 0.8


@dataclass(frozen=True)
class Power:
    """``smallest_auc``: the smallest area above 0.5 that such a test tells from 0.5 in POWER of all cases; None where not even 1 is."""

    smallest_auc: float | None
    members: int
    non_members: int
    between: float  # standard deviation of the area between models; 0 where it is not known
    models: int  # retrained models that it was estimated from

    @property
    def sentence(self) -> str:
        """What a person should know of it."""
        counts = f"{self.members:,} forgotten and {self.non_members:,} unseen images"
        if self.smallest_auc is None:
            return f"With {counts} this attack could tell no leak from chance."
        known = "" if self.models >= 2 else ", differences between models not counted"
        return (
            f"With {counts} this attack finds a leak of AUC {self.smallest_auc:.2f} or more in {100 * POWER:.0f} of 100 cases "
            f"(5 % two-sided{known}); a weaker one it may miss."
        )


def power(members: int, non_members: int, between: float = 0.0, models: int = 0) -> Power:
    """The Power of an attack on so many images; ``between``: standard deviation of its area over ``models`` retrained models.

    Solves a = 0.5 + q · se(0.5) + z · se(a), with Hanley and McNeil's standard error at a and the models' added in
    quadrature; q and z are quantiles of the normal distribution where the models' spread is 0, of Student's t with the
    degrees of freedom of the whole (Satterthwaite) where it is estimated.
    """
    if min(members, non_members) < 2:
        return Power(None, members, non_members, between, models)
    from scipy.stats import t

    def half(a: float) -> tuple[float, float]:
        return math.sqrt(sampling_variance(a, members, non_members) + between**2), _freedom(
            sampling_variance(a, members, non_members), between**2, models
        )

    def reach(a: float) -> float:
        at_half, freedom = half(0.5)
        q = float(t.ppf(1 - LEVEL / 2, freedom))
        return 0.5 + q * at_half + float(t.ppf(POWER, freedom)) * half(a)[0] - a

    low, high = 0.5, 1.0
    if reach(high) > 0:
        return Power(None, members, non_members, between, models)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if reach(middle) > 0 else (low, middle)
    return Power(high, members, non_members, between, models)


def sampling_variance(auc: float, members: int, non_members: int) -> float:
    """Hanley and McNeil's variance of an area over draws of images (Radiology 143, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    of_one = auc * (1 - auc) + (members - 1) * (q1 - auc * auc) + (non_members - 1) * (q2 - auc * auc)
    return max(of_one, 0.0) / (members * non_members)


def interval(auc: float, variance: float, between_variance: float, models: int) -> tuple[float, float]:
    """95 % interval of an area: draws of images (``variance``, known) and models (``between_variance``, estimated from ``models``).

    Student's t with Satterthwaite's degrees of freedom; normal where models do not add to it.
    """
    from scipy.stats import t

    freedom = _freedom(variance, between_variance, models)
    margin = float(t.ppf(1 - LEVEL / 2, freedom)) * math.sqrt(variance + between_variance)
    return max(0.0, auc - margin), min(1.0, auc + margin)


def _freedom(sampling: float, between: float, models: int) -> float:
    if between <= 0 or models < 2:
        return 1e9
    return min(1e9, (models - 1) * ((sampling + between) / between) ** 2)
