"""Who plays which part in an attack. Fit and score sets are disjoint; non-members are drawn as the members were.

Members are images of D_f. Against test images of all classes an attack on a removed class would only measure that the class is
unseen, so the non-members it is scored on come from the same classes in the same proportions, mislabelled and stamped as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from core.data.images import LabelledImages
from core.data.planted import stamp
from core.data.split import Split
from core.runtime import seeding

MAX_FIT = 2000  # members, and as many non-members


@dataclass(frozen=True, eq=False)
class AttackSets:
    """Who plays which part: rows of the training set for members, rows of the test set for non-members; all (n,) int64."""

    fit_members: Tensor  # of D_r
    fit_non_members: Tensor
    members: Tensor  # of D_f
    non_members: Tensor


def draw_sets(
    split: Split, *, train_rows: Tensor | None = None, test_rows: Tensor | None = None, seed: int = 0
) -> AttackSets:
    """Draw the four sets of an attack on D_f, from ``train_rows`` and ``test_rows`` (default: all).

    A class of which all is forgotten gives all its test images to scoring; one of which a part remains gives half of them to
    fitting; an untouched one gives all to fitting. Fitting takes as many members as non-members of each class.
    """
    train_y, test_y = (
        split.true_y.cpu(),
        split.test.y.cpu(),
    )  # mislabelled members, too, are images of their true class
    train_rows = torch.arange(len(train_y)) if train_rows is None else train_rows
    test_rows = torch.arange(len(test_y)) if test_rows is None else test_rows
    forgotten = torch.zeros(len(train_y), dtype=torch.bool)
    forgotten[split.forget_rows.cpu()] = True
    members = train_rows[forgotten[train_rows]]
    remaining = train_rows[~forgotten[train_rows]]
    mix = torch.bincount(train_y[members], minlength=len(split.dataset.classes))

    score: dict[int, Tensor] = {}
    fit_members, fit_non_members = [], []
    for c in range(len(mix)):
        mine = _shuffled(test_rows[test_y[test_rows] == c], seed, "test", c)
        kept = _shuffled(remaining[train_y[remaining] == c], seed, "train", c)
        half = 0 if not mix[c] else len(mine) if not len(kept) else len(mine) // 2
        if mix[c]:
            score[c] = mine[:half]
        count = min(len(mine) - half, len(kept), math.ceil(MAX_FIT / len(mix)))
        fit_members.append(kept[:count])
        fit_non_members.append(mine[half : half + count])
    share = min((len(rows) / int(mix[c]) for c, rows in score.items()), default=0.0)
    non_members = [rows[: math.floor(share * int(mix[c]) + 1e-9)] for c, rows in score.items()]
    empty = [torch.empty(0, dtype=torch.int64)]
    return AttackSets(
        torch.cat(fit_members or empty),
        torch.cat(fit_non_members or empty),
        members,
        torch.cat(non_members or empty),
    )


def _shuffled(rows: Tensor, seed: int, *names: str | int) -> Tensor:
    return rows[torch.randperm(len(rows), generator=seeding.generator(seed, "attack", *names))]


def without_twins(images: LabelledImages, rows: Tensor) -> Tensor:
    """``rows`` without those whose image and label an earlier one has: copies are no further evidence."""
    x = images.x[rows].reshape(len(rows), -1).cpu()
    both = torch.cat([x, images.y[rows].cpu()[:, None].to(torch.uint8)], 1).contiguous().numpy()
    first = np.unique(both.view(f"V{both.shape[1]}").ravel(), return_index=True)[1]
    return rows[torch.from_numpy(np.sort(first))]


def as_members(split: Split, sets: AttackSets, *, seed: int = 0) -> LabelledImages:
    """The non-members to score, made as the members were.

    Each gets the label of a random member of its true class: its own where D_f is labelled rightly, a wrong one by the same law
    where it is not. Where the members bear a planted mark, it is stamped on these too.
    """
    images = split.test.take(sets.non_members)
    truth, given = split.true_y.cpu()[sets.members], split.train.y.cpu()[sets.members]
    mine = images.y.cpu()
    y = mine.clone()
    for c in sorted(set(truth.tolist())):
        labels = given[truth == c]
        here = (mine == c).nonzero().flatten()
        order = torch.randperm(len(labels), generator=seeding.generator(seed, "attack", "labels", c))
        y[here] = labels[order.repeat(math.ceil(len(here) / len(order)))[: len(here)]]
    x = images.x
    if split.planted is not None and split.planted.kind == "trigger":
        x = stamp(x, images.white)
    return replace(images, x=x, y=y.to(images.y.device))
