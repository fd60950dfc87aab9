"""KLoM: how differently a model answers each image from retrained models, by the divergence of its margins.

After Georgiev et al., "Attribute-to-Delete: Machine Unlearning via Datamodel Matching" (arXiv 2410.23232). The margin of an
image is log p_y / (1 - p_y) for its given label y. Margins of unlearned and of retrained models are binned together, and
KLoM is KL(unlearned | retrained) of the two histograms. The paper has 100 models on each side; the Lab has one and k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BINS = 20
LIMIT = 100.0  # margins are clipped to ± LIMIT
EMPTY = 1e-5  # least share of retrained models in a bin
MOST_NATS = -math.log(EMPTY)  # of an image whose bin holds no retrained model
TAIL = 95  # percentile over images


def klom(unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """Return KL(P | Q) in nats for each image: P the histogram of margins (m, n) of m models, Q of (k, n) of k retrained models.

    Each image has BINS equal bins from the smallest to the largest of its m + k margins. A share of Q is at least EMPTY, so
    that one model whose margin no retrained model shares gets -log EMPTY = 11.5. (n,) float64; raises ValueError without models.
    """
    if not len(unlearned) or not len(retrained):
        raise ValueError("KLoM needs at least one unlearned and one retrained model")
    both = np.clip(np.concatenate([unlearned, retrained]).astype(np.float64), -LIMIT, LIMIT)
    low, high = both.min(0), both.max(0)
    width = np.where(high > low, high - low, 1.0) / BINS
    bins = np.minimum(((both - low) / width).astype(np.int64), BINS - 1)  # (m + k, n)
    if len(unlearned) == 1:  # the same, without histograms
        alone: np.ndarray = -np.log(np.maximum((bins[1:] == bins[0]).mean(0), EMPTY))
        return alone
    shares = (bins[:, None, :] == np.arange(BINS)[None, :, None]).astype(np.float64)  # (m + k, BINS, n)
    p, q = shares[: len(unlearned)].mean(0), np.maximum(shares[len(unlearned) :].mean(0), EMPTY)
    divergence: np.ndarray = np.where(p > 0, p * np.log(np.maximum(p, EMPTY) / q), 0.0).sum(0)
    return divergence


def klom_of_one(model: np.ndarray, retrained: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the KLoM (n,) of one model, margins (n,), against k retrained models; None for k = 0.

    It is the mean over the k ways to leave one retrained model out, so that a retrained model, which has only k - 1 others,
    is measured in the same way: its value is the floor.
    """
    k = len(retrained)
    if not k:
        return None
    all_of_them = np.stack(list(retrained))
    if k == 1:
        return klom(model[None], all_of_them)
    parts = [klom(model[None], np.delete(all_of_them, i, 0)) for i in range(k)]
    mean: np.ndarray = np.mean(parts, 0)
    return mean


def floor_of_one(number: int, retrained: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the KLoM (n,) of retrained model ``number`` against the k - 1 others; None for k = 1."""
    if len(retrained) < 2:
        return None
    others = np.stack([m for i, m in enumerate(retrained) if i != number])
    return klom(retrained[number][None], others)


def mean_and_tail(values: np.ndarray | None) -> tuple[float | None, float | None]:
    """Return the mean and the 95th percentile over images; None for no images."""
    if values is None or not len(values):
        return None, None
    return float(values.mean()), float(np.percentile(values, TAIL))
