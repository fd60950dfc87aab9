"""The state of one step in a sentence for students: what the model does now, without a judgement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.evaluation.metrics import Reading
from dashboard.presentation.text.readouts.band_position import Compared, ReferenceBands

FEW = 0.05  # Train_f from which on the answers to D_f say more than the accuracy


def as_text(sentence: str) -> str:
    """Return ``sentence`` with its Markdown escaped: a link's words must not become a link or a picture on the page."""
    return re.sub(r"([\\`*_\[\]<>~$:!#|])", r"\\\1", sentence)


def short_title(title: str) -> str:
    """Return a method's title without its explanation: "MDA" for "MDA, masked distillation with alignment"."""
    return title.partition(", ")[0]


def sentence(
    task: str,
    now: Compared,
    original: Compared,
    bands: ReferenceBands,
    classes: Sequence[str],
    waiting: str | None = None,
) -> dict[str, str]:
    """Return what the model of one step does, as ``head`` and ``more``; the tone is "neutral".

    Only a finished run is judged, once every band is there: see dashboard.presentation.story.verdict_text.
    """
    if bands.is_complete:
        more = _compared(task, now, original, bands, classes)
    else:
        more = waiting or "There is no retrained model to compare with yet."
    return {"head": _head(task, now.reading), "more": more, "tone": "neutral"}


def answers(now: Compared, bands: ReferenceBands, classes: Sequence[str]) -> str:
    """Return a sentence about the most common answer to D_f, beside that of retrained models."""
    reading = now.reading
    calls = sorted({classes[r.commonest] for r in bands.references}, key=list(classes).index)
    shares = span(100 * r.commonest_share for r in bands.references)
    return (
        f"{100 * reading.commonest_share:.0f} % of them are called {classes[reading.commonest]}; "
        f"retrained models call {shares} % of them {_either(calls)}."
    )


def apart(now: Compared, original: Compared) -> str:
    """Return a sentence about the distances of two models' accuracies from retraining."""
    return (
        f"Accuracies are {100 * now.apart:.1f} points from retraining on average; "
        f"the untouched model is {100 * original.apart:.1f} away."
    )


def span(values: Iterable[float]) -> str:
    """Return the range of ``values``, such as "48 – 59", or "58" for equal ones."""
    found = [f"{v:.0f}" for v in values]
    low, high = min(found, key=float), max(found, key=float)
    return low if low == high else f"{low} – {high}"


def _head(task: str, reading: Reading) -> str:
    if reading.planted is not None:
        return f"The planted answer has a probability of {100 * reading.planted:.0f} % on its probes."
    if reading.clean_f is not None:
        return f"{100 * reading.clean_f:.0f} % of the mislabelled images get their true label."
    still = " still" if task == "class" else ""
    return f"{100 * reading.train_f:.0f} % of the images to forget are{still} recognised."


def _compared(
    task: str, now: Compared, original: Compared, bands: ReferenceBands, classes: Sequence[str]
) -> str:
    """Return the same figure of the original and of retrained models."""
    reading, before, gold = now.reading, original.reading, bands.references
    if reading.planted is not None:
        first, after = before.planted or 0.0, [r.planted or 0.0 for r in gold]
    elif reading.clean_f is not None:
        first, after = before.clean_f or 0.0, [r.clean_f or 0.0 for r in gold]
    else:
        first, after = before.train_f, [r.train_f for r in gold]
    text = f"{100 * first:.0f} % before; {span(100 * v for v in after)} % after retraining."
    if task == "class" and reading.train_f <= FEW:
        return f"{text} {answers(now, bands, classes)}"
    return f"{text} {apart(now, original)}" if task in ("data", "indices") else text


def _either(names: Sequence[str]) -> str:
    """Return names as an alternative, such as "2, 5 or 6"."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def waiting(done: int, total: int, error: str | None = None) -> str:
    """Return the sentence shown while retrained models are missing."""
    return error or f"Comparing with retrained models: {done} of {total} are ready."


def clock(spent_s: float, retrain_s: Sequence[float], *, done: bool) -> str:
    """Return a sentence that compares a method's seconds with retraining's.

    The method is called cheaper only if it beats the quickest retraining, and dearer only if it is slower than all.
    """
    if not retrain_s:
        return "Retraining is still running."
    low, high = min(retrain_s), max(retrain_s)
    if spent_s >= high:
        return "Unlearning is not cheaper here."
    if 1.05 * spent_s >= low:
        return "Unlearning takes about as long."
    if not done or spent_s == 0:
        return ""
    times = low / spent_s
    return f"Retraining takes {'more than 100' if times > 100 else f'{times:.1f}'} times as long."
