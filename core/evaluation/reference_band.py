"""The band of retrained models: the interval of a metric after retraining, and the place of a value in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.models.base import Net


@dataclass(frozen=True, eq=False)
class Retrained:
    """One retrained model."""

    number: int  # model 0 began with the original's initial weights, where they are known
    model: Net
    seconds: float  # of its training


LEVEL = 0.95


@dataclass(frozen=True)
class BandPlace:
    """The place of one value among retrained models."""

    percentile: float | None  # in [0, 100], of the predictive distribution; None for one retrained model
    inside: bool | None  # None: one retrained model makes no band
    above: int  # retrained models with a lower value
    count: int  # retrained models
    gap: float  # from the nearer end of the band, 0 inside it; from the one value where there is no band


@dataclass(frozen=True)
class Band:
    """A 95 % prediction interval for the metric of one more retrained model.

    mean ± t_{k-1} · s · sqrt(1 + 1/k) (e.g. Hahn and Meeker, Statistical Intervals, 1991), clipped to the metric's bounds.
    s² includes the variance r² / 12 of rounding to the metric's smallest step r.
    """

    values: tuple[float, ...]
    low: float
    high: float
    mean: float
    scale: float  # of the predictive t distribution; 0 for one value

    def place(self, value: float) -> BandPlace:
        """Return the place of ``value``."""
        from scipy.special import stdtr

        k = len(self.values)
        above = sum(v < value for v in self.values)
        if k < 2:
            return BandPlace(None, None, above, k, value - self.mean)
        inside = self.low - 1e-12 <= value <= self.high + 1e-12
        gap = 0.0 if inside else value - (self.high if value > self.high else self.low)
        percentile = 100 * float(stdtr(k - 1, (value - self.mean) / self.scale))
        return BandPlace(percentile, inside, above, k, gap)


def band(
    values: Sequence[float],
    *,
    resolution: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
    pairwise: bool = False,
    one_sided: bool = False,
) -> Band | None:
    """Return the Band of one metric of k retrained models; None for k = 0. ``resolution`` is 1 / n for a share among n images.

    ``pairwise``: each value is the mean distance of one model to the k - 1 others. These means share pairs, which reduces
    their spread by (k - 2) / (k - 1); it is divided by that factor. Two models have one pair, and no band.
    ``one_sided``: the values are distances, of which none is too small. The band begins at the lower bound.
    """
    from scipy.special import stdtrit

    found = tuple(float(v) for v in values)
    k = len(found)
    if not k:
        return None
    mean = math.fsum(found) / k
    if k == 1 or (pairwise and k == 2):
        found = found[:1]
        return Band(found, mean, mean, mean, 0.0)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in found) / (k - 1))
    if pairwise:
        spread *= (k - 1) / (k - 2)
    # rounding to steps of r adds r² / 12 to a variance
    scale = math.sqrt((spread**2 + resolution**2 / 12) * (1 + 1 / k)) or 1e-12
    half = float(stdtrit(k - 1, (1 + LEVEL) / 2)) * scale
    low = bounds[0] if one_sided else max(bounds[0], mean - half)
    return Band(found, low, min(bounds[1], mean + half), mean, scale)
