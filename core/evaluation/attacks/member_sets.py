"""The members and non-members of an attack. The sets for fitting and for scoring are disjoint.

Members are images of D_f. The non-members to score have the same classes in the same proportions, and are mislabelled and
stamped like the members. Otherwise an attack on a removed class would only detect that the model never saw the class.
"""

from __future__ import annotations

import hashlib
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
_BLOCK = 4096  # images hashed at a time
_HASH = 16  # bytes of the hash of an image and its label


@dataclass(frozen=True, eq=False)
class AttackSets:
    """The four sets of an attack: rows of the training set for members, of the test set for non-members; all (n,) int64."""

    fit_members: Tensor  # of D_r
    fit_non_members: Tensor
    members: Tensor  # of D_f
    non_members: Tensor


def draw_sets(
    split: Split, *, train_rows: Tensor | None = None, test_rows: Tensor | None = None, seed: int = 0
) -> AttackSets:
    """Draw the four sets of an attack on D_f, from ``train_rows`` and ``test_rows`` (default: all, in any order).

    This is the one draw behind every AUC: the same rows give the same sets in each frame, report and record. Members
    exclude copies of an earlier image and label. A class that is forgotten as a whole gives all its test images to scoring. A class that is forgotten in part gives half
    of them to fitting. An untouched class gives all to fitting. Fitting takes as many members as non-members of each class.
    """
    train_y, test_y = split.true_y.cpu(), split.test.y.cpu()  # the true class of mislabelled members
    train_rows = torch.arange(len(train_y)) if train_rows is None else train_rows.sort().values
    test_rows = torch.arange(len(test_y)) if test_rows is None else test_rows.sort().values
    forgotten = torch.zeros(len(train_y), dtype=torch.bool)
    forgotten[split.forget_rows.cpu()] = True
    members = without_twins(split.train, train_rows[forgotten[train_rows]])
    remaining = train_rows[~forgotten[train_rows]]
    member_counts = torch.bincount(train_y[members], minlength=len(split.dataset.classes))

    to_score: dict[int, Tensor] = {}  # by class, rows of the test set
    fit_members, fit_non_members = [], []
    for c in range(len(member_counts)):
        unseen = _shuffled(test_rows[test_y[test_rows] == c], seed, "test", c)
        seen = _shuffled(remaining[train_y[remaining] == c], seed, "train", c)
        scored = 0 if not member_counts[c] else len(unseen) if not len(seen) else len(unseen) // 2
        if member_counts[c]:
            to_score[c] = unseen[:scored]
        count = min(len(unseen) - scored, len(seen), math.ceil(MAX_FIT / len(member_counts)))
        fit_members.append(seen[:count])
        fit_non_members.append(unseen[scored : scored + count])
    share = min((len(rows) / int(member_counts[c]) for c, rows in to_score.items()), default=0.0)
    non_members = [rows[: math.floor(share * int(member_counts[c]) + 1e-9)] for c, rows in to_score.items()]
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
    """Return ``rows`` without copies of an earlier image and label, which are no further evidence."""
    hashes = np.empty(len(rows), f"S{_HASH}")
    for start in range(0, len(rows), _BLOCK):
        some = images.take(rows[start : start + _BLOCK])
        labels = some.y.tolist()
        for i, x in enumerate(some.x.cpu().contiguous().numpy()):
            digest = hashlib.blake2b(x.data, digest_size=_HASH, key=str(labels[i]).encode())
            hashes[start + i] = digest.digest()
    first = np.unique(hashes.view(f"V{_HASH}"), return_index=True)[1]
    return rows[torch.from_numpy(np.sort(first))]


def as_members(split: Split, sets: AttackSets, *, seed: int = 0) -> LabelledImages:
    """Return the non-members to score, labelled and stamped like the members.

    Each non-member gets the label of a random member of its true class, which is wrong as often as the members' labels.
    A planted mark of the members is stamped on the non-members too.
    """
    images = split.test.take(sets.non_members)
    truth, given = split.true_y.cpu()[sets.members], split.train.y.cpu()[sets.members]
    true_y = images.y.cpu()
    y = true_y.clone()
    for c in sorted(set(truth.tolist())):
        labels = given[truth == c]
        here = (true_y == c).nonzero().flatten()
        order = torch.randperm(len(labels), generator=seeding.generator(seed, "attack", "labels", c))
        y[here] = labels[order.repeat(math.ceil(len(here) / len(order)))[: len(here)]]
    x = images.x
    if split.planted is not None and split.planted.kind == "trigger":
        x = stamp(x, images.white)
    return replace(images, x=x, y=y.to(images.y.device))
