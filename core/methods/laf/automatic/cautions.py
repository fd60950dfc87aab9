"""Facts about a model and a D_f, told before the search without a label: what no settings can do well, and what kind of request it is."""

from __future__ import annotations

import torch

from core.data.mapped import blocks
from core.data.split import UnlabelledSplit
from core.models.base import Net, outputs
from core.runtime import seeding

WHOLE = 0.95  # share of the images with an answer that D_f must hold, and share of D_f that must have such answers
AS_A_CLASS = "D_f holds nearly all images that get its answers, so it is forgotten as a class is"
_ANSWERED = 2000  # images of D_f, and of D_r
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


def holds_whole_answers(model: Net, split: UnlabelledSplit, *, seed: int = 0) -> bool:
    """Return True if D_f holds nearly all images that get the answers of D_f from the original ``model``.

    A model that was retrained without them does not know these answers, so D_f cannot be forgotten as a share of a class is.
    """
    counts, own_f = [], torch.zeros(0, dtype=torch.int64)
    for rows, name in ((split.forget_rows, "forget"), (split.remain_rows, "remain")):
        chance = seeding.generator(seed, "answers", name)
        some = rows[torch.randperm(len(rows), generator=chance)[:_ANSWERED].to(rows.device)]
        found = outputs(model, split.train.take(some))
        own = found.predictions.cpu()
        own_f = own if name == "forget" else own_f
        each = len(rows) / len(some)
        counts.append(torch.bincount(own, minlength=found.probabilities.shape[1]).double() * each)
    share = counts[0] / (counts[0] + counts[1]).clamp_min(1)
    return float((share[own_f] >= WHOLE).double().mean()) >= WHOLE
