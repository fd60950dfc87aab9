"""The ROC of two sets of scores: its area with an interval, its points, and the TPR at a low FPR."""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.959964
MIN_FALSE_POSITIVES = 10  # the least expected number at an FPR for a TPR


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank (n,) of each value, from 1 for the smallest; equal values share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return P(a member scores above a non-member), where ties count half."""
    ranks = mean_ranks(np.r_[positive, negative])[: len(positive)]
    n, m = len(positive), len(negative)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(auc: float, members: int, non_members: int) -> tuple[float, float]:
    """Return the 95 % interval by Hanley and McNeil's variance (Radiology 143, 1982).

    Half a pair is added, so that the intervals of 0 and 1 have a width.
    """
    half = Z95 * math.sqrt(_hanley_mcneil(auc, members, non_members))
    return max(0.0, auc - half), min(1.0, auc + half)


def _hanley_mcneil(auc: float, members: int, non_members: int) -> float:
    pairs = members * non_members
    a = (auc * pairs + 0.5) / (pairs + 1)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (members - 1) * (q1 - a * a) + (non_members - 1) * (q2 - a * a)) / pairs
    return max(variance, 0.0)


def delong_variance(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the variance of the AUC over draws of images (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988), with ties.

    Hanley and McNeil's variance replaces 0, which occurs where all members score above all non-members or below.
    nan for fewer than two members or non-members.
    """
    n, m = len(positive), len(negative)
    if min(n, m) < 2:
        return math.nan
    ranks = mean_ranks(np.r_[positive, negative])
    # the share of non-members below each member, and of members above each non-member
    above = (ranks[:n] - mean_ranks(positive)) / m
    below = 1 - (ranks[n:] - mean_ranks(negative)) / n
    variance = float(above.var(ddof=1) / n + below.var(ddof=1) / m)
    return variance or _hanley_mcneil(float(above.mean()), n, m)


def roc_points(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return FPR, TPR and threshold of every corner, from (0, 0) at +inf to (1, 1). A score >= threshold means member."""
    thresholds = np.unique(np.r_[positive, negative])[::-1]
    tpr = 1 - np.searchsorted(np.sort(positive), thresholds, side="left") / len(positive)
    fpr = 1 - np.searchsorted(np.sort(negative), thresholds, side="left") / len(negative)
    return np.r_[0.0, fpr], np.r_[0.0, tpr], np.r_[np.inf, thresholds]


def tpr_at_fpr(positive: np.ndarray, negative: np.ndarray, fpr: float) -> float:
    """Return the share of members above the lowest threshold that at most ``fpr`` of the non-members exceed."""
    allowed = math.floor(fpr * len(negative))
    threshold = np.sort(negative)[::-1][allowed]
    return float((positive > threshold).mean())


def can_tell_tpr(non_members: int, fpr: float) -> bool:
    """Return whether at least MIN_FALSE_POSITIVES false positives are expected at ``fpr``."""
    return fpr * non_members >= MIN_FALSE_POSITIVES - 1e-9
