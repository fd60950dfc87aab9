"""The evaluation of a model: every metric beside the original and retrained models, with its place in their band."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence

from torch import nn

from core.config import EvalConfig
from core.data.split import Split, require_split
from core.errors import RequestError
from core.evaluation.attacks.strongest import StrongestAttack, strongest_attack
from core.evaluation.measuring.beside import (
    NOT_CHOSEN,
    Beside,
    Values,
    against_references,
    choose_nearest,
    harm_to_nearest,
)
from core.evaluation.measuring.measurements import STAGE, ModelMeasurements, measure_model
from core.evaluation.measuring.sample import EvaluationSample, missing_value_reasons, resolutions
from core.evaluation.metric_specs import (
    METRIC_SPECS,
    OPTIONAL,
    average,
    make_metric,
    metric_band,
    peak_memory,
    subtract_mean,
    summaries,
)
from core.evaluation.metrics import jensen_shannon
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport, Metric
from core.evaluation.representations.similarity import REPRESENTATION, cka_of, rotation_from_original
from core.models.base import Net, require_classifier
from core.runtime.progress import Progress, Work, with_progress


class Evaluator:
    """Evaluates models of one Split against its ``original`` and ``references``, all on the same images.

    The first evaluation also measures the original and the references.
    """

    def __init__(
        self,
        split: Split,
        original: Net,
        references: Sequence[Retrained | Net] = (),
        *,
        config: EvalConfig | None = None,
        seed: int = 0,
    ) -> None:
        require_split(split, "an evaluator")
        given = [Retrained(i, r, 0.0) if isinstance(r, nn.Module) else r for i, r in enumerate(references)]
        for model in (original, *(r.model for r in given)):
            require_classifier(model, split.dataset.shape, len(split.dataset.classes))
        self.split = split
        self.references = given
        self.config = config or EvalConfig()
        self.sample = EvaluationSample(split, seed)
        self._original = original
        self._original_measured: ModelMeasurements | None = None
        self._references_measured: dict[int, ModelMeasurements] = {}  # by number of the reference
        self._pair_values: dict[tuple[str, int, int], float] = {}  # JS and CKA between two references
        self._reference_moves: dict[int, Values] = {}  # by number, how far the reference is from the original
        self._near = (
            NOT_CHOSEN  # places in the sample of D_r of the images nearest to D_f, by the first original
        )

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

        Raises DivergedError when the output of a model is not finite, RequestError for an unknown reference or no model for these images.
        """
        if reference is None:
            require_classifier(model, self.split.dataset.shape, len(self.split.dataset.classes))
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
            if self._near is NOT_CHOSEN:
                self._near = choose_nearest(self._original, self.sample, self.config.batch_size)
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
        assert self._original_measured is not None
        beside = Beside(
            self.sample, measured, self._original_measured, [self._references_measured[n] for n in others]
        )
        sample, attacks = self.sample, beside.attacks()
        strongest = strongest_attack(attacks)
        return EvaluationReport(
            figures=self._metrics(measured, number, others, seconds, memory, strongest),
            class_accuracy=beside.class_accuracy(),
            prediction_matrix=beside.prediction_matrix(),
            answer_changes=beside.answer_changes(),
            layer_probes=beside.layer_probes(),
            cka=beside.similarities(),
            relearn=beside.relearn(),
            attacks=attacks,
            strongest=strongest,
            per_image=beside.per_image(),
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
        strongest: StrongestAttack | None = None,
    ) -> dict[str, Metric]:
        """Return every metric of a model, which is reference ``number`` where that is not None, against ``others``."""
        reasons, steps = (
            missing_value_reasons(self.sample, len(others)),
            resolutions(self.sample, len(self._near)),
        )
        values, reference_values = self._values(measured, number, others)
        values["seconds"] = math.fsum(seconds.values()) if seconds else None
        values["peak_memory_mb"] = peak_memory(memory)
        values["attack_p"] = None if strongest is None else strongest.corrected
        metrics = {}
        for key in METRIC_SPECS:
            if key not in OPTIONAL or key in values:
                of_references = metric_band(key, [v.get(key) for v in reference_values], steps.get(key, 0.0))
                metrics[key] = make_metric(key, values[key], of_references, reasons.get(key))
        return metrics

    def _values(
        self, measured: ModelMeasurements, number: int | None, others: list[int]
    ) -> tuple[Values, list[Values]]:
        """Return the values of a model and of each of ``others``, each compared with the remaining references."""
        near = self._near
        values: Values = {
            **measured.values,
            **self._against_original(measured),
            **harm_to_nearest(measured, self.sample, near),
        }
        references = [self._references_measured[n] for n in others]
        reference_values: list[Values] = [
            {**m.values, **self._reference_against_original(n), **harm_to_nearest(m, self.sample, near)}
            for n, m in zip(others, references, strict=True)
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
        of_all, of_each = against_references(measured, references, self.sample)
        values |= of_all
        for v, mine in zip(reference_values, of_each, strict=True):
            v |= mine
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


def _as_part(work: Work[ModelMeasurements], number: int, parts: int) -> Work[ModelMeasurements]:
    """Return ``work`` as part ``number`` of ``parts``, whose progress counts in thousandths of a part."""

    def over_all_parts(p: Progress) -> Progress:
        return Progress(STAGE, round(1000 * (number + p.done / p.total)), 1000 * parts)

    return with_progress(work, over_all_parts)
