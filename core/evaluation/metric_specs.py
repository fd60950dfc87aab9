"""The metrics of an EvaluationReport in the order of their display, and the arithmetic that combines their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.evaluation.answers.klom import MOST_NATS
from core.evaluation.reference_band import Band, BandPlace, band
from core.evaluation.report import Metric

_HELP = {
    "train_r": "Accuracy on remaining training images.",
    "train_f": "Accuracy on forgotten images, by their given labels.",
    "test": "Accuracy on all test images.",
    "test_r": "Accuracy on test images of classes without forgotten images.",
    "test_f": "Accuracy on test images of classes with forgotten images.",
    "clean_f": "Accuracy on forgotten images by their true labels, where they were mislabelled.",
    "planted": "Mean probability of the planted answer.",
    "js": "Mean Jensen-Shannon divergence on D_f to the retrained models: 0 equal, 0.69 nothing in common.",
    "klom_f": (
        "KLoM on D_f: KL divergence of each image's margin from retrained models' margins, in 20 bins, mean over images"
        " (arXiv 2410.23232). The floor is the value of retrained models among themselves; few models make it high."
    ),
    "klom_f_95": "KLoM on D_f, 95th percentile over images: the images that differ most from retrained models.",
    "klom_r": "KLoM on remaining training images, mean over images.",
    "klom_r_95": "KLoM on remaining training images, 95th percentile over images.",
    "spread": "Entropy of the mean answer to D_f: 0 where all images get the same class.",
    "commonest_share": "Share of D_f that gets the most common answer.",
    "auc_confidence": (
        "Membership attack by the largest probability; a value nearer to retrained is better, not a lower one."
    ),
    "auc_entropy": "Membership attack by the entropy of the answer.",
    "auc_loss": "Membership attack by the probability of the image's given label.",
    "auc_correctness": "Membership attack by whether the answer is the given label.",
    "auc_learned": "Membership attack by a logistic regression on sorted probabilities.",
    "attack_p": (
        "The smallest p of the five attacks after Holm's correction for five tests: how likely a retrained model"
        " is as far from the others. Below 0.05 an attack tells the model from retrained ones."
    ),
    "near_r": "Accuracy on the remaining images that are nearest to D_f by the original's representation.",
    "near_auc": (
        "Membership attack, by the probability of the label, on the remaining images nearest to D_f: these images stay,"
        " so a value above the retrained models' means that they are more exposed than before."
    ),
    "asr_paper": (
        "Accuracy of the paper's attack, gradient-boosted trees on sorted probabilities, with balanced and disjoint sets."
    ),
    "cka_original": (
        "Linear CKA on D_f between the representations of the model and of the original; compare with retrained models."
    ),
    "cka_retrained": "Linear CKA on D_f between the representations of the model and of the retrained models.",
    "probe": (
        "Test accuracy on touched classes of a linear probe fitted on ten images of each class,"
        " minus the retrained models' mean."
    ),
    "layer_probe": (
        "The largest AUC over the layers of a linear probe that tells forgotten from unseen images,"
        " minus the retrained models' mean at that layer."
    ),
    "relearn": (
        "Mean accuracy on the rest of D_f while a copy is fine-tuned on a few of its images,"
        " minus the retrained models' mean."
    ),
    "angle": "Median angle between representations of D_f and the original's, after removing a common rotation.",
    "angle_ratio": "That angle divided by the median angle of remaining images, which have no reason to move.",
    "seconds": "Seconds of all stages together, without evaluation.",
    "peak_memory_mb": "Peak memory: of the process, or of what was allocated on a GPU.",
    "average_gap": (
        "Mean distance of Train_r, Train_f and Test to the retrained models' means. A summary, not a headline."
    ),
    "tug_of_war": (
        "Product of 1 - distance to the retrained models' means over Train_r, Train_f and Test (Zhao et al., 2024)."
        " A summary, not a headline."
    ),
}


@dataclass(frozen=True)
class MetricSpec:
    """A metric without its value."""

    key: str
    label: str
    symbol: str
    unit: str
    digits: int  # to show
    bounds: tuple[float, float] = (0.0, 1.0)  # the smallest and the largest possible value
    pairwise: bool = False  # compares two models; the value is the mean over the retrained models
    one_sided: bool = False  # a distance, of which no value is too small
    summary: bool = False

    @property
    def help(self) -> str:
        """A sentence for users."""
        return _HELP[self.key]


SUMMARISED = ("train_r", "train_f", "test")  # the metrics that the two summaries combine
OPTIONAL = ("clean_f", "planted")  # only for tasks with wrong labels or with a plant
_ANY = (-math.inf, math.inf)
_FROM_0 = (0.0, math.inf)
_KLOM = (0.0, MOST_NATS)

METRIC_SPECS: dict[str, MetricSpec] = {
    spec.key: spec
    for spec in (
        MetricSpec("train_r", "Train_r", "", "%", 1),
        MetricSpec("train_f", "Train_f", "", "%", 1),
        MetricSpec("test", "Test", "", "%", 1),
        MetricSpec("test_r", "Test_r", "", "%", 1),
        MetricSpec("test_f", "Test_f", "", "%", 1),
        MetricSpec("clean_f", "true labels of D_f", "", "%", 1),
        MetricSpec("planted", "planted answer", "", "%", 1),
        MetricSpec("js", "JS to retrained", "JS", "nats", 3, (0.0, math.log(2)), True, True),
        MetricSpec("klom_f", "KLoM, forgotten", "KLoM", "nats", 2, _KLOM, True, True),
        MetricSpec("klom_f_95", "KLoM, forgotten, 95 %", "KLoM", "nats", 2, _KLOM, True, True),
        MetricSpec("klom_r", "KLoM, remaining", "KLoM", "nats", 2, _KLOM, True, True),
        MetricSpec("klom_r_95", "KLoM, remaining, 95 %", "KLoM", "nats", 2, _KLOM, True, True),
        MetricSpec("spread", "spread of answers", "H", "nats", 2, _FROM_0),
        MetricSpec("commonest_share", "most common answer", "", "%", 1),
        MetricSpec("auc_confidence", "AUC, confidence", "AUC", "", 2),
        MetricSpec("auc_entropy", "AUC, entropy", "AUC", "", 2),
        MetricSpec("auc_loss", "AUC, loss", "AUC", "", 2),
        MetricSpec("auc_correctness", "AUC, correctness", "AUC", "", 2),
        MetricSpec("auc_learned", "AUC, learned", "AUC", "", 2),
        MetricSpec("attack_p", "strongest attack, p", "p", "", 3),
        MetricSpec("near_r", "nearest to D_f, train", "", "%", 1),
        MetricSpec("near_auc", "AUC, nearest to D_f", "AUC", "", 2),
        MetricSpec("asr_paper", "ASR, paper's", "ASR", "%", 1),
        MetricSpec("cka_original", "CKA to original", "CKA", "", 2),
        MetricSpec("cka_retrained", "CKA to retrained", "CKA", "", 2, pairwise=True),
        MetricSpec("probe", "few-shot probe", "", "%", 1, _ANY),
        MetricSpec("layer_probe", "probe by layer", "", "", 2, _ANY),
        MetricSpec("relearn", "relearning", "", "%", 1, _ANY),
        MetricSpec("angle", "angle moved", "∠", "°", 1, (0.0, 180.0)),
        MetricSpec("angle_ratio", "angle over noise floor", "∠/∠", "", 1, _FROM_0),
        MetricSpec("seconds", "seconds", "", "s", 1, _FROM_0),
        MetricSpec("peak_memory_mb", "peak memory", "", "MB", 0, _FROM_0),
        MetricSpec("average_gap", "average gap", "", "%", 1, summary=True),
        MetricSpec("tug_of_war", "tug-of-war", "ToW", "", 2, summary=True),
    )
}


def metric_band(key: str, values: Sequence[float | None], resolution: float = 0.0) -> Band | None:
    """Return the band of the metric ``key`` from its ``values`` on retrained models, the same on every page.

    ``resolution`` is as in ``band``. None where a value is missing or not finite, and for a band of KLoM that reaches its
    largest possible value: it would hold every model.
    """
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if len(finite) < len(values):
        return None
    spec = METRIC_SPECS[key]
    found = band(
        finite,
        resolution=resolution,
        bounds=spec.bounds,
        pairwise=spec.pairwise,
        one_sided=spec.one_sided,
    )
    holds_all = spec.bounds == _KLOM and found is not None and found.high >= MOST_NATS
    return None if holds_all else found


def make_metric(key: str, value: float | None, band: Band | None = None, why: str | None = None) -> Metric:
    """Return the Metric ``key`` with its place in ``band``; a value that is not finite counts as missing, for the reason ``why``."""
    spec = METRIC_SPECS[key]
    if value is not None and not math.isfinite(value):
        value, why = None, why or "The value is not a finite number for this model."
    place: BandPlace | None = band.place(value) if band is not None and value is not None else None
    return Metric(
        key=key,
        label=spec.label,
        symbol=spec.symbol,
        unit=spec.unit,
        digits=spec.digits,
        value=value,
        band=band,
        place=place,
        why=None if value is not None else why,
        summary=spec.summary,
        help=spec.help,
    )


def average(values: Sequence[float]) -> float | None:
    """Return the mean of ``values``; None for none."""
    return math.fsum(values) / len(values) if values else None


def subtract_mean(
    value: float | None, reference_values: Sequence[float | None]
) -> tuple[float | None, list[float | None]]:
    """Return ``value`` and each of ``reference_values`` minus the mean of the latter; None for a missing value or mean."""
    mean = average([v for v in reference_values if v is not None])
    if mean is None:
        return None, [None] * len(reference_values)
    return (None if value is None else value - mean), [
        None if v is None else v - mean for v in reference_values
    ]


def summaries(
    values: Mapping[str, float | None], reference_values: Sequence[Mapping[str, float | None]]
) -> dict[str, float | None]:
    """Return the average gap and the tug-of-war to the means of ``reference_values``; None without retrained models."""
    gaps = []
    for key in SUMMARISED:
        value, mean = values[key], average([x for v in reference_values if (x := v[key]) is not None])
        if value is None or mean is None:
            return {"average_gap": None, "tug_of_war": None}
        gaps.append(abs(value - mean))
    return {"average_gap": math.fsum(gaps) / len(gaps), "tug_of_war": math.prod(1 - g for g in gaps)}


def peak_memory(memory: Mapping[str, float] | float | None) -> float | None:
    """Return the largest peak of all stages, or the peak of the run where ``memory`` is a number."""
    if isinstance(memory, Mapping):
        return max(memory.values(), default=None)
    return memory
