"""The report on one model: its metrics with their places among retrained models, its attacks and its similarities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from core.evaluation.answers.answer_changes import AnswerChanges
from core.evaluation.attacks.per_image import PerImage
from core.evaluation.attacks.result import AttackResult
from core.evaluation.attacks.strongest import StrongestAttack
from core.evaluation.reference_band import Band, BandPlace
from core.evaluation.representations.layer_probes import LayerProbe


@dataclass(frozen=True)
class Metric:
    """One number of a model. A share is in [0, 1] whatever its unit; only a page formats percent.

    ``band`` and ``place`` are None without retrained models. ``why`` is a sentence where there is no value.
    """

    key: str
    label: str
    symbol: str
    unit: str  # "%", "nats", "°", "", "s" or "MB"
    digits: int  # to show
    value: float | None
    band: Band | None
    place: BandPlace | None
    why: str | None
    summary: bool  # combines other metrics: shown in a table, never as headline
    help: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        band, place = self.band, self.place
        return {
            "value": self.value,
            "label": self.label,
            "unit": self.unit,
            "why": self.why,
            "summary": self.summary,
            "retrained": None
            if band is None
            else {"values": list(band.values), "mean": band.mean, "low": band.low, "high": band.high},
            "place": None
            if place is None
            else {
                "percentile": place.percentile,
                "inside": place.inside,
                "above": place.above,
                "count": place.count,
                "gap": place.gap,
            },
        }


@dataclass(frozen=True)
class Relearn:
    """Accuracy on the rest of D_f, by its given labels, after each evaluated step of fine-tuning on a few of its images."""

    steps: tuple[int, ...]  # 0 first
    accuracy: tuple[float, ...]  # of the evaluated model
    references: tuple[tuple[float, ...], ...]  # of each retrained model
    shown: int  # images of the fine-tuning
    held_out: int


@dataclass(frozen=True)
class Similarity:
    """Linear CKA of one layer on the same images, to the original and to each retrained model."""

    layer: str
    images: str  # "forget" or "remain"
    to_original: float
    to_references: tuple[float, ...]
    between_references: tuple[float, ...]  # of each pair of retrained models


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """The evaluation of one model. Apart from the given seconds and memory, it is reproducible."""

    figures: Mapping[str, Metric]  # in the order of ``core.evaluation.metric_specs.METRIC_SPECS``
    class_accuracy: Tensor  # (K,) on test images; nan for a class without test images
    prediction_matrix: Mapping[str, Tensor]  # "forget" and "test": (K, K) counts, true class × answer
    answer_changes: Mapping[str, AnswerChanges]  # "forget" and "remain": original's answer × answer now
    layer_probes: tuple[
        LayerProbe, ...
    ]  # in the order of the layers, against unseen and then against remaining images
    cka: tuple[Similarity, ...]  # in the order of the layers, "forget" then "remain" for each
    relearn: Relearn | None
    attacks: Mapping[str, AttackResult]  # by name, in the order of ``core.evaluation.attacks.scores.ATTACKS``
    strongest: StrongestAttack | None  # None where no attack has enough images
    per_image: PerImage | None  # for at most 50 images and at least two retrained models
    references: int  # retrained models that it was compared with
    seconds: Mapping[str, float]  # by stage; empty where not known
    peak_memory_mb: Mapping[str, float]  # by stage; empty where not known by stage
    # the images of the attacks, in the order of their scores
    member_rows: Tensor = field(repr=False)  # (n,) rows of split.train
    non_member_rows: Tensor = field(repr=False)  # (m,) rows of split.test

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        accuracy = [None if x != x else x for x in self.class_accuracy.tolist()]
        return {
            "references": self.references,
            "seconds": dict(self.seconds),
            "peak_memory_mb": dict(self.peak_memory_mb),
            "figures": {key: metric.as_dict() for key, metric in self.figures.items()},
            "class_accuracy": accuracy,
            "prediction_matrix": {k: m.tolist() for k, m in self.prediction_matrix.items()},
            "answer_changes": {k: c.matrix.tolist() for k, c in self.answer_changes.items()},
            "layer_probes": [
                {
                    "layer": p.layer,
                    "against": p.against,
                    "auc": p.auc,
                    "original": p.original,
                    "references": list(p.references),
                    "excess": p.excess,
                }
                for p in self.layer_probes
            ],
            "cka": [
                {
                    "layer": s.layer,
                    "images": s.images,
                    "to_original": s.to_original,
                    "to_references": list(s.to_references),
                    "between_references": list(s.between_references),
                }
                for s in self.cka
            ],
            "relearn": None
            if self.relearn is None
            else {
                "steps": list(self.relearn.steps),
                "accuracy": list(self.relearn.accuracy),
                "references": [list(r) for r in self.relearn.references],
                "shown": self.relearn.shown,
                "held_out": self.relearn.held_out,
            },
            "attacks": {name: result.as_dict() for name, result in self.attacks.items()},
            "strongest_attack": None if self.strongest is None else self.strongest.as_dict(),
            "per_image": None if self.per_image is None else self.per_image.as_dict(),
        }
