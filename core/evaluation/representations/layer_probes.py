"""Linear probes at each layer: how well its features tell forgotten images from others (Alain and Bengio, 2016).

A probe is ridge regression on the features. Read its AUC only minus that of retrained models, which never saw the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.evaluation.attacks.roc import area_under_roc

MIN_IMAGES = 20  # on each side
RIDGE = 0.01  # times the mean squared length of the features
UNSEEN, REMAINING = "unseen", "remaining"  # what forgotten images are told from

ProbeAUCs = dict[str, dict[str, float]]  # by UNSEEN or REMAINING, by layer


@dataclass(frozen=True)
class LayerProbe:
    """The AUC, in [0, 1], of one probe at one layer; 0.5 means that the layer tells nothing."""

    layer: str
    against: str  # UNSEEN: test images drawn as the forgotten ones were; REMAINING: images of D_r
    auc: float
    original: float | None  # None where the original has no such layer
    references: tuple[float, ...]

    @property
    def excess(self) -> float | None:
        """The AUC minus the retrained models' mean; None without retrained models."""
        return self.auc - sum(self.references) / len(self.references) if self.references else None


def probe_auc(positive: Tensor, negative: Tensor) -> float | None:
    """Return the AUC of a ridge classifier of features (n, p) and (m, p), fitted on one half and scored on the other, and back.

    Minimises |Xw - y|² + λ |w|² on centred features, in its dual form; λ is RIDGE times the trace of the Gram matrix over n.
    The AUC is the mean over the two halves (every second image). None for fewer than MIN_IMAGES on a side.
    """
    if min(len(positive), len(negative)) < MIN_IMAGES:
        return None
    aucs = []
    for half in (0, 1):
        fit = torch.cat([positive[half::2], negative[half::2]]).double()
        y = torch.cat([torch.ones(len(positive[half::2])), torch.zeros(len(negative[half::2]))]).double()
        mean = fit.mean(0)
        x = fit - mean
        k = x @ x.T
        ridge = RIDGE * float(k.trace()) / len(x) + 1e-12
        weights = x.T @ torch.linalg.solve(
            k + ridge * torch.eye(len(x), dtype=k.dtype), (y - y.mean())[:, None]
        )
        scores = [
            ((part[1 - half :: 2].double() - mean) @ weights).flatten().numpy()
            for part in (positive, negative)
        ]
        aucs.append(area_under_roc(*scores))
    return sum(aucs) / 2


def probe_layers(
    forget: Mapping[str, Tensor], others: Mapping[str, Mapping[str, Tensor]]
) -> dict[str, dict[str, float]]:
    """Return the AUC of each probe, by name of ``others`` and by layer; ``forget`` holds features (n, p) by layer."""
    found: ProbeAUCs = {}
    for name, features in others.items():
        made = {layer: probe_auc(x, features[layer]) for layer, x in forget.items() if layer in features}
        found[name] = {layer: auc for layer, auc in made.items() if auc is not None}
    return found


def largest_excess(model: Mapping[str, float], references: Sequence[Mapping[str, float]]) -> float | None:
    """Return the largest AUC over the layers minus the retrained models' mean there; None without a common layer."""
    excess = [
        auc - sum(r[layer] for r in references) / len(references)
        for layer, auc in model.items()
        if references and all(layer in r for r in references)
    ]
    return max(excess, default=None)
