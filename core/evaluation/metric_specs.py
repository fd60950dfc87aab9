"""The figures of a Judgement, in the order in which they are listed and shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.evaluation.reference_band import Band, BandPlace
from core.evaluation.report import Metric


@dataclass(frozen=True)
class MetricSpec:
    """A figure without its value. ``bounds``: what it can be; ``pairwise``: of two models, averaged over the retrained ones."""

    key: str
    label: str
    symbol: str
    unit: str
    digits: int
    help: str
    bounds: tuple[float, float] = (0.0, 1.0)
    pairwise: bool = False
    summary: bool = False


SUMMED = ("train_r", "train_f", "test")  # what the two summaries are made of
_ANY = (-math.inf, math.inf)
_FROM_0 = (0.0, math.inf)

METRIC_SPECS: dict[str, MetricSpec] = {
    k.key: k
    for k in (
        MetricSpec("train_r", "Train_r", "", "%", 1, "Accuracy on remaining training images."),
        MetricSpec("train_f", "Train_f", "", "%", 1, "Accuracy on forgotten images, by the labels they bear."),
        MetricSpec("test", "Test", "", "%", 1, "Accuracy on all test images."),
        MetricSpec("test_r", "Test_r", "", "%", 1, "Accuracy on test images of classes that nothing was forgotten of."),
        MetricSpec("test_f", "Test_f", "", "%", 1, "Accuracy on test images of classes that something was forgotten of."),
        MetricSpec("clean_f", "true labels of D_f", "", "%", 1, "Accuracy on forgotten images by their true labels, where they were mislabelled."),
        MetricSpec("planted", "planted answer", "", "%", 1, "Mean probability of the answer that was planted."),
        MetricSpec("js", "JS to retrained", "JS", "nats", 3, "Mean Jensen-Shannon divergence on D_f to the retrained models: 0 equal, 0.69 nothing in common.", (0.0, math.log(2)), True),
        MetricSpec("spread", "spread of answers", "H", "nats", 2, "Entropy of the mean answer to D_f: 0 where all go to one class.", _FROM_0),
        MetricSpec("commonest_share", "one answer", "", "%", 1, "Share of D_f that gets the commonest answer."),
        MetricSpec("auc_confidence", "AUC, confidence", "AUC", "", 2, "Membership attack by the largest probability; nearer to retrained is better, not lower."),
        MetricSpec("auc_entropy", "AUC, entropy", "AUC", "", 2, "Membership attack by the entropy of the answer."),
        MetricSpec("auc_loss", "AUC, loss", "AUC", "", 2, "Membership attack by the probability of the label that an image bears."),
        MetricSpec("auc_correctness", "AUC, correctness", "AUC", "", 2, "Membership attack by whether the answer is that label."),
        MetricSpec("auc_learned", "AUC, learned", "AUC", "", 2, "Membership attack by a logistic regression on sorted probabilities."),
        MetricSpec("asr_paper", "ASR, paper's", "ASR", "%", 1, "Accuracy of the paper's attack, gradient-boosted trees on sorted probabilities, with balanced and disjoint sets."),
        MetricSpec("cka_original", "CKA to original", "CKA", "", 2, "Linear CKA on D_f between representations now and the original's; read it beside retrained models'."),
        MetricSpec("cka_retrained", "CKA to retrained", "CKA", "", 2, "Linear CKA on D_f between representations and the retrained models'.", (0.0, 1.0), True),
        MetricSpec("probe", "few-shot probe", "", "%", 1, "Test accuracy on touched classes of a linear probe fitted on ten images a class, minus the retrained models' mean.", _ANY),
        MetricSpec("relearn", "relearning", "", "%", 1, "Mean accuracy on the rest of D_f while a copy is fine-tuned on a few of its images, minus the retrained models' mean.", _ANY),
        MetricSpec("angle", "angle moved", "∠", "°", 1, "Median angle by which representations of D_f turned from the original's, a common rotation taken out.", (0.0, 180.0)),
        MetricSpec("angle_ratio", "angle over noise floor", "∠/∠", "", 1, "That angle over the median angle of remaining images, which had no cause to move.", _FROM_0),
        MetricSpec("seconds", "seconds", "", "s", 1, "Seconds of all stages together, without evaluation.", _FROM_0),
        MetricSpec("peak_memory_mb", "peak memory", "", "MB", 0, "Peak memory: of the process, or of what was allocated on a GPU.", _FROM_0),
        MetricSpec("average_gap", "average gap", "", "%", 1, "Mean distance of Train_r, Train_f and Test to the retrained models' means. A summary: no headline.", summary=True),
        MetricSpec("tug_of_war", "tug-of-war", "ToW", "", 2, "Product of 1 - distance to the retrained models' means over Train_r, Train_f and Test (Zhao et al., 2024). A summary: no headline.", summary=True),
    )
}  # fmt: skip


def figure(key: str, value: float | None, band: Band | None = None, why: str | None = None) -> Metric:
    """The Figure ``key`` with its place in ``band``; a value that is no number counts as none."""
    kind = METRIC_SPECS[key]
    if value is not None and not math.isfinite(value):
        value, why = None, why or "It is no number for this model."
    place: BandPlace | None = band.place(value) if band is not None and value is not None else None
    return Metric(
        key, kind.label, kind.symbol, kind.unit, kind.digits, value, band, place, None if value is not None else why,
        kind.summary, kind.help,
    )  # fmt: skip


def average(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def minus_mean(
    value: float | None, theirs: Sequence[float | None]
) -> tuple[float | None, list[float | None]]:
    """``value`` and each of ``theirs`` less the mean of theirs; None where there is nothing to subtract from or with."""
    mean = average([t for t in theirs if t is not None])
    if mean is None:
        return None, [None] * len(theirs)
    return (None if value is None else value - mean), [None if t is None else t - mean for t in theirs]


def summaries(
    values: Mapping[str, float | None], theirs: Sequence[Mapping[str, float | None]]
) -> dict[str, float | None]:
    """Average gap and tug-of-war against the mean of ``theirs``; None without them."""
    gaps = []
    for key in SUMMED:
        value, mean = values[key], average([x for t in theirs if (x := t[key]) is not None])
        if value is None or mean is None:
            return {"average_gap": None, "tug_of_war": None}
        gaps.append(abs(value - mean))
    return {"average_gap": math.fsum(gaps) / len(gaps), "tug_of_war": math.prod(1 - g for g in gaps)}


def peak(memory: Mapping[str, float] | float | None) -> float | None:
    if isinstance(memory, Mapping):
        return max(memory.values(), default=None)
    return memory
