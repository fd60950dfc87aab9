"""The attacks: each gives an image a score that is higher where it looks more like one that was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.evaluation.attacks.frame_attack import MIN_SCORED, learned
from core.runtime import seeding

MAX_PAPER_FIT = 500  # members, and as many non-members: a hundred trees are slow


@dataclass(frozen=True)
class Attack:
    """A kind of attack, as a person reads it. ``fits``: it learns from images that are not scored."""

    name: str
    title: str
    help: str
    score: Callable[[Tensor, Tensor], np.ndarray] | None  # probabilities (n, K), labels (n,) -> (n,)

    @property
    def fits(self) -> bool:
        return self.score is None


def confidence(p: Tensor, y: Tensor) -> np.ndarray:
    """log of the largest probability, whichever class it is of."""
    return _numpy(_safe(p).max(1).values.log())


def entropy(p: Tensor, y: Tensor) -> np.ndarray:
    """Minus the entropy of the answer, in nats."""
    q = _safe(p)
    return _numpy((q * q.log()).sum(1))


def loss(p: Tensor, y: Tensor) -> np.ndarray:
    """Minus the cross-entropy of the label that the image bears, in nats."""
    return _numpy(_safe(p).gather(1, y[:, None]).squeeze(1).log())


def correctness(p: Tensor, y: Tensor) -> np.ndarray:
    """1 where the answer is the label that the image bears, else 0."""
    return _numpy((p.argmax(1) == y).double())


ATTACKS: dict[str, Attack] = {
    a.name: a
    for a in (
        Attack("confidence", "Confidence", "Is the largest probability higher on forgotten images?", confidence),
        Attack("entropy", "Entropy", "Is the answer to forgotten images less spread out?", entropy),
        Attack("loss", "Loss", "Is the label that the images bear more probable on forgotten images?", loss),
        Attack("correctness", "Correctness", "Is that label the answer more often on forgotten images?", correctness),
        Attack("learned", "Learned", "A logistic regression on sorted probabilities, fitted on remaining and other test images.", None),
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's probabilities on the four sets, (n, K) each, and the labels that the scored images bear."""

    fit_members: Tensor
    fit_non_members: Tensor
    members: Tensor
    non_members: Tensor
    members_y: Tensor
    non_members_y: Tensor


def scored(name: str, answers: Answers) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores of members and non-members by the attack ``name``; None where there are too few to score or to fit on."""
    a = answers
    if min(len(a.members), len(a.non_members)) < MIN_SCORED:
        return None
    score = ATTACKS[name].score
    if score is not None:
        return score(a.members, a.members_y), score(a.non_members, a.non_members_y)
    if min(len(a.fit_members), len(a.fit_non_members)) < MIN_SCORED:
        return None
    return learned(a.fit_members, a.fit_non_members, a.members, a.non_members)


def paper_asr(answers: Answers, *, seed: int = 0) -> float | None:
    """Accuracy in [0, 1] of the paper's attack: gradient-boosted trees on the sorted probabilities.

    Fitted on remaining against other test images, scored on as many members as non-members, none of which it was fitted on;
    None where there are too few.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    a = answers
    count = min(len(a.fit_members), len(a.fit_non_members), MAX_PAPER_FIT)
    scored_count = min(len(a.members), len(a.non_members))
    if min(count, scored_count) < MIN_SCORED:
        return None
    fit = torch.cat(
        [_some(p, count, seed, f"fit {i}") for i, p in enumerate((a.fit_members, a.fit_non_members))]
    )
    score = torch.cat(
        [_some(p, scored_count, seed, f"score {i}") for i, p in enumerate((a.members, a.non_members))]
    )
    trees = GradientBoostingClassifier(random_state=seeding.derive(seed, "trees") % 2**32)
    trees.fit(_sorted(fit), np.repeat([1, 0], count))
    said = trees.predict(_sorted(score))
    return float((said == np.repeat([1, 0], scored_count)).mean())


def _some(p: Tensor, count: int, seed: int, name: str) -> Tensor:
    return p[torch.randperm(len(p), generator=seeding.generator(seed, "paper", name))[:count]]


def _sorted(p: Tensor) -> np.ndarray:
    return _numpy(p.sort(1, descending=True).values)


def _safe(p: Tensor) -> Tensor:
    return p.double().clamp_min(1e-12)


def _numpy(x: Tensor) -> np.ndarray:
    found: np.ndarray = x.numpy()
    return found
