"""Two measurements for lessons: a membership attack with the wrong and the right non-members, and neighbours of forgotten images.

Both show common mistakes in evaluation. With the wrong non-members an attack only detects an unseen class. Forgotten images have
neighbours of their class in any model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.data.split import Split
from core.evaluation.attacks.roc import area_under_roc
from core.models.base import Net, Outputs, outputs

NEAREST = 15
MOST_IMAGES = 2000  # a search for neighbours uses about so many training images


def measure(
    what: str, split: Split, original: Net, now: Net, retrained: Sequence[Net]
) -> dict[str, float | None]:
    """Return facts of the model ``now``, with prefix "original." of the original, and "retrained." as means.

    For "attack" the facts are naive_auc and fair_auc, for "neighbours" neighbours and probe.
    """
    facts_of_model = _attack if what == "attack" else _neighbours
    found: dict[str, Any] = {f"original.{k}": v for k, v in facts_of_model(original, split).items()}
    found |= facts_of_model(now, split)
    each = [facts_of_model(model, split) for model in retrained]
    for name in next(iter(each), {}):
        values = [value for facts in each if (value := facts[name]) is not None]
        found[f"retrained.{name}"] = float(np.mean(values)) if values else None
    return found


def _attack(model: Net, split: Split) -> dict[str, float | None]:
    """Return AUCs of confidence: D_f against test images of all classes, and of the forgotten classes only."""
    members = _confidence(outputs(model, split.forget))
    test = _confidence(outputs(model, split.test))
    same = split.test_is_touched.cpu().numpy()
    return {
        "naive_auc": area_under_roc(members, test),
        "fair_auc": area_under_roc(members, test[same]) if same.any() else None,
    }


def _neighbours(model: Net, split: Split) -> dict[str, float | None]:
    """Return the share of nearest neighbours, by cosine, in the class of a forgotten image, and the probe's accuracy."""
    rows = torch.arange(len(split.train))[:: max(1, len(split.train) // MOST_IMAGES)]
    e = _unit(outputs(model, split.train.take(rows)))
    y = split.true_y.cpu()[rows]
    forget = torch.isin(rows, split.forget_rows.cpu())
    similarity = e[forget] @ e.T  # (n_f, n)
    nearest = similarity.topk(NEAREST + 1, dim=1).indices[:, 1:]  # the first is the image itself
    share = (y[nearest] == y[forget][:, None]).double().mean()
    return {"neighbours": float(share), "probe": _probe(model, split)}


def _probe(model: Net, split: Split) -> float | None:
    """Return the balanced test accuracy of a linear probe for "forgotten or not", fitted on training representations."""
    from sklearn.linear_model import LogisticRegression

    touched = split.test_is_touched.cpu().numpy()
    rows = torch.arange(len(split.train))[:: max(1, len(split.train) // MOST_IMAGES)]
    mine = torch.isin(rows, split.forget_rows.cpu()).numpy()
    if not touched.any() or touched.all() or not mine.any():
        return None
    e, test = _unit(outputs(model, split.train.take(rows))).numpy(), _unit(outputs(model, split.test)).numpy()
    probe = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(e, mine)
    right = probe.predict(test) == touched
    return float((right[touched].mean() + right[~touched].mean()) / 2)


def _confidence(out: Outputs) -> np.ndarray:
    found: np.ndarray = out.probabilities.max(1).values.double().numpy()
    return found


def _unit(out: Outputs) -> Tensor:
    return torch.nn.functional.normalize(out.representations.float(), dim=1)
