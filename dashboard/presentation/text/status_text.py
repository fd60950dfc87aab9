"""The state of unlearning in a sentence for students, which claims no more than the band of retrained models allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.evaluation.metrics import Reading
from dashboard.presentation.text.band_position import Compared, ReferenceBands

HARM = 0.02  # test accuracy below the band that raises an alarm
HARDLY = 0.0005  # negligible difference in accuracy; ten times as much in nats
NO_BAND = "One retrained model: no band yet."


def as_text(sentence: str) -> str:
    """Return ``sentence`` with its Markdown escaped: a link's words must not become a link or a picture on the page."""
    return re.sub(r"([\\`*_\[\]<>~$:!#|])", r"\\\1", sentence)


def sentence(
    task: str,
    now: Compared,
    original: Compared,
    bands: ReferenceBands,
    classes: Sequence[str],
    waiting: str | None = None,
) -> dict[str, str]:
    """Return the state as ``head``, ``more`` and a tone: good, neutral, forget or alarm."""
    reading = now.reading
    if not bands.references:
        more = waiting or "There is no retrained model to compare with yet."
        return _sentence(_accuracy_head(task, reading, original.reading), more, "neutral")
    harm = _harm(task, now, bands)
    if reading.planted is not None:
        head, more, tone = _planted(now, original, bands, harm)
    elif task == "noise":
        head, more, tone = _noise(now, original, bands, harm)
    elif task == "class":
        head, more, tone = _class(now, original, bands, classes, harm)
    else:
        head, more, tone = _data(now, original, harm)
    if now.apart > original.apart + HARDLY:
        nearer = "Doing nothing is nearer to retraining than this."
        if harm:
            more = f"{nearer} {more}"
        elif task == "data":
            head, more = nearer, _apart(now, original)
        else:
            head = nearer
            more = (
                f"{100 * now.apart:.1f} points away on average, untouched {100 * original.apart:.1f}. {more}"
            )
        tone = "alarm"
    elif (now.values["js"] or 0.0) > (original.values["js"] or 0.0) + 10 * HARDLY:
        more += " In its answers on them, doing nothing is nearer to retraining."
        tone = "forget" if tone == "good" else tone
    if len(bands.references) == 1:
        more += f" {NO_BAND}"
        tone = "forget" if tone == "good" else tone
    return _sentence(head, f"{harm} {more}", tone)


def _sentence(head: str, more: str, tone: str) -> dict[str, str]:
    return {"head": head, "more": more.strip(), "tone": tone}


def _class(
    now: Compared, original: Compared, bands: ReferenceBands, classes: Sequence[str], harm: str
) -> tuple[str, str, str]:
    """Return head, more and tone for class removal.

    Accuracy falls early; the answers to forgotten images approach those of retrained models later.
    """
    reading, first_retrained = now.reading, bands.references[0]
    if _above(now, bands, "forget_train", 0.01):
        retrained_range = _range(100 * r.train_f for r in bands.references)
        more = f"{100 * reading.train_f:.0f} % of the images to forget are still recognised; after retraining {retrained_range} %."
        begun = reading.train_f < original.reading.train_f - 0.05
        return "Partly forgotten." if begun else "Not forgotten yet.", more, "alarm" if harm else "forget"
    answer = f"{100 * reading.commonest_share:.0f} % of them are called {classes[reading.commonest]}"
    calls = sorted({classes[r.commonest] for r in bands.references}, key=list(classes).index)
    shares = _range(100 * r.commonest_share for r in bands.references)
    if len(bands.references) == 1:
        more = f"{answer}; by the retrained model {shares} % {classes[first_retrained.commonest]}."
    else:
        more = f"{answer}; retrained models call {shares} % of them {_either(calls)}."
    if harm:
        return "Forgotten, at a price.", more, "alarm"
    outside = now.is_outside()
    if not outside and len(bands.references) > 1:
        return "Forgotten, and nothing sets it apart from retraining.", more, "good"
    if now.is_outside("js", "one_answer") or len(bands.references) == 1:
        return "No longer recognised, but unlike a retrained model.", more, "forget"
    return "Forgotten, and nearly as retraining would.", f"{more} {_outside(outside, bands)}", "forget"


def _data(now: Compared, original: Compared, harm: str) -> tuple[str, str, str]:
    """Return head, more and tone for data removal.

    Retrained models still recognise most of D_f, so the distance to them decides.
    """
    distance, original_distance = now.apart, original.apart
    if harm:
        return "The model is worse for it.", "", "alarm"
    if distance < original_distance - HARDLY:
        return "Nearer to retraining than doing nothing.", _apart(now, original), "good"
    if distance == original_distance == 0.0:
        more = "Accuracies are inside the band of retrained models, but so are those of the original model, so they show nothing."
        return "No closer to retraining than before.", more, "neutral"
    return "No closer to retraining than before.", _apart(now, original), "neutral"


def _noise(now: Compared, original: Compared, bands: ReferenceBands, harm: str) -> tuple[str, str, str]:
    """Return head, more and tone for noisy labels, where the true labels should return.

    Train_f does not decide, since it may be near zero before unlearning.
    """
    value, original_value = now.reading.clean_f or 0.0, original.reading.clean_f or 0.0
    retrained_mean = sum(r.clean_f or 0.0 for r in bands.references) / len(bands.references)
    retrained_range = _range(100 * (r.clean_f or 0.0) for r in bands.references)
    more = (
        f"{100 * value:.0f} % of the mislabelled images get their true label; {100 * original_value:.0f} % before, "
        f"{retrained_range} % after retraining."
    )
    if value < original_value - HARM:
        return "The model is worse for it.", more, "alarm"
    if value < original_value + 0.25 * max(0.0, retrained_mean - original_value):
        return "The wrong labels still hold.", more, "forget"
    if _above(now, bands, "clean_f", 0.05, side=-1):
        most = value >= original_value + 0.5 * (retrained_mean - original_value)
        return f"{'Most' if most else 'Some'} true labels are back.", more, "forget"
    if harm:
        return "True labels are back, at a price.", more, "alarm"
    outside = now.is_outside()
    return "True labels are back.", f"{more} {_outside(outside, bands)}", "forget" if outside else "good"


