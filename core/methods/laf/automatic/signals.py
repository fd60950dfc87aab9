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
from core.methods.laf.automatic.votes import mean, vote
from core.models.base import Classifier, divergences, outputs
from core.runtime import seeding

SAMPLE = 200  # images of D_f; of D_r half as many again
CONFIRMING = (
    1000  # images of D_f on which class removal reads how many still get an answer to forget, once few do
)
FEW = 0.02  # of the sample: so few; unseen images are read then, too
NOISE_SAMPLE = 1000  # of D_f and of D_r for noisy labels, where few images decide
TRUSTED = 0.7  # Cohen's κ with which votes must foretell the original's answers on D_r

SURE = 0.5  # of D_f's answers that differ from the votes: so many must be wrong answers, or what was mended cannot be counted


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
    neighbours: float | None = None  # noisy labels: D_f gets the answer that similar images of D_r vote for
    # noisy labels: how far ``neighbours`` came from the original's share (0) to that of right answers (1), less its standard
    # error; None where the votes cannot tell
    mended: float | None = None
    remain_distance: float | None = None  # class removal: mean JS, in nats, from g_D's answers on D_r
    # class removal, once few of D_f still get an answer to forget: unseen images, without those with such an answer
    unseen_agreement: float | None = None  # share that still gets g_D's own answer
    unseen_distance: float | None = None  # mean JS, in nats, from g_D's answers


