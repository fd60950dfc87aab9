"""Probes at each layer against scikit-learn's ridge, on features with and without information."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from core.evaluation.representations.layer_probes import (
    MIN_IMAGES,
    RIDGE,
    largest_excess,
    probe_auc,
    probe_layers,
)


def features(n: int, shift: float, seed: int, width: int = 12) -> torch.Tensor:
    x = torch.randn(n, width, generator=torch.Generator().manual_seed(seed))
    x[:, 0] += shift
    return x


@pytest.mark.parametrize("shift", [0.0, 0.8, 3.0])
def test_it_is_scikit_learns_ridge_on_every_second_image(shift):
    a, b = features(61, shift, 1), features(40, 0.0, 2)
    expected = []
    for half in (0, 1):
        x = torch.cat([a[half::2], b[half::2]]).double().numpy()
        y = np.r_[np.ones(len(a[half::2])), np.zeros(len(b[half::2]))]
        alpha = RIDGE * ((x - x.mean(0)) ** 2).sum() / len(x)
        ridge = Ridge(alpha=alpha).fit(x, y)
        score = [ridge.predict(part[1 - half :: 2].double().numpy()) for part in (a, b)]
        expected.append(roc_auc_score(np.r_[np.ones(len(score[0])), np.zeros(len(score[1]))], np.r_[*score]))
    assert probe_auc(a, b) == pytest.approx(np.mean(expected), abs=1e-9)


def test_too_few_images_give_none_and_equal_features_a_half():
    assert probe_auc(features(MIN_IMAGES - 1, 0, 1), features(50, 0, 2)) is None
    assert probe_auc(torch.ones(40, 3), torch.ones(40, 3)) == 0.5


def test_each_layer_that_both_have_is_probed_and_the_excess_is_the_largest():
    forget = {"conv": features(60, 0.0, 1), "fc": features(60, 2.0, 2), "own": features(60, 0.0, 3)}
    unseen = {"conv": features(60, 0.0, 4), "fc": features(60, 0.0, 5)}
    found = probe_layers(forget, {"unseen": unseen})["unseen"]
    assert found.keys() == {"conv", "fc"}
    assert found["fc"] > 0.85 > found["conv"]
    references = [{"conv": 0.5, "fc": 0.6}, {"conv": 0.5, "fc": 0.7}]
    assert largest_excess({"conv": 0.55, "fc": 0.9}, references) == pytest.approx(0.25)
    assert largest_excess({"conv": 0.55}, []) is None
    assert largest_excess({"other": 0.55}, references) is None
