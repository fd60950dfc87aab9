"""The step at which an unlearning should stop, told from signals that need no label and no retrained model.

Running on after D_f is forgotten takes LAF away from retraining, so a rule for each task says when it is time:

* class removal: D_f no longer gets the answers to forget, D_r keeps its own, and the answers on D_f no longer come nearer to p̃;
* data removal and chosen images: the model is no surer of D_f than of unseen images;
* noisy labels: the answers on D_f are those that similar images of D_r vote for, and no longer come nearer to them.

A rule is a pure function of the signals so far. It reads nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from core.methods.laf.automatic.signals import Signals
from core.runtime import bounds
from core.runtime.bounds import Bound, check


@dataclass(frozen=True)
class StoppingRule:
    """Bounds of the rules; all shares in [0, 1]."""

    forgotten: float = 0.01  # class removal: at most this share of D_f still gets an answer to forget
    kept: float = 0.9  # at least this share of D_r keeps the original's answer, or too much was lost
    settled: int = (
        8  # class removal: the first steps throw the whole model over, so no earlier reading counts
    )
    unsure: float = 2.0  # data removal: standard errors that the AUC may lie above 0.5
    mended: float = (
        0.7  # noisy labels: at least this share of the way from the original's answers to those voted for
    )
    patience: int = 3  # readings without a better one before the rule stops

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "forgotten": bounds.SHARE,
        "kept": bounds.SHARE,
        "settled": bounds.whole(1000, 0),
        "unsure": bounds.WEIGHT,
        "mended": bounds.SHARE,
        "patience": bounds.whole(1000),
    }

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Decision:
    """An answer of a rule: whether to stop, which reading was the best so far, and why, in one sentence."""

    stop: bool
    best: Signals | None  # None: no reading meets the task's aim yet
    reason: str


def decide(task: str, history: Sequence[Signals], rule: StoppingRule | None = None) -> Decision:
    """Return whether a run on ``task`` should stop after the readings ``history``, in the order of their steps."""
    rule = rule or StoppingRule()
    if not history:
        return Decision(False, None, "no step was taken yet")
    aim = _AIMS[task]
    good = [s for s in history if aim.met(s, rule)]
    if not good:
        last = min(history, key=lambda s: score(task, s)) if task == "noise" else history[-1]
        return Decision(False, None, aim.waiting(last, rule))
    best = min(good, key=lambda s: (score(task, s), s.step))
    since = sum(s.step > best.step for s in history)
    done = since >= aim.patience(rule)
    return Decision(done, best, aim.reached(best, rule) if done else "the last readings are still improving")


def reached(task: str, best: Signals, rule: StoppingRule) -> str:
    """Return the sentence that says what the reading ``best`` of a run on ``task`` reached; no later one was better."""
    return _AIMS[task].reached(best, rule)


def score(task: str, s: Signals) -> float:
    """Return how far a reading lies from what retraining would give, as far as signals can tell; lower is better."""
    return _AIMS[task].score(s)


class Aim(Protocol):
    """One task's aim: which readings meet it, how far each is from retraining, and the sentences for both."""

    def met(self, s: Signals, rule: StoppingRule) -> bool:
        """Return True if a reading meets the aim."""
        ...

    def score(self, s: Signals) -> float:
        """Return how far a reading lies from what retraining would give; lower is better."""
        ...

    def patience(self, rule: StoppingRule) -> int:
        """Return how many readings after the best one end the run, if none is better."""
        ...

    def waiting(self, s: Signals, rule: StoppingRule) -> str:
        """Return in words what a reading lacks."""
        ...

    def reached(self, s: Signals, rule: StoppingRule) -> str:
        """Return in words why the run stops at a reading."""
        ...