def _planted(now: Compared, original: Compared, bands: ReferenceBands, harm: str) -> tuple[str, str, str]:
    """Return head, more and tone for planted truth: the planted answer should go, as in models without the plant."""
    value, original_value = now.reading.planted or 0.0, original.reading.planted or 0.0
    retrained_mean = sum(r.planted or 0.0 for r in bands.references) / len(bands.references)
    retrained_range = _range(100 * (r.planted or 0.0) for r in bands.references)
    more = (
        f"The planted answer has a probability of {100 * value:.0f} % on its probes; {100 * original_value:.0f} % before, "
        f"{retrained_range} % after retraining."
    )
    if original_value - retrained_mean < 0.05 or not _above(original, bands, "planted", 0.05):
        return "This plant leaves no trace to remove.", more, "alarm" if harm else "neutral"
    left = (value - retrained_mean) / (original_value - retrained_mean)
    if left > 0.5:
        return "The planted thing is still there.", more, "alarm" if harm else "forget"
    if _above(now, bands, "planted", 0.1 * (original_value - retrained_mean)):
        return "The planted thing is fading.", more, "alarm" if harm else "forget"
    return ("Gone, at a price.", more, "alarm") if harm else ("The planted thing is gone.", more, "good")


def _above(now: Compared, bands: ReferenceBands, key: str, least: float, *, side: int = 1) -> bool:
    """Return True when a value is above its band (``side`` -1: below).

    With one retrained model the gap must exceed ``least``.
    """
    found = now.positions_in_band.get(key)
    if found is None:
        return False
    return side * found.gap > (least + 1e-9 if found.inside is None else 0.0)


def _apart(now: Compared, original: Compared) -> str:
    return (
        f"Accuracies are {100 * now.apart:.1f} points from retraining on average; "
        f"the untouched model is {100 * original.apart:.1f} away."
    )


def _outside(keys: Sequence[str], bands: ReferenceBands) -> str:
    """Return a sentence about the read-outs outside their bands, with two of them by name."""
    labels = [row.label for row in bands.rows if row.key in keys]
    if not labels:
        return ""
    rest = f" and {len(labels) - 2} more" if len(labels) > 2 else ""
    return f"Outside the band: {', '.join(f'“{label}”' for label in labels[:2])}{rest}."


def _either(names: Sequence[str]) -> str:
    """Return names as an alternative, such as "2, 5 or 6"."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _range(values: Iterable[float]) -> str:
    """Return the range of ``values``, such as "48 – 59", or "58" for equal ones."""
    found = [f"{v:.0f}" for v in values]
    low, high = min(found, key=float), max(found, key=float)
    return low if low == high else f"{low} – {high}"


def _accuracy_head(task: str, reading: Reading, original: Reading) -> str:
    if reading.planted is not None:
        return f"The planted answer has a probability of {100 * reading.planted:.0f} % on its probes."
    if reading.clean_f is not None:
        return f"{100 * reading.clean_f:.0f} % of the mislabelled images get their true label."
    if task == "class":
        if reading.train_f <= 0.01:
            return "Forgotten in accuracy."
        return "Partly forgotten." if reading.train_f < original.train_f - 0.05 else "Not forgotten yet."
    return f"{100 * reading.train_f:.1f} % of the images to forget are recognised."


def _harm(task: str, now: Compared, bands: ReferenceBands) -> str:
    """Return a sentence when test accuracy is more than two points below that of retrained models."""
    key, what = ("remain_test", "remaining classes") if task == "class" else ("test", "test images")
    found = now.positions_in_band.get(key)
    if found is None or found.gap >= -HARM:
        return ""
    compared_with = "retrained" if found.inside is None else "the band of retrained models"
    return f"On {what} it is {-100 * found.gap:.1f} points worse than {compared_with}."


def waiting(done: int, total: int, error: str | None = None) -> str:
    """Return the sentence shown while retrained models are missing."""
    return error or f"Retraining from scratch, for comparison, is still running: {done} of {total} retrained."


def clock(spent_s: float, retrain_s: Sequence[float], *, done: bool) -> str:
    """Return a sentence that compares a method's seconds with retraining's.

    The method is called cheaper only if it beats the quickest retraining, and dearer only if it is slower than all.
    """
    if not retrain_s:
        return "Retraining from scratch, for comparison, is still running."
    low, high = min(retrain_s), max(retrain_s)
    took = _seconds(low) if _seconds(low) == _seconds(high) else _span(low, high)
    begin = f"Retraining took {took} on this data"
    if spent_s >= high:
        return f"{begin}: unlearning is not cheaper here."
    if spent_s >= low:
        return f"{begin}: unlearning takes about as long."
    if not done or spent_s == 0:
        return f"{begin}."
    times = low / spent_s
    return f"{begin}: {'more than 100' if times > 100 else f'{times:.1f}'} times as long."


def _span(low: float, high: float) -> str:
    """Return a range of durations, such as "1.6 – 4.7 s"."""
    shown, unit = _seconds(low).split(" ")
    return (
        f"{shown} – {_seconds(high)}"
        if _seconds(high).endswith(f" {unit}")
        else f"{_seconds(low)} – {_seconds(high)}"
    )


def _seconds(s: float) -> str:
    return f"{s:.1f} s" if s < 60 else f"{s / 60:.1f} min"
