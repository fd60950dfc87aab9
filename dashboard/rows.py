"""The read-outs of each task as rows: what they are called, what they mean, and how far each is from retraining; no screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.data.planted import PLANTS
from core.metrics import Reading, jensen_shannon


@dataclass(frozen=True)
class Row:
    """One read-out. ``count`` is how many images stand behind it: what they cannot tell apart is called near."""

    key: str
    label: str
    symbol: str
    role: str  # "remain", "forget" or "neutral"
    help: str
    value: Callable[[Reading], float | None]
    unit: str = "%"
    digits: int = 1
    range: tuple[float, float] = (0.0, 1.0)


def rows_for(task: str, plant: str | None = None) -> list[Row]:
    """The read-outs of a task, the ones that decide first."""
    remain_train = Row(
        "remain_train", "remaining, train", "Train_r", "remain", "Accuracy on the training images that stay.", lambda r: r.train_r
    )  # fmt: skip
    by_label = ", by their wrong labels: lower is better" if task == "noise" else ""
    forget_train = Row(
        "forget_train", "wrong labels, train" if task == "noise" else "forgotten, train", "Train_f", "forget",
        f"Accuracy on the images to forget{by_label}.", lambda r: r.train_f,
    )  # fmt: skip
    test = Row("test", "test", "Test", "remain", "Accuracy on all test images.", lambda r: r.test)
    if task == "class":
        rows = [
            remain_train,
            forget_train,
            Row("remain_test", "remaining, test", "Test_r", "remain", "Accuracy on test images of the other classes.",
                lambda r: r.test_r),
            Row("forget_test", "forgotten, test", "Test_f", "forget", "Accuracy on test images of the forgotten class.",
                lambda r: r.test_f),
        ]  # fmt: skip
    elif task == "noise":
        clean = Row(
            "clean_f", "true labels, train", "clean_f", "remain",
            "Accuracy on the mislabelled images by their true labels: what unlearning wrong labels is for.", lambda r: r.clean_f,
        )  # fmt: skip
        rows = [clean, forget_train, remain_train, test]
    else:
        rows = [remain_train, forget_train, test]
    if plant is not None:
        rows.insert(0, Row(
            "planted", "planted sign", "", "forget",
            f"Mean probability of the planted answer: {PLANTS[plant].sign}. A model that never saw the plant hardly gives it.",
            lambda r: r.planted,
        ))  # fmt: skip
    return [
        *rows,
        Row("one_answer", "forgotten, one answer", "max share", "forget",
            "Share of the forgotten images that get the commonest answer. Retrained models, too, have to call them something.",
            lambda r: r.commonest_share),
        Row("auc", "attack AUC", "AUC", "neutral",
            "Membership attack: 50 % cannot tell forgotten training images from test images of the same classes. "
            "Nearer to the retrained model is better, not lower.", lambda r: r.attack.auc, unit="", digits=2),
    ]  # fmt: skip


JS = Row(
    "js", "distance to retrained", "JS", "forget",
    "Jensen-Shannon divergence, in nats, between what this model and the retrained one answer for each forgotten image: "
    "0 the same answers, 0.69 none in common.", lambda r: None, unit=" nats", digits=2, range=(0.0, math.log(2)),
)  # fmt: skip


def row_specs(task: str, references: Sequence[Reading], plant: str | None = None) -> list[dict[str, Any]]:
    """The rows as docs/wire.md wants them."""
    specs = []
    for row in [*rows_for(task, plant), JS]:
        reference = [v for r in references if (v := row.value(r)) is not None]
        spec = {
            "key": row.key,
            "label": row.label,
            "symbol": row.symbol,
            "unit": row.unit,
            "digits": row.digits,
        }
        spec |= {"role": row.role, "help": row.help, "range": list(row.range), "reference": reference or None}
        if row is JS:
            spec["reference"] = [0.0] if references else None
        specs.append(spec)
    return specs


def values(
    task: str, reading: Reading, references: Sequence[Reading], plant: str | None = None
) -> dict[str, float | None]:
    """A value for each row; JS only where there is a retrained model."""
    found = {row.key: row.value(reading) for row in rows_for(task, plant)}
    found["js"] = distance(reading, references)
    return found


def gaps(
    task: str,
    reading: Reading,
    original: Reading,
    references: Sequence[Reading],
    counts: dict[str, int],
    plant: str | None = None,
) -> dict[str, dict[str, str]]:
    """How far each value is from the retrained model's, in words; "near" only where so few images cannot tell them apart."""
    if not references:
        return {}
    found = {}
    for row in rows_for(task, plant):
        mine = row.value(reading)
        theirs = [v for r in references if (v := row.value(r)) is not None]
        if mine is None or not theirs:
            continue
        low, high = min(theirs), max(theirs)
        gap = mine - high if mine > high else mine - low if mine < low else 0.0
        if row.key == "auc":
            interval = reading.attack
            near = interval.auc_low is not None and interval.auc_high is not None
            near = near and interval.auc_low <= high and low <= interval.auc_high  # type: ignore[operator]
            text = "cannot tell" if near else f"{abs(gap):.2f} {'above' if gap > 0 else 'below'}"
        else:
            near = abs(gap) <= _resolution(sum(theirs) / len(theirs), counts[row.key])
            points = f"{100 * abs(gap):.1f}"
            text = "the same" if points == "0.0" else f"{points} {'above' if gap > 0 else 'below'}"
        found[row.key] = {"text": text, "tone": "near" if near else "far"}
    nothing = distance(original, references)
    mine = distance(reading, references)
    if nothing is not None and mine is not None:
        text = f"was {nothing:.2f}"
        found["js"] = {"text": text, "tone": "far" if mine > nothing + 0.005 else "none"}
    return found


def _resolution(p: float, n: int) -> float:
    """Two standard errors of a share p among n images, and at least one image."""
    return max(2 * math.sqrt(p * (1 - p) / max(1, n)), 1 / max(1, n))


def distance(reading: Reading, references: Sequence[Reading]) -> float | None:
    """Mean Jensen-Shannon divergence to the references on D_f, nats; None without any."""
    if not references:
        return None
    found = [jensen_shannon(reading.forget_probabilities, r.forget_probabilities) for r in references]
    return sum(found) / len(found)
