"""Answers that similar images of D_r vote for on those of D_f, read from pixels and from the original's answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.data.images import Images, kind_of

NEIGHBOURS = 5
_ROWS = 256  # of a block of pixel similarities, so that they never take (N_f, N_r) at once
VOTERS = 1000  # images of D_r that vote on D_f
SIDE = 16  # pixels: larger images are averaged down to it before they are compared
RIDGE = 0.1  # of the kernel regression; at 0.01 and at 1 its votes are right about as often


@dataclass(frozen=True, eq=False)
class Votes:
    """The answers that images of D_r vote for on those of D_f, and how far they can be trusted."""

    answers: Tensor  # (N_f,) int64
    kappa: float  # Cohen's κ of the votes on each image of D_r without its own with the original's answers, at most 1
    expected: float  # the share of ``answers`` that right answers would agree with, in [0, 1]


def vote(forget: Images, remain: Images, own_r: Tensor, classes: int) -> Votes:
    """Return the Votes on ``forget`` by kernel ridge regression, on pixels, of the original's answers ``own_r`` (N_r,) on ``remain``.

    Similar images weigh most (a Gaussian kernel as wide as the median distance), and all answers together the same, since D_f was
    taken from D_r's classes and left them small. A model that collapses to one answer does not move the votes. Residuals left out are y − α / diag(K + λI)⁻¹ (Rasmussen and Williams, 2006, section 5.4.2).
    """
    remain, own_r = (
        remain.take(torch.arange(min(VOTERS, len(remain))).to(remain.x.device)),
        own_r[:VOTERS].cpu(),
    )
    x_r, x_f = _small(remain), _small(forget)
    distance = torch.cdist(x_r, x_r).square()
    apart = distance[distance > 0]
    width = apart.median() if len(apart) else distance.new_ones(())
    inverse = torch.linalg.inv(torch.exp(-distance / width) + RIDGE * torch.eye(len(x_r), dtype=x_r.dtype))
    target = functional.one_hot(own_r, classes).to(x_r.dtype)
    weights = inverse @ (target - target.mean(0))
    without = (target - target.mean(0) - weights / inverse.diagonal()[:, None]).argmax(1)
    answers = (torch.exp(-torch.cdist(x_f, x_r).square() / width) @ weights).argmax(1)
    right = torch.bincount(without[without == own_r], minlength=classes).double()
    precision = right / torch.bincount(without, minlength=classes).clamp_min(1)
    return Votes(answers.to(forget.x.device), cohens_kappa(without, own_r, classes), mean(precision[answers]))


def cohens_kappa(a: Tensor, b: Tensor, classes: int) -> float:
    """Return (p − e) / (1 − e) for two answers (N,) on the same images: p of them agree, e would by chance; 0 where e is 1."""
    agree = mean(a == b)
    one, other = (torch.bincount(x, minlength=classes).double() / len(x) for x in (a, b))
    chance = float(one @ other)
    return (agree - chance) / (1 - chance) if chance < 1 else 0.0


def _small(images: Images) -> Tensor:
    """Return the pixels (N, d) float64 in [0, 1] on the CPU, averaged down to SIDE pixels a side; vectors and series as they are."""
    x = images.x.cpu().double() / images.white
    if kind_of(x.shape[1:]) == "images" and max(x.shape[2:]) > SIDE:
        x = functional.adaptive_avg_pool2d(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])))
    return x.flatten(1)


def nearest(images: Images, among: Images, k: int = NEIGHBOURS) -> Tensor:
    """Return (N, k) int64: the rows of ``among`` with the largest cosine of centred pixels to each of ``images``."""
    middle = among.x.flatten(1).float().mean(0)

    def directions(x: Tensor) -> Tensor:
        return functional.normalize(x.flatten(1).float() - middle, dim=1)

    there = directions(among.x)
    k = min(k, len(among))
    return torch.cat(
        [(directions(part) @ there.T).topk(k, dim=1).indices for part in torch.split(images.x, _ROWS)]
    ).cpu()


def mean(values: Tensor) -> float:
    """Return the mean of ``values`` (n,), or 1 where there are none."""
    return float(values.double().mean()) if len(values) else 1.0
