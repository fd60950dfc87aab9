"""The attacks. Each gives an image a score, which is higher for a likely training image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.evaluation.attacks.frame_attack import MIN_SCORED, logistic_scores
from core.runtime import seeding

MAX_PAPER_FIT = 500  # members, and as many non-members; more would make the 100 trees slow


@dataclass(frozen=True)
class Attack:
    """A kind of attack, with its texts for users."""

    name: str
    title: str
    help: str
    # probabilities (n, K), labels (n,) -> (n,); None for an attack that is fitted
    score: Callable[[Tensor, Tensor], np.ndarray] | None

    @property
    def fits(self) -> bool:
        """True if the attack learns from images that are not scored."""
        return self.score is None


def confidence(p: Tensor, y: Tensor) -> np.ndarray:
    """Return the log of the largest probability."""
    return _numpy(_positive(p).max(1).values.log())


def entropy(p: Tensor, y: Tensor) -> np.ndarray:
    """Return minus the entropy of the answer, in nats."""
    q = _positive(p)
    return _numpy((q * q.log()).sum(1))


def loss(p: Tensor, y: Tensor) -> np.ndarray:
    """Return minus the cross-entropy of the image's given label, in nats."""
    return _numpy(_positive(p).gather(1, y[:, None]).squeeze(1).log())


def correctness(p: Tensor, y: Tensor) -> np.ndarray:
    """Return 1 where the answer is the image's given label, else 0."""
    return _numpy((p.argmax(1) == y).double())


ATTACKS: dict[str, Attack] = {
    a.name: a
    for a in (
        Attack(
            "confidence", "Confidence", "Is the largest probability higher on forgotten images?", confidence
        ),
        Attack("entropy", "Entropy", "Is the answer to forgotten images less spread out?", entropy),
        Attack("loss", "Loss", "Is the given label more probable on forgotten images?", loss),
        Attack("correctness", "Correctness", "Is the given label more often the answer?", correctness),
        Attack("learned", "Learned", "A logistic regression on sorted probabilities of other images.", None),
    )
}


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's probabilities on the four sets, (n, K) each, and the given labels of the scored images."""

    fit_members: Tensor
    fit_non_members: Tensor
    members: Tensor
    non_members: Tensor
    members_y: Tensor
    non_members_y: Tensor


def member_scores(name: str, answers: Answers) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the scores of members and non-members by the attack ``name``; None for too few images to score or to fit on."""
    a = answers
    if min(len(a.members), len(a.non_members)) < MIN_SCORED:
        return None
    score = ATTACKS[name].score
    if score is not None:
        return score(a.members, a.members_y), score(a.non_members, a.non_members_y)
    if min(len(a.fit_members), len(a.fit_non_members)) < MIN_SCORED:
        return None
    return logistic_scores(a.fit_members, a.fit_non_members, a.members, a.non_members)


def paper_asr(answers: Answers, *, seed: int = 0) -> float | None:
    """Return the accuracy, in [0, 1], of the paper's attack, gradient-boosted trees on the sorted probabilities.

    It fits on remaining and other test images, and scores as many other members as non-members. None for too few images.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    a = answers
    count = min(len(a.fit_members), len(a.fit_non_members), MAX_PAPER_FIT)
    scored_count = min(len(a.members), len(a.non_members))
    if min(count, scored_count) < MIN_SCORED:
        return None
    fit = torch.cat(
        [_draw(p, count, seed, f"fit {i}") for i, p in enumerate((a.fit_members, a.fit_non_members))]
    )
    score = torch.cat(
        [_draw(p, scored_count, seed, f"score {i}") for i, p in enumerate((a.members, a.non_members))]
    )
    trees = GradientBoostingClassifier(random_state=seeding.derive_seed(seed, "trees") % 2**32)
    trees.fit(_sorted(fit), np.repeat([1, 0], count))
    predicted = trees.predict(_sorted(score))
    return float((predicted == np.repeat([1, 0], scored_count)).mean())


def _draw(p: Tensor, count: int, seed: int, name: str) -> Tensor:
    return p[torch.randperm(len(p), generator=seeding.generator(seed, "paper", name))[:count]]


def _sorted(p: Tensor) -> np.ndarray:
    return _numpy(p.sort(1, descending=True).values)


def _positive(p: Tensor) -> Tensor:
    return p.double().clamp_min(1e-12)


def _numpy(x: Tensor) -> np.ndarray:
    array: np.ndarray = x.numpy()
    return array
