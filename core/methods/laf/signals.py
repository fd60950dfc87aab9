"""Signals that tell how far an unlearning has come, read without a label and without a retrained model.

A ``SignalProbe`` keeps fixed samples of D_f, of D_r and of images that no model has seen, with the original's answers on them. It
compares what a model says of the same images now. It is handed images and rows, and nothing with a ``y``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.data.images import Images
from core.data.split import UnlabelledSplit
from core.models.base import Classifier, Outputs, divergences, outputs
from core.runtime import seeding

SAMPLE = 200  # images of D_f; of D_r half as many again
NOISE_SAMPLE = 1000  # of D_f and of D_r for noisy labels, where few images decide
NEIGHBOURS = 5
_ROWS = 256  # of a block of pixel similarities, so that they never take (N_f, N_r) at once


@dataclass(frozen=True)
class Signals:
    """One reading of a SignalProbe; shares in [0, 1], None where the task has no use for a signal."""

    step: int
    forget_agreement: float  # a_f: class removal: D_f still gets an answer to forget; else: g_D's own answer
    remain_agreement: float  # a_r: D_r still gets g_D's own answer
    cosine: float  # mean of cos(e_U, e_D) on D_r, in [-1, 1]
    confidence_forget: float  # mean probability of the answer on D_f
    confidence_unseen: float | None = None  # likewise on unseen images that get like answers
    recognised: float | None = None  # AUC of the confidence: D_f against those unseen images; 0.5 cannot tell
    recognised_error: float | None = None  # the standard error of an AUC of 0.5 between as many images
    distance: float | None = (
        None  # class removal: mean JS, in nats, from g_D's answers without those to forget
    )
    neighbours: float | None = None  # noisy labels: D_f gets the answer of its nearest images of D_r


class SignalProbe:
    """Fixed samples of images, and the original's answers on them."""

    def __init__(
        self,
        original: Classifier,
        split: UnlabelledSplit,
        task: str,
        *,
        unseen: Images | None = None,
        seed: int = 0,
    ) -> None:
        self.task = task
        most = NOISE_SAMPLE if task == "noise" else SAMPLE
        forget = _sample(split.forget_rows, most, seed, "forget")
        remain = _sample(split.remain_rows, most * 3 // 2, seed, "remain")
        self.forget, self.remain = split.train.take(forget), split.train.take(remain)
        before_f, before_r = outputs(original, self.forget), outputs(original, self.remain)
        self._own_f, self._own_r = before_f.predictions, before_r.predictions
        self._e_r = before_r.representations
        classes = before_r.probabilities.shape[1]
        weights = (len(split.forget_rows) / len(forget), len(split.remain_rows) / len(remain))
        self.answers = answers_to_forget(self._own_f, self._own_r, classes, weights)  # (K,) bool
        self._struck = struck(before_f.probabilities, self.answers)
        self._stays = ~self.answers[self._own_r] if task == "class" else torch.ones_like(self._own_r).bool()
        self._near = nearest(self.forget, self.remain) if task == "noise" else None
        self.unseen: Images | None = None
        self._weight, self._effective = (
            torch.ones(0),
            1.0,
        )  # of each unseen image, and how many even ones they are worth
        if unseen is not None and len(unseen) and task in ("data", "indices"):
            rows = _sample(torch.arange(len(unseen), device=unseen.x.device), 2 * most, seed, "unseen")
            self.unseen = unseen.take(rows)
            theirs = outputs(original, self.unseen).predictions
            self._weight = _like(self._own_f, theirs, classes)
            self._effective = float(1 / self._weight.square().sum().clamp_min(1e-12))  # Kish, 1965

    def read(self, model: Classifier, step: int) -> Signals:
        """Return the signals of ``model`` after ``step`` steps, from one forward pass over the samples."""
        f, r = outputs(model, self.forget), outputs(model, self.remain)
        stays = self._stays if bool(self._stays.any()) else torch.ones_like(self._stays)
        kept = (r.predictions == self._own_r)[stays]
        cosine = functional.cosine_similarity(r.representations, self._e_r, dim=1)
        confidence = f.probabilities.max(1).values
        if self.task == "class" and bool(self.answers.any()):
            still = self.answers[f.predictions]
        else:
            still = f.predictions == self._own_f
        unseen, recognised = self._unseen(model, confidence)
        return Signals(
            step,
            forget_agreement=_mean(still),
            remain_agreement=_mean(kept),
            cosine=_mean(cosine),
            confidence_forget=_mean(confidence),
            confidence_unseen=unseen,
            recognised=recognised,
            recognised_error=None if recognised is None else auc_error(len(self.forget), self._effective),
            distance=_mean(divergences(f.probabilities, self._struck)) if self.task == "class" else None,
            neighbours=self._neighbours(f, r),
        )

    def _unseen(self, model: Classifier, confidence: Tensor) -> tuple[float | None, float | None]:
        """Return the mean confidence on the unseen images, and the AUC of D_f's against it."""
        if self.unseen is None or not float(self._weight.sum()) > 0:
            return None, None
        theirs = outputs(model, self.unseen).probabilities.max(1).values
        return float(theirs.double() @ self._weight), weighted_auc(confidence, theirs, self._weight)

    def _neighbours(self, f: Outputs, r: Outputs) -> float | None:
        """Return the share of D_f whose answer is the mean answer of its nearest images of D_r, both by the current model."""
        if self._near is None:
            return None
        votes = r.probabilities[self._near].mean(1).argmax(1)
        return _mean(f.predictions == votes)


def answers_to_forget(own_f: Tensor, own_r: Tensor, classes: int, weights: tuple[float, float]) -> Tensor:
    """Return the answers (K,) bool that the original gives on more images of D_f than of D_r.

    ``own_f`` (n_f,) and ``own_r`` (n_r,) are its answers on samples, ``weights`` the images that one of a sample stands for.
    """
    counts = [
        torch.bincount(own, minlength=classes).double() * weight
        for own, weight in zip((own_f, own_r), weights, strict=True)
    ]
    return counts[0] > counts[1]


def struck(probabilities: Tensor, answers: Tensor) -> Tensor:
    """Return p̃ (N, K): ``probabilities`` without ``answers`` (K,) bool, summing to 1.

    Where no answer is named, each row loses its own largest one.

    After DELETE (arXiv 2503.23751), with the original's own answers in place of labels.
    """
    left = probabilities.clone()
    if bool(answers.any()) and not bool(answers.all()):
        left[:, answers] = 0
    else:
        left.scatter_(1, left.argmax(1, keepdim=True), 0)
    total = left.sum(1, keepdim=True)
    even = (left.new_ones(left.shape) * ~answers) if not bool(answers.all()) else left.new_ones(left.shape)
    return torch.where(total > 0, left / total.clamp_min(1e-30), even / even.sum(1, keepdim=True))


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


def weighted_auc(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Return P(a > b) + P(a = b) / 2 for a row of ``a`` (n,) and one of ``b`` (m,) drawn by ``weight`` (m,), which sums to 1."""
    order = b.argsort()
    values = b[order].contiguous()
    below = torch.cat([weight.new_zeros(1), weight[order].cumsum(0)])
    left = below[torch.searchsorted(values, a.contiguous())]
    right = below[torch.searchsorted(values, a.contiguous(), right=True)]
    return float(((left + right) / 2).mean())


def auc_error(n: float, m: float) -> float:
    """Return the standard error of an AUC of 0.5 between ``n`` and ``m`` rows: √((n + m + 1) / (12 n m)) (Mann and Whitney, 1947)."""
    return math.sqrt((n + m + 1) / (12 * n * m))


def _sample(rows: Tensor, most: int, seed: int, name: str) -> Tensor:
    chance = seeding.generator(seed, "signals", name)
    return rows[torch.randperm(len(rows), generator=chance)[:most].to(rows.device)]


def _like(wanted: Tensor, there: Tensor, classes: int) -> Tensor:
    """Return weights (m,) float64, summing to 1 or all zero, under which answers ``there`` (m,) are as frequent as in ``wanted`` (n,)."""
    share = torch.bincount(wanted, minlength=classes).double()
    have = torch.bincount(there, minlength=classes).double()
    weight = torch.where(have > 0, share / have.clamp_min(1), 0)[there]
    return weight / weight.sum() if float(weight.sum()) > 0 else weight


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else 1.0
