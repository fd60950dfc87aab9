"""Sentences about a model and a D_f for which no settings can do well, told without a label."""

from __future__ import annotations

import torch

from core.data.mapped import blocks
from core.data.split import UnlabelledSplit
from core.models.base import Net, outputs

FEW = 3  # images of D_f: the share forgotten of fewer jumps from 0 to 50 or 100 %
_SAMPLE = 500  # images, evenly over all


def cautions(model: Net, split: UnlabelledSplit) -> tuple[str, ...]:
    """Return one sentence for each reason to expect little of unlearning D_f of ``split`` from the original ``model``."""
    n_f, n_r = len(split.forget_rows), len(split.remain_rows)
    found = []
    if n_f < FEW:
        found.append(
            f"D_f has only {n_f} image{'s' if n_f > 1 else ''}, so its accuracies move in large steps"
        )
    if n_f > n_r:
        found.append(
            f"D_f has more images ({n_f:,}) than D_r ({n_r:,}), so little holds the model to what it should keep"
        )
    some = split.train.take(torch.arange(0, len(split.train), max(1, len(split.train) // _SAMPLE)))
    answers = outputs(model, some).predictions
    first = split.train.x[:1]
    if all(bool((part == first).all()) for part in blocks(split.train.x)):
        found.append("All training images are alike, so no settings can tell those to forget from the others")
    elif bool((answers == answers[:1]).all()):
        found.append(
            "The original gives all images the same answer, so it has not learnt: train it longer first"
        )
    return tuple(found)
