"""The verdict on a finished run for the page, which claims no more than the bands of retrained models allow."""

from __future__ import annotations

from collections.abc import Sequence

from core.evaluation.verdict import Verdict
from dashboard.presentation.text.readouts import status_text
from dashboard.presentation.text.readouts.band_position import Compared, ReferenceBands

HARM = 0.02  # test accuracy below the band that is too high a price
TRACE = 0.05  # probability of the planted answer that a plant must leave to be worth removing
ACCURACIES = ("remain_train", "forget_train", "remain_test", "forget_test", "test", "clean_f")
TONES = {"no gain": "neutral", "not forgotten": "forget", "partly forgotten": "forget"}  # else: alarm


def verdict_sentence(
    task: str,
    now: Compared,
    original: Compared,
    bands: ReferenceBands,
    classes: Sequence[str],
    found: Verdict,
) -> dict[str, str]:
    """Return the verdict as ``head``, ``more`` and a tone: good, neutral, forget or alarm.

    ``now``: the run's last frame. The tone is "good" only where no read-out lies outside its band and the gain exceeds the noise floor.
    Raises ValueError before every retrained model is there.
    """
    if not bands.is_complete:
        raise ValueError(f"{bands.progress}: a verdict needs every band")
    if now.reading.planted is not None:
        return _planted(task, now, original, bands)
    first, *rest = found.findings
    outside = _outside(now.is_outside(), bands)
    about = status_text.answers(now, bands, classes) if task == "class" and first.code == "forgotten" else ""
    more = [first.why, first.advice, *(f.what for f in rest), outside, about]
    if first.code != "forgotten":
        tone = TONES.get(first.code, "alarm")
        more = [m for m in more if m != outside]  # what went wrong is said already
    else:
        tone = (
            "forget" if outside else "good" if len(bands.references) > 2 else "neutral"
        )  # two make no band of JS
    if tone == "good" and task in ("data", "indices") and not exceeds_noise(now, original, bands):
        tone = "neutral"
        more.append("The difference is smaller than that between retrained models.")
    return {"head": first.what, "more": " ".join(filter(None, more)), "tone": tone}


def exceeds_noise(now: Compared, original: Compared, bands: ReferenceBands) -> bool:
    """Return True if ``now`` came nearer to retraining by more than retrained models differ from each other."""
    scales = [bands.bands[key].scale for key in ACCURACIES if key in bands.bands]
    gain = original.apart - now.apart
    if scales and gain > sum(scales) / len(scales):
        return True
    js = bands.bands.get("js")
    before, after = original.values["js"], now.values["js"]
    return js is not None and before is not None and after is not None and before - after > js.scale


def _planted(task: str, now: Compared, original: Compared, bands: ReferenceBands) -> dict[str, str]:
    """Return the verdict on planted truth: the planted answer should go, as in models without the plant."""
    value, before = now.reading.planted or 0.0, original.reading.planted or 0.0
    gold = sum(r.planted or 0.0 for r in bands.references) / len(bands.references)
    shares = status_text.span(100 * (r.planted or 0.0) for r in bands.references)
    numbers = (
        f"The planted answer has a probability of {100 * value:.0f} % on its probes; {100 * before:.0f} % before, "
        f"{shares} % after retraining."
    )
    harm = _harm(task, now)
    if before - gold < TRACE or not _is_above(original):
        head, tone = "This plant leaves no trace to remove.", "neutral"
    elif (value - gold) / (before - gold) > 0.5:
        head, tone = "The planted thing is still there.", "forget"
    elif _is_above(now):
        head, tone = "A part of the planted thing is left.", "forget"
    else:
        head, tone = ("Gone, at a price.", "alarm") if harm else ("The planted thing is gone.", "good")
    return {"head": head, "more": f"{harm} {numbers}".strip(), "tone": "alarm" if harm else tone}


def _is_above(model: Compared) -> bool:
    found = model.positions_in_band.get("planted")
    return found is not None and found.inside is False and found.gap > 0


def _harm(task: str, now: Compared) -> str:
    """Return a sentence where test accuracy is more than ``HARM`` below the band of retrained models."""
    key, what = ("remain_test", "remaining classes") if task == "class" else ("test", "test images")
    found = now.positions_in_band.get(key)
    if found is None or found.gap >= -HARM:
        return ""
    return f"On {what} it is {-100 * found.gap:.1f} points worse than the band of retrained models."


def _outside(keys: Sequence[str], bands: ReferenceBands) -> str:
    """Return a sentence about the read-outs outside their bands, with two of them by name."""
    labels = [row.label for row in bands.rows if row.key in keys]
    if not labels:
        return ""
    rest = f" and {len(labels) - 2} more" if len(labels) > 2 else ""
    return f"Outside the band: {', '.join(f'“{label}”' for label in labels[:2])}{rest}."
