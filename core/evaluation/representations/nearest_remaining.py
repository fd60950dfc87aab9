"""The images of D_r that are nearest to D_f, which unlearning is most likely to harm, and test images to attack them with."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SHARE = 0.1  # of the candidates
FEWEST, MOST = 10, 500  # images
CANDIDATES = 5000  # images of D_r that are looked at
CHUNK = 1000  # rows of one product


def nearest_remaining(remain: Tensor, forget: Tensor) -> Tensor:
    """Return the rows of ``remain`` (m, d) nearest to ``forget`` (n, d), the nearest first, (q,) int64.

    The distance of a row is 1 minus its largest cosine with a row of ``forget``. q is SHARE of m, from FEWEST to MOST. Empty
    where D_f is empty or D_r has fewer than FEWEST rows.
    """
    if not len(forget) or len(remain) < FEWEST:
        return torch.empty(0, dtype=torch.int64)
    a, b = (functional.normalize(x.double(), dim=1) for x in (remain, forget))
    cosine = torch.cat([(part @ b.T).max(1).values for part in torch.split(a, CHUNK)])
    count = min(MOST, max(FEWEST, math.floor(SHARE * len(remain))))
    return cosine.sort(descending=True, stable=True).indices[:count]


def same_mix(classes: Tensor, candidates: Tensor) -> Tensor:
    """Return rows of ``candidates`` (m,), as many as possible, with the classes of ``classes`` (n,) in the same proportions.

    The first rows of each class are taken; shares are rounded down.
    """
    counts = torch.bincount(classes, minlength=int(candidates.max()) + 1 if len(candidates) else 0)
    rows = {int(c): (candidates == c).nonzero().flatten() for c in counts.nonzero().flatten()}
    share = min((len(r) / int(counts[c]) for c, r in rows.items()), default=0.0)
    parts = [r[: math.floor(share * int(counts[c]) + 1e-9)] for c, r in rows.items()]
    return torch.cat(parts or [torch.empty(0, dtype=torch.int64)]).sort().values
