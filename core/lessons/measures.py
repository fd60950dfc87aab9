"""Two measurements that lessons make beside the Lab's own: the attack asked wrongly and rightly, and how tight a forgotten group is.

Both are traps in judging unlearning: the first question measures that a class is unseen, the second finds structure in any model.
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
MOST = 2000  # images among which neighbours are sought


def measure(
    what: str, split: Split, original: Net, now: Net, retrained: Sequence[Net]
) -> dict[str, float | None]:
    """Facts of ``original.…``, plain (of ``now``) and ``retrained.…`` (their mean): for "attack" naive_auc and fair_auc, for "neighbours" neighbours and probe."""
    of = _attack if what == "attack" else _neighbours
    found: dict[str, Any] = {f"original.{k}": v for k, v in of(original, split).items()} | of(now, split)
    theirs = [of(model, split) for model in retrained]
    for name in next(iter(theirs), {}):
        values = [value for t in theirs if (value := t[name]) is not None]
        found[f"retrained.{name}"] = float(np.mean(values)) if values else None
    return found


def _attack(model: Net, split: Split) -> dict[str, float | None]:
    """Confidence as score: members are D_f, non-members test images of all classes, then of the touched ones only."""
    members = _confidence(outputs(model, split.forget))
    test = _confidence(outputs(model, split.test))
    same = split.test_is_touched.cpu().numpy()
    return {
        "naive_auc": area_under_roc(members, test),
        "fair_auc": area_under_roc(members, test[same]) if same.any() else None,
    }


def _neighbours(model: Net, split: Split) -> dict[str, float | None]:
    """Of images to forget: the share of their nearest neighbours, by cosine, that are of such a class."""
    rows = torch.arange(len(split.train))[:: max(1, len(split.train) // MOST)]
    e = _unit(outputs(model, split.train.take(rows)))
    y = split.true_y.cpu()[rows]
    forget = torch.isin(rows, split.forget_rows.cpu())
    likeness = e[forget] @ e.T  # (n_f, n)
    nearest = likeness.topk(NEAREST + 1, dim=1).indices[:, 1:]  # the first is the image itself
    share = (y[nearest] == y[forget][:, None]).double().mean()
    return {"neighbours": float(share), "probe": _probe(model, split)}


def _probe(model: Net, split: Split) -> float | None:
    """Balanced accuracy, on test images, of a linear probe that was fitted on training representations: forgotten class or not."""
    from sklearn.linear_model import LogisticRegression

    touched = split.test_is_touched.cpu().numpy()
    rows = torch.arange(len(split.train))[:: max(1, len(split.train) // MOST)]
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
