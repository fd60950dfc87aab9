"""The evaluation of a model: every metric beside the original and retrained models, with its place in their band."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence

import torch

from core.config import EvalConfig
from core.data.split import Split
from core.errors import RequestError
from core.evaluation.attacks.per_image import MAX_IMAGES as MAX_PER_IMAGE
from core.evaluation.attacks.per_image import PerImage, logits_of, per_image
from core.evaluation.attacks.result import AttackResult, attack_result
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.measurements import (
    STAGE,
    EvaluationSample,
    ModelMeasurements,
    measure_model,
    missing_value_reasons,
    resolutions,
)
from core.evaluation.metric_specs import (
    METRIC_SPECS,
    OPTIONAL,
    MetricSpec,
    average,
    make_metric,
    peak_memory,
    subtract_mean,
    summaries,
)
from core.evaluation.metrics import jensen_shannon
from core.evaluation.reference_band import Band, Retrained, band
from core.evaluation.report import EvaluationReport, Metric, Relearn, Similarity
from core.evaluation.similarity import REPRESENTATION, cka_of, rotation_from_original
from core.models.base import Net, require_classifier
from core.runtime.progress import Progress, Work, with_progress

Values = dict[str, float | None]  # by key of a metric


class Evaluator:
    """Evaluates models of one Split against its ``original`` and ``references``, all on the same images.

    The first evaluation also measures the original and the references.
    """

    def __init__(
        self,
        split: Split,
        original: Net,
        references: Sequence[Retrained] = (),
        *,
        config: EvalConfig | None = None,
        seed: int = 0,
    ) -> None:
        require_classifier(original, split.dataset.shape, len(split.dataset.classes))
        self.split = split
        self.references = list(references)
        self.config = config or EvalConfig()
        self.sample = EvaluationSample(split, seed)
        self._original = original
        self._original_measured: ModelMeasurements | None = None
        self._references_measured: dict[int, ModelMeasurements] = {}  # by number of the reference
        self._pair_values: dict[tuple[str, int, int], float] = {}  # JS and CKA between two references
        self._reference_moves: dict[int, Values] = {}  # by number, how far the reference is from the original

    def of_original(self, original: Net) -> Evaluator:
        """Return an evaluator for a method with its own original, which shares the measured references."""
        twin = copy.copy(self)
        twin._original, twin._original_measured, twin._reference_moves = original, None, {}
        return twin

    def judge(
        self,
        model: Net,
        *,
        reference: int | None = None,
        seconds: Mapping[str, float] | None = None,
        peak_memory_mb: Mapping[str, float] | float | None = None,
    ) -> Work[EvaluationReport]:
        """Evaluate ``model``, a slice at each ``next``.

        ``reference`` is the number of a retrained model, which is then evaluated against the others in place of ``model``.
        ``seconds`` are by stage; ``peak_memory_mb`` is by stage or the peak of the run.

        Raises DivergedError when the output of a model is not finite, RequestError for an unknown reference.
        """
        numbers = [r.number for r in self.references]
        if reference is not None and reference not in numbers:
            raise RequestError(f"there is no retrained model number {reference}; choose one of {numbers}")
        waiting = [r for r in self.references if r.number not in self._references_measured]
        parts = len(waiting) + (self._original_measured is None) + (reference is None)
        part = itertools.count()
        if self._original_measured is None:
            self._original_measured = yield from _as_part(
                self._measure(self._original, "the original model"), next(part), parts
            )
        for r in waiting:
            work = self._measure(r.model, f"retrained model {r.number}")
            self._references_measured[r.number] = yield from _as_part(work, next(part), parts)
        if reference is not None:
            measured = self._references_measured[reference]
        else:
            measured = yield from _as_part(self._measure(model, "the model"), next(part), parts)
        others = [n for n in numbers if n != reference]
        yield Progress(STAGE, parts, parts)
        return self._report(measured, reference, others, seconds, peak_memory_mb)

    def figures_of(self, reference: int, others: Sequence[int]) -> dict[str, Metric]:
        """Return the metrics of a retrained model against ``others`` (numbers), all measured before; for calibration."""
        return self._metrics(self._references_measured[reference], reference, list(others), None, None)

    def _measure(self, model: Net, name: str) -> Work[ModelMeasurements]:
        return measure_model(model, self.sample, self.config, name=name)

    def _report(
        self,
        measured: ModelMeasurements,
        number: int | None,
        others: list[int],
        seconds: Mapping[str, float] | None,
        memory: Mapping[str, float] | float | None,
    ) -> EvaluationReport:
        references = [self._references_measured[n] for n in others]
        sample = self.sample
        return EvaluationReport(
            figures=self._metrics(measured, number, others, seconds, memory),
            class_accuracy=self._class_accuracy(measured),
            prediction_matrix=self._prediction_matrix(measured),
            cka=self._similarities(measured, references),
            relearn=self._relearn(measured, references),
            attacks={name: self._attack(name, measured, references) for name in ATTACKS},
            per_image=self._per_image(measured, references),
            references=len(others),
            seconds=dict(seconds or {}),
            peak_memory_mb=dict(memory) if isinstance(memory, Mapping) else {},
            member_rows=sample.sets.members,
            non_member_rows=sample.sets.non_members,
        )

    def _metrics(
        self,
        measured: ModelMeasurements,
        number: int | None,
        others: list[int],
        seconds: Mapping[str, float] | None,
        memory: Mapping[str, float] | float | None,
    ) -> dict[str, Metric]:
        """Return every metric of a model, which is reference ``number`` where that is not None, against ``others``."""
        reasons, steps = missing_value_reasons(self.sample, len(others)), resolutions(self.sample)
        values, reference_values = self._values(measured, number, others)
        values["seconds"] = math.fsum(seconds.values()) if seconds else None
        values["peak_memory_mb"] = peak_memory(memory)
        metrics = {}
        for key, spec in METRIC_SPECS.items():
            if key not in OPTIONAL or key in values:
                of_references = _band_of(spec, [v.get(key) for v in reference_values], steps.get(key, 0.0))
                metrics[key] = make_metric(key, values[key], of_references, reasons.get(key))
        return metrics

    def _values(
        self, measured: ModelMeasurements, number: int | None, others: list[int]
    ) -> tuple[Values, list[Values]]:
        """Return the values of a model and of each of ``others``, each compared with the remaining references."""
        values: Values = {**measured.values, **self._against_original(measured)}
        reference_values: list[Values] = [
            {**self._references_measured[n].values, **self._reference_against_original(n)} for n in others
        ]
        for key in ("probe", "relearn"):
            values[key], centred = subtract_mean(values[key], [v[key] for v in reference_values])
            for v, value in zip(reference_values, centred, strict=True):
                v[key] = value
        for key in ("js", "cka_retrained"):
            values[key] = average([self._pair_value(key, measured, number, n) for n in others])
            for v, n in zip(reference_values, others, strict=True):
                of_n = self._references_measured[n]
                v[key] = average([self._pair_value(key, of_n, n, o) for o in others if o != n])
        values |= summaries(values, reference_values)
        for i, v in enumerate(reference_values):
            v |= summaries(v, [other for j, other in enumerate(reference_values) if j != i])
        return values, reference_values

    def _reference_against_original(self, number: int) -> Values:
        if number not in self._reference_moves:
            self._reference_moves[number] = self._against_original(self._references_measured[number])
        return self._reference_moves[number]

    def _against_original(self, measured: ModelMeasurements) -> Values:
        original = self._original_measured
        assert original is not None
        e, e0 = measured.deep, original.deep
        angle, ratio = rotation_from_original(e["forget"], e["remain"], e0["forget"], e0["remain"])
        cka = cka_of(measured.grams["forget"][REPRESENTATION], original.grams["forget"][REPRESENTATION])
        return {"angle": angle, "angle_ratio": ratio, "cka_original": cka}

    def _pair_value(self, key: str, measured: ModelMeasurements, number: int | None, other: int) -> float:
        """Return the JS or the CKA of a model and a reference; cached for a pair of references."""
        pair = None if number is None else (key, min(number, other), max(number, other))
        if pair is not None and pair in self._pair_values:
            return self._pair_values[pair]
        reference = self._references_measured[other]
        if key == "js":
            value = jensen_shannon(measured.forget, reference.forget)
        else:
            value = cka_of(
                measured.grams["forget"][REPRESENTATION], reference.grams["forget"][REPRESENTATION]
            )
        if pair is not None:
            self._pair_values[pair] = value
        return value

    def _similarities(
        self, measured: ModelMeasurements, references: list[ModelMeasurements]
    ) -> tuple[Similarity, ...]:
        assert self._original_measured is not None
        similarities = []
        for layer in measured.grams["forget"]:
            for images in ("forget", "remain"):
                gram, of_original = measured.grams[images][layer], self._original_measured.grams[images]
                of_references = [r.grams[images][layer] for r in references if layer in r.grams[images]]
                if layer in of_original:  # nets of different architectures share only the representation
                    to_references = tuple(cka_of(gram, other) for other in of_references)
                    between = tuple(cka_of(a, b) for a, b in itertools.combinations(of_references, 2))
                    to_original = cka_of(gram, of_original[layer])
                    similarities.append(Similarity(layer, images, to_original, to_references, between))
        return tuple(similarities)

    def _relearn(self, measured: ModelMeasurements, references: list[ModelMeasurements]) -> Relearn | None:
        curve = measured.curve
        if curve is None:
            return None
        of_references = tuple(r.curve.accuracy for r in references if r.curve is not None)
        shown = self.sample.shown
        held_out = len(self.sample.deep("forget")) - shown
        return Relearn(curve.steps, curve.accuracy, of_references, shown, held_out)

    def _attack(
        self, name: str, measured: ModelMeasurements, references: list[ModelMeasurements]
    ) -> AttackResult:
        assert self._original_measured is not None
        sets = self.sample.sets
        original_scores = self._original_measured.scores[name]
        reference_scores = [s for r in references if (s := r.scores[name]) is not None]
        counts = len(sets.members), len(sets.non_members)
        return attack_result(name, measured.scores[name], original_scores, reference_scores, *counts)

    def _per_image(self, measured: ModelMeasurements, references: list[ModelMeasurements]) -> PerImage | None:
        rows = self.sample.sets.members  # without copies of an image
        if len(rows) > MAX_PER_IMAGE:
            return None
        assert self._original_measured is not None
        models = (measured, self._original_measured, *references)
        logits = [logits_of(m.answers.members, m.answers.members_y) for m in models]
        return per_image(rows, self.split.train.ids.cpu()[rows], logits[0], logits[2:], logits[1:2])

    def _class_accuracy(self, measured: ModelMeasurements) -> torch.Tensor:
        y = self.split.test.y.cpu()[self.sample.test]
        right = (measured.test.argmax(1) == y).double()
        classes = len(self.split.dataset.classes)
        return torch.bincount(y, right, minlength=classes) / torch.bincount(y, minlength=classes)

    def _prediction_matrix(self, measured: ModelMeasurements) -> dict[str, torch.Tensor]:
        classes, sample = len(self.split.dataset.classes), self.sample
        truth = {
            "forget": self.split.true_y.cpu()[sample.forget],
            "test": self.split.test.y.cpu()[sample.test],
        }
        predicted = {"forget": measured.forget.argmax(1), "test": measured.test.argmax(1)}
        return {
            k: torch.bincount(truth[k] * classes + predicted[k], minlength=classes**2).view(classes, classes)
            for k in truth
        }


def _band_of(spec: MetricSpec, values: Sequence[float | None], resolution: float) -> Band | None:
    """Return the band of the retrained models' ``values``; None where one of them is missing or not finite."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if len(finite) < len(values):
        return None
    return band(finite, resolution=resolution, bounds=spec.bounds, pairwise=spec.pairwise)


def _as_part(work: Work[ModelMeasurements], number: int, parts: int) -> Work[ModelMeasurements]:
    """Return ``work`` as part ``number`` of ``parts``, whose progress counts in thousandths of a part."""

    def over_all_parts(p: Progress) -> Progress:
        return Progress(STAGE, round(1000 * (number + p.done / p.total)), 1000 * parts)

    return with_progress(work, over_all_parts)
