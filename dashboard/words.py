"""Where things stand, in a sentence that a student can read; pure functions, no screen."""

from __future__ import annotations

from collections.abc import Sequence

from core.metrics import Reading
from dashboard.rows import distance


def sentence(
    task: str,
    reading: Reading,
    original: Reading,
    references: Sequence[Reading],
    classes: Sequence[str],
    waiting: str | None = None,
) -> dict[str, str]:
    """Where things stand: ``head`` and ``more``, and a tone."""
    answer = f"{100 * reading.commonest_share:.0f} % of them are called {classes[reading.commonest]}"
    if not references:
        more = waiting or "There is no retrained model to compare with yet."
        return {"head": _accuracy_head(task, reading, original), "more": more, "tone": "neutral"}
    gold = references[0]
    far_f = reading.train_f - max(r.train_f for r in references)
    hurt = _harm(task, reading, references)
    if reading.planted is not None:
        return _planted_sentence(reading, original, references, hurt)
    if task == "noise":
        return _noise_sentence(reading, original, references, hurt)
    if task == "class":
        if far_f > 0.01 + 1e-9:
            more = f"{100 * reading.train_f:.0f} % of the images to forget are still recognised; after retraining {100 * gold.train_f:.0f} %."
            begun = reading.train_f < original.train_f - 0.05
            head = "Being forgotten." if begun else "Not forgotten yet."
            return {"head": head, "more": f"{hurt} {more}".strip(), "tone": "alarm" if hurt else "forget"}
        theirs = f"{100 * gold.commonest_share:.0f} % are called {classes[gold.commonest]}"
        more = f"{answer}; by the retrained model {theirs}."
        if hurt:
            return {"head": "Forgotten, at a price.", "more": f"{hurt} {more}", "tone": "alarm"}
        js = distance(reading, references) or 0.0
        if js <= 0.1:
            return {
                "head": "Forgotten, and nearly as retraining would.",
                "more": more[0].upper() + more[1:],
                "tone": "good",
            }
        return {
            "head": "Forgotten in accuracy; not yet like retraining.",
            "more": more[0].upper() + more[1:],
            "tone": "forget",
        }
    return _data_sentence(reading, original, references, hurt)


def _data_sentence(
    reading: Reading, original: Reading, references: Sequence[Reading], hurt: str
) -> dict[str, str]:
    """Data removal: retrained models still recognise most of D_f, so nearness is what counts."""

    def apart(r: Reading) -> float:
        pairs = [(r.train_r, "train_r"), (r.train_f, "train_f"), (r.test, "test")]
        return sum(
            abs(v - sum(getattr(g, name) for g in references) / len(references)) for v, name in pairs
        ) / len(pairs)

    mine, nothing = apart(reading), apart(original)
    more = f"Accuracies are {100 * mine:.1f} points from retraining on average; the untouched model is {100 * nothing:.1f} away."
    if hurt:
        return {"head": "The model is worse for it.", "more": f"{hurt} {more}", "tone": "alarm"}
    if mine > nothing + 0.0005:
        return {"head": "Doing nothing is nearer to retraining than this.", "more": more, "tone": "alarm"}
    if mine < nothing - 0.0005:
        return {"head": "Nearer to retraining than doing nothing.", "more": more, "tone": "good"}
    return {"head": "As near to retraining as doing nothing.", "more": more, "tone": "neutral"}


def _noise_sentence(
    reading: Reading, original: Reading, references: Sequence[Reading], hurt: str
) -> dict[str, str]:
    """Noisy labels: the true labels should come back; Train_f may be near zero before anything is unlearned (trap 8)."""
    mine, nothing = reading.clean_f or 0.0, original.clean_f or 0.0
    gold = sum(r.clean_f or 0.0 for r in references) / len(references)
    more = (
        f"{100 * mine:.0f} % of the mislabelled images get their true label; {100 * nothing:.0f} % before, "
        f"{100 * gold:.0f} % after retraining."
    )
    if mine < nothing - 0.02:
        return {"head": "The model is worse for it.", "more": f"{hurt} {more}".strip(), "tone": "alarm"}
    if mine < nothing + 0.25 * max(0.0, gold - nothing):
        return {"head": "The wrong labels still hold.", "more": more, "tone": "forget"}
    if mine < gold - 0.05:
        head = "True labels are coming back."
        return {"head": head, "more": f"{hurt} {more}".strip(), "tone": "forget"}
    if hurt:
        return {"head": "True labels are back, at a price.", "more": f"{hurt} {more}", "tone": "alarm"}
    return {"head": "True labels are back.", "more": more, "tone": "good"}


def _planted_sentence(
    reading: Reading, original: Reading, references: Sequence[Reading], hurt: str
) -> dict[str, str]:
    """Planted truth: is the planted answer gone, as it is in a model that never saw the plant?"""
    mine, before = reading.planted or 0.0, original.planted or 0.0
    gold = sum(r.planted or 0.0 for r in references) / len(references)
    more = (
        f"The planted answer has a probability of {100 * mine:.0f} % on its probes; {100 * before:.0f} % before, "
        f"{100 * gold:.0f} % in the retrained model."
    )
    if before - gold < 0.05:
        head = "This plant leaves no trace to remove."
        return {"head": head, "more": f"{hurt} {more}".strip(), "tone": "alarm" if hurt else "neutral"}
    left = (mine - gold) / (before - gold)
    if left > 0.5:
        head, tone = "The planted thing is still there.", "forget"
    elif left > 0.1:
        head, tone = "The planted thing is fading.", "forget"
    else:
        head, tone = ("Gone, at a price.", "alarm") if hurt else ("The planted thing is gone.", "good")
    return {"head": head, "more": f"{hurt} {more}".strip(), "tone": "alarm" if hurt else tone}


def _accuracy_head(task: str, reading: Reading, original: Reading) -> str:
    if reading.planted is not None:
        return f"The planted answer has a probability of {100 * reading.planted:.0f} % on its probes."
    if reading.clean_f is not None:
        return f"{100 * reading.clean_f:.0f} % of the mislabelled images get their true label."
    if task == "class":
        if reading.train_f <= 0.01:
            return "Forgotten in accuracy."
        return "Being forgotten." if reading.train_f < original.train_f - 0.05 else "Not forgotten yet."
    return f"{100 * reading.train_f:.1f} % of the images to forget are recognised."


def _harm(task: str, reading: Reading, references: Sequence[Reading]) -> str:
    """A sentence when what remains has suffered by more than two points on test images."""
    mine = reading.test_r if task == "class" else reading.test
    theirs = [v for r in references if (v := r.test_r if task == "class" else r.test) is not None]
    if mine is None or not theirs or mine >= min(theirs) - 0.02:
        return ""
    what = "remaining classes" if task == "class" else "test images"
    return f"On {what} it is {100 * (min(theirs) - mine):.1f} points worse than retrained."


def clock(spent_s: float, retrain_s: float | None, *, done: bool) -> str:
    """LAF's seconds beside retraining's."""
    if retrain_s is None:
        return "Retraining from scratch, to compare with, is still running."
    if spent_s == 0:
        return f"Retraining took {_seconds(retrain_s)} on this data."
    if spent_s >= retrain_s:
        return f"Retraining took {_seconds(retrain_s)} on this data: unlearning is not the cheaper way here."
    if done:
        return f"Retraining took {_seconds(retrain_s)} on this data: {retrain_s / spent_s:.1f} times as long."
    return f"Retraining took {_seconds(retrain_s)} on this data."


def _seconds(s: float) -> str:
    return f"{s:.1f} s" if s < 60 else f"{s / 60:.1f} min"
