"""The verdict on a finished run: whether the original had learnt, whether the images were forgotten, and at what price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from core.config import TASKS
from core.errors import RequestError
from core.evaluation.metrics import Report
from core.runtime.bounds import quote_value

# Train_f may lie this far above the retrained models' mean.
FORGET_MARGIN = 0.03
# Test_r (Test where no class is removed) may lie this far below the lower of original and retrained models.
PRICE_MARGIN = 0.02
# A run that came less than this share of the way from the original to the retrained models changed nothing.
NOTHING = 0.1
# The share of the way, in true labels of D_f, that a run on noisy labels must come.
REPAIRED = 2 / 3
# A model that is less than this many times as accurate as guessing has not learnt.
LEARNT = 1.5
# Where retrained models recognise less than this share of D_f, there is something to forget.
MOST = 0.5
# So is there where they recognise this much less of D_f than the run's model does; nearer is not near then.
WIDE = 0.2
# A JS that changed by less than this, in nats, did not change.
JS_MARGIN = 0.002


@dataclass(frozen=True)
class Finding:
    """One statement about a run: what happened, why, and what to try; one sentence each."""

    code: str  # "forgotten", "not forgotten", "partly forgotten", "original", "price", "no gain" or "farther"
    what: str
    why: str = ""
    advice: str = ""

    @property
    def is_failure(self) -> bool:
        """True if the run did not do what was asked."""
        return self.code not in ("forgotten", "no gain")

    def describe(self) -> str:
        """Return the sentences in one line."""
        return " ".join(sentence for sentence in (self.what, self.why, self.advice) if sentence)


@dataclass(frozen=True)
class Verdict:
    """All findings about one run, the gravest first."""

    findings: tuple[Finding, ...]

    @property
    def is_success(self) -> bool:
        """True if the run did what was asked."""
        return not any(finding.is_failure for finding in self.findings)

    def describe(self) -> str:
        """Return the first finding in one line, with what else went wrong."""
        return " ".join(f.describe() for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"success": self.is_success, "findings": [asdict(finding) for finding in self.findings]}


def verdict(
    task: str,
    original: Report,
    retrained: Sequence[Report],
    unlearned: Report,
    *,
    steps: int,
    pixel_accuracy: float | None = None,
) -> Verdict:
    """Judge a finished run against the original and at least one retrained model.

    ``task``: "class", "data", "noise" or "indices". ``steps``: steps that the method made. ``pixel_accuracy``: test accuracy of
    nearest neighbours on pixels, in [0, 1], where it is known. All reports are of the same images. Raises ValueError without a
    retrained model, RequestError for an unknown task.
    """
    if not retrained:
        raise ValueError("a verdict needs at least one retrained model")
    if task not in TASKS:
        raise RequestError(f"unknown task {quote_value(task)}; there are: {', '.join(TASKS)}")
    forgetting = {"class": _class, "noise": _noise}.get(task, _data)(original, retrained, unlearned, steps)
    if task == "class" and not forgetting.is_failure and unlearned.newest_f is not None:
        # among many images of earlier requests, those of the newest one hardly count
        newest = _class(
            _of_newest(original), [_of_newest(r) for r in retrained], _of_newest(unlearned), steps
        )
        forgetting = newest if newest.is_failure else forgetting
    price = _price(task, original, retrained, unlearned)
    if forgetting.is_failure:  # its advice comes first; less forgetting would be the wrong advice
        price = [replace(finding, advice="") for finding in price]
    failures = [forgetting] if forgetting.is_failure else []
    return Verdict((*failures, *_original(original, pixel_accuracy), *price) or (forgetting,))


def _original(original: Report, pixel_accuracy: float | None) -> list[Finding]:
    if original.newest_f is not None:  # a later request: its original has forgotten classes
        return []
    guessing = 1 / len(original.answers)
    right = f"it gets {_percent(original.test)} of the test images right."
    if original.test < LEARNT * guessing:
        what = f"The original model has hardly learnt: {right}"
        why = f"Guessing among {len(original.answers)} classes gets {_percent(guessing)} right."
    elif pixel_accuracy is not None and original.test < pixel_accuracy:
        what = f"The original model is no better than nearest neighbours: {right}"
        why = f"Nearest neighbours on the raw data get {_percent(pixel_accuracy)} right."
    else:
        return []
    advice = "Train the original for more epochs, or give it more images, before you judge what it forgets."
    return [Finding("original", what, why, advice)]


def _price(task: str, original: Report, retrained: Sequence[Report], unlearned: Report) -> list[Finding]:
    name = "test_r" if task == "class" else "test"
    before, now = getattr(original, name), getattr(unlearned, name)
    gold = [v for v in (getattr(r, name) for r in retrained) if v is not None]
    if before is None or now is None or not gold:
        return []
    # a later request begins where earlier ones have cost something, which its own original would hide
    is_later = original.newest_f is not None
    if (fmean(gold) if is_later else min(before, fmean(gold))) - now <= PRICE_MARGIN:
        return []
    began = "This request began at" if is_later else "The original gets"
    images = "test images of the other classes" if task == "class" else "test images"
    return [
        Finding(
            "price",
            f"The price is too high: the model gets {_percent(now)} of the {images} right.",
            f"{began} {_percent(before)}, and retrained models get {_percent(fmean(gold))}.",
            "Try fewer steps, lower learning rates, or a higher τ.",
        )
    ]


def _class(original: Report, retrained: Sequence[Report], unlearned: Report, steps: int) -> Finding:
    gold = fmean(r.train_f for r in retrained)
    # the original of a later request has forgotten earlier images
    if original.newest_f is None and max(original.train_f, unlearned.train_f) <= gold + FORGET_MARGIN:
        return Finding(
            "no gain",
            f"There was nothing to forget: the original recognises {_percent(original.train_f)} of these images.",
            f"Retrained models recognise {_percent(gold)}, and the model now recognises {_percent(unlearned.train_f)}.",
        )
    if unlearned.train_f <= gold + FORGET_MARGIN:
        return Finding(
            "forgotten",
            f"Forgotten: the model recognises {_percent(unlearned.train_f)} of the forgotten images, "
            f"and retrained models recognise {_percent(gold)}.",
        )
    way = original.train_f - gold
    done = (original.train_f - unlearned.train_f) / way if way > FORGET_MARGIN else 0.0
    return _unfinished(
        done,
        f"the model recognises {_percent(unlearned.train_f)} of the forgotten images",
        f"The original recognises {_percent(original.train_f)}, and retrained models recognise {_percent(gold)}.",
        steps,
    )


def _of_newest(report: Report) -> Report:
    """Return ``report`` with Train_f on the images of the newest request of a chain."""
    return report if report.newest_f is None else replace(report, train_f=report.newest_f)


def _noise(original: Report, retrained: Sequence[Report], unlearned: Report, steps: int) -> Finding:
    before, now = original.clean_f, unlearned.clean_f
    gold = [r.clean_f for r in retrained if r.clean_f is not None]
    if before is None or now is None or not gold:
        return _data(original, retrained, unlearned, steps)
    best = fmean(gold)
    done = (now - before) / (best - before) if best - before > FORGET_MARGIN else 1.0
    if done >= REPAIRED:
        return Finding(
            "forgotten",
            f"Forgotten: the model gives {_percent(now)} of the mislabelled images their true label, "
            f"and retrained models give {_percent(best)}.",
        )
    return _unfinished(
        done,
        f"the model gives {_percent(now)} of the mislabelled images their true label",
        f"The original gives {_percent(before)}, and retrained models give {_percent(best)}.",
        steps,
    )


def _data(original: Report, retrained: Sequence[Report], unlearned: Report, steps: int) -> Finding:
    before, now = (_distance(model, retrained) for model in (original, unlearned))
    js_before, js_now = original.js or 0.0, unlearned.js or 0.0
    numbers = (
        f"Its mean distance from retrained models is {_points(now)} (JS {js_now:.3f} nats); "
        f"the original's is {_points(before)} (JS {js_before:.3f} nats)."
    )
    gold = fmean(r.train_f for r in retrained)
    if js_now < js_before - JS_MARGIN or (abs(js_now - js_before) <= JS_MARGIN and now < before - 0.001):
        if unlearned.train_f > gold + WIDE:
            return Finding(
                "partly forgotten",
                f"Only a part was forgotten: the model recognises {_percent(unlearned.train_f)} of these images, "
                f"and retrained models recognise {_percent(gold)}.",
                numbers,
                "Try more steps, or higher learning rates.",
            )
        return Finding("forgotten", "The model is nearer to retrained models than the original is.", numbers)
    if js_now <= js_before + JS_MARGIN and now <= before + PRICE_MARGIN:
        if unlearned.train_f > gold + (FORGET_MARGIN if gold < MOST else WIDE):
            return Finding(
                "not forgotten",
                f"Nothing was forgotten: the model recognises {_percent(unlearned.train_f)} of these images, "
                f"and retrained models recognise {_percent(gold)}.",
                numbers,
                "Try the settings of class removal if the images are most of a class, or more steps and higher learning rates.",
            )
        return Finding(
            "no gain",
            "Doing nothing is as near to retraining as this run.",
            numbers,
            f"Retrained models recognise {_percent(gold)} of these images too, so there is little to forget.",
        )
    return Finding(
        "farther",
        "The run moved the model away from retrained models.",
        numbers,
        "Try fewer steps or lower learning rates; doing nothing is nearer.",
    )


def _unfinished(done: float, state: str, why: str, steps: int) -> Finding:
    made = f"The run made {steps:,} step{'' if steps == 1 else 's'}."
    if done < NOTHING:
        code, what, advice = (
            "not forgotten",
            "Nothing was forgotten",
            "Try more steps, or higher learning rates.",
        )
    else:
        code, what, advice = "partly forgotten", "Only a part was forgotten", "Try more steps, or a lower τ."
    return Finding(code, f"{what}: {state}.", f"{why} {made}", advice)


def _distance(model: Report, retrained: Sequence[Report]) -> float:
    """Return the mean distance of Train_r, Train_f and Test from the retrained models' means, in [0, 1]."""
    names = ("train_r", "train_f", "test")
    return fmean(abs(getattr(model, n) - fmean(getattr(r, n) for r in retrained)) for n in names)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


__all__ = ["FORGET_MARGIN", "PRICE_MARGIN", "Finding", "Verdict", "verdict"]