class SignalProbe:
    """Fixed samples of images, and the original's answers on them.

    ``few``: the share of D_f with an answer to forget at which class removal also reads more of D_f, and unseen images.
    """

    def __init__(
        self,
        original: Classifier,
        split: UnlabelledSplit,
        task: str,
        *,
        unseen: Images | None = None,
        seed: int = 0,
        few: float = FEW,
    ) -> None:
        self.task, self.few = task, few
        most = NOISE_SAMPLE if task == "noise" else SAMPLE
        forget = _sample(split.forget_rows, max(most, CONFIRMING), seed, "forget")
        further, forget = forget[most:], forget[:most]
        remain = _sample(split.remain_rows, most * 3 // 2, seed, "remain")
        self.forget, self.remain = split.train.take(forget), split.train.take(remain)
        self._further = split.train.take(further) if task == "class" and len(further) else None
        self.images_read = 0  # in all readings
        before_f, before_r = outputs(original, self.forget), outputs(original, self.remain)
        self._own_f, self._own_r = before_f.predictions, before_r.predictions
        self._e_r, self._p_r = before_r.representations, before_r.probabilities
        classes = before_r.probabilities.shape[1]
        weights = (len(split.forget_rows) / len(forget), len(split.remain_rows) / len(remain))
        self.answers = answers_to_forget(self._own_f, self._own_r, classes, weights)  # (K,) bool
        self._struck = struck(before_f.probabilities, self.answers)
        self._stays = ~self.answers[self._own_r] if task == "class" else torch.ones_like(self._own_r).bool()
        self.votes = vote(self.forget, self.remain, self._own_r, classes) if task == "noise" else None
        self._agreed = 0.0 if self.votes is None else mean(self._own_f == self.votes.answers)
        self.unseen: Images | None = None
        # of each unseen image, and how many even ones they are worth
        self._weight, self._effective = torch.ones(0), 1.0
        self._own_u, self._p_u = self._own_f[:0], before_f.probabilities[:0]
        if unseen is not None and len(unseen) and task != "noise":
            rows = _sample(torch.arange(len(unseen), device=unseen.x.device), 2 * most, seed, "unseen")
            self._compare_with(unseen.take(rows), original)

    def _compare_with(self, unseen: Images, original: Classifier) -> None:
        """Keep ``unseen``, of class removal without those that get an answer to forget, and the original's answers on them."""
        theirs = outputs(original, unseen)
        if self.task == "class":
            stays = ~self.answers[theirs.predictions]
            self.unseen = unseen.take(stays.nonzero().flatten()) if bool(stays.any()) else None
            self._own_u, self._p_u = theirs.predictions[stays], theirs.probabilities[stays]
            return
        self.unseen = unseen
        self._weight = _like(self._own_f, theirs.predictions, len(self.answers))
        self._effective = float(1 / self._weight.square().sum().clamp_min(1e-12))  # Kish, 1965

    @property
    def room(self) -> float:
        """The share of votes on D_f that right answers would agree with, above what the original agrees with."""
        return 0.0 if self.votes is None else self.votes.expected - self._agreed

    @property
    def can_tell(self) -> bool:
        """True if the votes tell answers that were mended from the original's: they are reliable, and leave more room than chance."""
        if self.votes is None:
            return False
        return self.votes.kappa >= TRUSTED and self.room > 2 * self._error

    @property
    def is_sure(self) -> bool:
        """True if most images on which votes and the original differ are wrong answers of the original, not wrong votes."""
        return self.can_tell and self.room >= SURE * (1 - self._agreed)

    @property
    def _error(self) -> float:
        """The standard error of the share of votes that right answers would agree with."""
        p = 0.0 if self.votes is None else self.votes.expected
        return math.sqrt(p * (1 - p) / len(self.forget))

    def _mended(self, agreed: float) -> float:
        return (agreed - self._agreed - self._error) / self.room

    @property
    def images(self) -> int:
        """Number of images that one reading passes through the model, unless few of D_f still get an answer to forget."""
        unseen = 0 if self.unseen is None or self.task == "class" else len(self.unseen)
        return len(self.forget) + len(self.remain) + unseen

    def read(self, model: Classifier, step: int) -> Signals:
        """Return the signals of ``model`` after ``step`` steps, from one forward pass over the samples."""
        f, r = outputs(model, self.forget), outputs(model, self.remain)
        stays = self._stays if bool(self._stays.any()) else torch.ones_like(self._stays)
        kept = (r.predictions == self._own_r)[stays]
        cosine = functional.cosine_similarity(r.representations, self._e_r, dim=1)
        confidence = f.probabilities.max(1).values
        self.images_read += self.images
        still = f.predictions == self._own_f
        if self.task == "class" and bool(self.answers.any()):
            still = self.answers[f.predictions]
            if self._further is not None and mean(still) <= self.few:
                still = torch.cat([still, self.answers[outputs(model, self._further).predictions]])
                self.images_read += len(self._further)
        unseen, recognised = self._unseen(model, confidence)
        kept_unseen, moved_unseen = self._kept_unseen(model) if mean(still) <= self.few else (None, None)
        agreed = None if self.votes is None else mean(f.predictions == self.votes.answers)
        return Signals(
            step,
            forget_agreement=mean(still),
            remain_agreement=mean(kept),
            cosine=mean(cosine),
            confidence_forget=mean(confidence),
            confidence_unseen=unseen,
            recognised=recognised,
            recognised_error=None if recognised is None else auc_error(len(self.forget), self._effective),
            distance=mean(divergences(f.probabilities, self._struck)) if self.task == "class" else None,
            neighbours=agreed,
            mended=self._mended(agreed) if agreed is not None and self.can_tell else None,
            remain_distance=(
                mean(divergences(r.probabilities, self._p_r)[stays]) if self.task == "class" else None
            ),
            unseen_agreement=kept_unseen,
            unseen_distance=moved_unseen,
        )

    def _kept_unseen(self, model: Classifier) -> tuple[float | None, float | None]:
        """Return the share of unseen images that keep the original's answer, and the mean JS to its answers; of class removal."""
        if self.unseen is None or self.task != "class":
            return None, None
        self.images_read += len(self.unseen)
        now = outputs(model, self.unseen)
        return mean(now.predictions == self._own_u), mean(divergences(now.probabilities, self._p_u))

    def _unseen(self, model: Classifier, confidence: Tensor) -> tuple[float | None, float | None]:
        """Return the mean confidence on the unseen images, and the AUC of D_f's against it."""
        if self.unseen is None or self.task == "class" or not float(self._weight.sum()) > 0:
            return None, None
        theirs = outputs(model, self.unseen).probabilities.max(1).values
        return float(theirs.double() @ self._weight), weighted_auc(confidence, theirs, self._weight)


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