class _Class:
    """Aim of class removal."""

    def met(self, s: Signals, rule: StoppingRule) -> bool:
        forgotten = s.forget_agreement <= rule.forgotten
        return forgotten and s.remain_agreement >= rule.kept and s.step >= rule.settled

    def score(self, s: Signals) -> float:
        # An answer may be kept by a narrow margin, which the divergence shows before an image changes its answer. Images of D_r are learnt
        # by heart and lose less than others, so unseen images count where there are any.
        if s.unseen_agreement is not None:
            return (s.distance or 0.0) + 3 * (1 - s.unseen_agreement + (s.unseen_distance or 0.0))
        return (s.distance or 0.0) + 4 * (1 - s.remain_agreement + (s.remain_distance or 0.0))

    def patience(self, rule: StoppingRule) -> int:
        return rule.patience

    def waiting(self, s: Signals, rule: StoppingRule) -> str:
        if s.forget_agreement > rule.forgotten:
            return f"{_percent(s.forget_agreement)} of the images to forget still get an answer to forget"
        if s.step < rule.settled:
            return f"the first {rule.settled} steps are not trusted"
        return f"only {_percent(s.remain_agreement)} of the remaining images keep the original's answer"

    def reached(self, s: Signals, rule: StoppingRule) -> str:
        return (
            f"after {s.step} steps {_percent(s.forget_agreement)} of the images to forget get a forgotten class, "
            f"{_percent(s.remain_agreement)} of the remaining ones keep their answer"
        )


class _Data:
    """Aim of data removal and of chosen images."""

    def met(self, s: Signals, rule: StoppingRule) -> bool:
        known = s.recognised is not None and s.recognised <= _most_unsure(s, rule)
        return known and s.remain_agreement >= rule.kept

    def score(self, s: Signals) -> float:
        known = 0.5 if s.recognised is None else s.recognised
        return abs(known - 0.5) + 3 * (1 - s.remain_agreement)

    def patience(self, rule: StoppingRule) -> int:
        return 0  # each further step only costs

    def waiting(self, s: Signals, rule: StoppingRule) -> str:
        if s.recognised is None:
            return "there are no unseen images to compare D_f with"
        if s.recognised > _most_unsure(s, rule):
            return f"the model is still surer of the images to forget than of unseen ones (AUC {s.recognised:.2f})"
        return f"only {_percent(s.remain_agreement)} of the remaining images keep the original's answer"

    def reached(self, s: Signals, rule: StoppingRule) -> str:
        known = 0.5 if s.recognised is None else s.recognised
        if s.step == 0:
            return f"the original is no surer of the images to forget than of unseen ones (AUC {known:.2f}): doing nothing is as near"
        return f"after {s.step} steps the model is no surer of the images to forget than of unseen ones (AUC {known:.2f})"


def _most_unsure(s: Signals, rule: StoppingRule) -> float:
    """Return the highest AUC that cannot be told from 0.5."""
    return 0.5 + rule.unsure * (s.recognised_error or 0.0)


class _Noise:
    """Aim of noisy labels."""

    def met(self, s: Signals, rule: StoppingRule) -> bool:
        return s.mended is not None and s.mended >= rule.mended and s.remain_agreement >= rule.kept

    def score(self, s: Signals) -> float:
        return (1 - (s.neighbours or 0.0)) + (1 - s.remain_agreement)

    def patience(self, rule: StoppingRule) -> int:
        return (
            4 * rule.patience
        )  # the share stands still for 200 steps and rises on, by some percent up and down

    def waiting(self, s: Signals, rule: StoppingRule) -> str:
        if s.mended is None:
            return "the original agrees with similar remaining images about as often as right answers would, so they cannot tell"
        if s.remain_agreement < rule.kept:
            return f"only {_percent(s.remain_agreement)} of the remaining images keep the original's answer"
        return f"the answers on the images to forget came {_percent(max(0.0, s.mended))} of the way to those of similar remaining images"

    def reached(self, s: Signals, rule: StoppingRule) -> str:
        return (
            f"after {s.step} steps {_percent(s.neighbours or 0.0)} of the images to forget get the answer of similar ones, "
            "and more steps did not raise that"
        )


_AIMS: dict[str, Aim] = {"class": _Class(), "data": _Data(), "indices": _Data(), "noise": _Noise()}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
