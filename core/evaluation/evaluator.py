"""Judges a model: every figure beside the original and beside retrained models, with its place in their band."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from core.config import EvalConfig
from core.data.split import Split
from core.errors import RequestError
from core.evaluation.attacks.per_image import MOST as FEW
from core.evaluation.attacks.per_image import PerImage, logits_of, per_image
from core.evaluation.attacks.result import AttackResult, attack_result
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.measurements import STAGE, EvaluationSample, ModelMeasurements, measuring
from core.evaluation.metric_specs import METRIC_SPECS, average, figure, minus_mean, peak, summaries
from core.evaluation.metrics import jensen_shannon
from core.evaluation.reference_band import Band, band
from core.evaluation.report import EvaluationReport, Metric, Relearn, Similarity
from core.evaluation.rotation import turned
from core.evaluation.similarity import REPRESENTATION, cka_of
from core.models.base import Net
from core.runtime.progress import Progress, Work

if TYPE_CHECKING:
    from core.evaluation.reference_band import Retrained


class Evaluator:
    """Judges models of one Split against its ``original`` and ``references``, all on the same images.

    Original and references are measured once, when the first model is judged.
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
        self.split = split
        self.references = list(references)
        self.config = config or EvalConfig()
        self.sample = EvaluationSample(split, seed)
        self._original = original
        self._before: ModelMeasurements | None = None
        self._known: dict[int, ModelMeasurements] = {}  # by number of the reference
        self._pairs: dict[tuple[str, int, int], float] = {}  # JS and CKA between references
        self._moved: dict[int, dict[str, float | None]] = {}  # by number, what compares one with the original

    def of_original(self, original: Net) -> Evaluator:
        """The same Judge for a method with its own original: references are not measured anew."""
        twin = copy.copy(self)
        twin._original, twin._before, twin._moved = original, None, {}
        return twin

    def judge(
        self,
        model: Net,
        *,
        reference: int | None = None,
        seconds: Mapping[str, float] | None = None,
        peak_memory_mb: Mapping[str, float] | float | None = None,
    ) -> Work[EvaluationReport]:
        """Judge ``model``, a slice at each ``next``. With ``reference``, the number of a retrained model, it is that one, judged
        against the others. ``seconds`` are those of each stage, ``peak_memory_mb`` too or in all.

        Raises DivergedError when a model answers with what is no number, RequestError for an unknown reference.
        """
        numbers = [r.number for r in self.references]
        if reference is not None and reference not in numbers:
            raise RequestError(f"there is no retrained model number {reference}; there are: {numbers}")
        waiting = [r for r in self.references if r.number not in self._known]
        parts = len(waiting) + (self._before is None) + (reference is None)
        done = itertools.count()
        if self._before is None:
            self._before = yield from _part(
                self._measure(self._original, "the original model"), next(done), parts
            )
        for r in waiting:
            name = f"retrained model {r.number}"
            self._known[r.number] = yield from _part(self._measure(r.model, name), next(done), parts)
        if reference is not None:
            measured = self._known[reference]
        else:
            measured = yield from _part(self._measure(model, "the model"), next(done), parts)
        others = [n for n in numbers if n != reference]
        yield Progress(STAGE, parts, parts)
        return self._judged(measured, reference, others, seconds, peak_memory_mb)

    def figures_of(self, reference: int, others: Sequence[int]) -> dict[str, Metric]:
        """Figures of one retrained model against ``others`` (numbers), all of which were measured before: for calibration."""
        return self._figures(self._known[reference], reference, list(others), None, None)

    # inside

    def _measure(self, model: Net, name: str) -> Work[ModelMeasurements]:
        return measuring(model, self.sample, self.config, name=name)

    def _judged(
        self,
        measured: ModelMeasurements,
        mine: int | None,
        others: list[int],
        seconds: Mapping[str, float] | None,
        memory: Mapping[str, float] | float | None,
    ) -> EvaluationReport:
        assert self._before is not None
        known = [self._known[n] for n in others]
        sample = self.sample
        return EvaluationReport(
            figures=self._figures(measured, mine, others, seconds, memory),
            class_accuracy=self._class_accuracy(measured),
            prediction_matrix=self._matrix(measured),
            cka=self._similarities(measured, known),
            relearn=self._relearn(measured, known),
            attacks={name: self._attack(name, measured, known) for name in ATTACKS},
            per_image=self._per_image(measured, known),
            references=len(others),
            seconds=dict(seconds or {}),
            peak_memory_mb=dict(memory) if isinstance(memory, Mapping) else {},
            member_rows=sample.sets.members,
            non_member_rows=sample.sets.non_members,
        )

    def _figures(
        self,
        measured: ModelMeasurements,
        mine: int | None,
        others: list[int],
        seconds: Mapping[str, float] | None,
        memory: Mapping[str, float] | float | None,
    ) -> dict[str, Metric]:
        whys, steps = self._whys(len(others)), self._resolution()
        values: dict[str, float | None] = {**measured.values, **self._against_original(measured)}
        theirs = [{**self._known[n].values, **self._of_reference(n)} for n in others]
        for key in ("probe", "relearn"):
            values[key], centred = minus_mean(values[key], [v[key] for v in theirs])
            for v, value in zip(theirs, centred, strict=True):
                v[key] = value
        for key in ("js", "cka_retrained"):
            values[key] = average([self._pair(key, measured, mine, n) for n in others])
            for v, n in zip(theirs, others, strict=True):
                v[key] = average([self._pair(key, self._known[n], n, o) for o in others if o != n])
        values |= summaries(values, theirs)
        for i, v in enumerate(theirs):
            v |= summaries(v, [t for j, t in enumerate(theirs) if j != i])
        values["seconds"] = math.fsum(seconds.values()) if seconds else None
        values["peak_memory_mb"] = peak(memory)
        found = {}
        for key, kind in METRIC_SPECS.items():
            if key in ("clean_f", "planted") and key not in values:
                continue
            of: Band | None = None
            given = [v.get(key) for v in theirs]
            real = [g for g in given if g is not None and math.isfinite(g)]
            if len(real) == len(given):
                of = band(real, resolution=steps.get(key, 0.0), bounds=kind.bounds, pairwise=kind.pairwise)
            found[key] = figure(key, values[key], of, whys.get(key))
        return found

    def _whys(self, references: int) -> dict[str, str]:
        sets = self.sample.sets
        no_retrained = "There is no retrained model to hold it against."
        attack = (
            f"Too few images to attack: {len(sets.members):,} forgotten, {len(sets.non_members):,} unseen of the same kind; "
            "per-image scores can be given instead."
        )
        whys = {f"auc_{name}": attack for name in ATTACKS} | {"asr_paper": attack}
        whys |= dict.fromkeys(("js", "cka_retrained", "average_gap", "tug_of_war"), no_retrained)
        few = f"{len(self.sample.forget)} forgotten images are too few, or the model has no gradient."
        whys |= {"probe": "Too few classes or test images for a probe.", "relearn": few}
        if not references:
            whys |= dict.fromkeys(("probe", "relearn"), no_retrained)
        return whys | {
            "test_r": "Something is forgotten of every class.",
            "test_f": "No test image is of a class that something is forgotten of.",
            "angle": "Too few images.",
            "angle_ratio": "The remaining images did not move, so there is no noise floor.",
            "seconds": "The model came without the time it took.",
            "peak_memory_mb": "The model came without the memory it took.",
        }

    def _resolution(self) -> dict[str, float]:
        s = self.sample
        counts = {
            "train_r": len(s.remain), "train_f": len(s.forget), "clean_f": len(s.forget), "test": len(s.test),
            "test_r": int((~s.touched).sum()), "test_f": int(s.touched.sum()), "commonest_share": len(s.forget),
            "asr_paper": 2 * min(len(s.sets.members), len(s.sets.non_members)), "probe": len(s.deep("test")),
        }  # fmt: skip
        return {key: 1 / count for key, count in counts.items() if count}

    def _of_reference(self, number: int) -> dict[str, float | None]:
        if number not in self._moved:
            self._moved[number] = self._against_original(self._known[number])
        return self._moved[number]

    def _against_original(self, measured: ModelMeasurements) -> dict[str, float | None]:
        before = self._before
        assert before is not None
        angle, ratio = turned(
            measured.deep["forget"], measured.deep["remain"], before.deep["forget"], before.deep["remain"]
        )
        cka = cka_of(measured.grams["forget"][REPRESENTATION], before.grams["forget"][REPRESENTATION])
        return {"angle": angle, "angle_ratio": ratio, "cka_original": cka}

    def _pair(self, key: str, measured: ModelMeasurements, mine: int | None, other: int) -> float:
        """JS or CKA between a model and a reference; kept where both are references."""
        known = None if mine is None else (key, min(mine, other), max(mine, other))
        if known is not None and known in self._pairs:
            return self._pairs[known]
        theirs = self._known[other]
        if key == "js":
            value = jensen_shannon(measured.forget, theirs.forget)
        else:
            value = cka_of(measured.grams["forget"][REPRESENTATION], theirs.grams["forget"][REPRESENTATION])
        if known is not None:
            self._pairs[known] = value
        return value

    def _similarities(
        self, measured: ModelMeasurements, known: list[ModelMeasurements]
    ) -> tuple[Similarity, ...]:
        assert self._before is not None
        found = []
        for layer in measured.grams["forget"]:
            for images in ("forget", "remain"):
                mine, before = measured.grams[images][layer], self._before.grams[images]
                theirs = [k.grams[images][layer] for k in known if layer in k.grams[images]]
                if layer in before:  # a method with its own kind of net shares only the representation
                    to = tuple(cka_of(mine, t) for t in theirs)
                    between = tuple(cka_of(a, b) for a, b in itertools.combinations(theirs, 2))
                    found.append(Similarity(layer, images, cka_of(mine, before[layer]), to, between))
        return tuple(found)

    def _relearn(self, measured: ModelMeasurements, known: list[ModelMeasurements]) -> Relearn | None:
        curve = measured.curve
        if curve is None:
            return None
        curves = tuple(k.curve.accuracy for k in known if k.curve is not None)
        shown = self.sample.shown
        return Relearn(curve.steps, curve.accuracy, curves, shown, len(self.sample.deep("forget")) - shown)

    def _attack(self, name: str, measured: ModelMeasurements, known: list[ModelMeasurements]) -> AttackResult:
        assert self._before is not None
        sets = self.sample.sets
        theirs = [s for k in known if (s := k.scores[name]) is not None]
        return attack_result(
            name, measured.scores[name], self._before.scores[name], theirs, len(sets.members), len(sets.non_members)
        )  # fmt: skip

    def _per_image(self, measured: ModelMeasurements, known: list[ModelMeasurements]) -> PerImage | None:
        rows = self.sample.sets.members  # copies of an image are one
        if len(rows) > FEW:
            return None
        assert self._before is not None
        logits = [logits_of(m.answers.members, m.answers.members_y) for m in (measured, self._before, *known)]
        return per_image(rows, self.split.train.ids.cpu()[rows], logits[0], logits[2:], logits[1:2])

    def _class_accuracy(self, measured: ModelMeasurements) -> torch.Tensor:
        y = self.split.test.y.cpu()[self.sample.test]
        right = (measured.test.argmax(1) == y).double()
        classes = len(self.split.dataset.classes)
        return torch.bincount(y, right, minlength=classes) / torch.bincount(y, minlength=classes)

    def _matrix(self, measured: ModelMeasurements) -> dict[str, torch.Tensor]:
        classes, s = len(self.split.dataset.classes), self.sample
        truth = {"forget": self.split.true_y.cpu()[s.forget], "test": self.split.test.y.cpu()[s.test]}
        said = {"forget": measured.forget.argmax(1), "test": measured.test.argmax(1)}
        return {
            k: torch.bincount(truth[k] * classes + said[k], minlength=classes**2).view(classes, classes)
            for k in truth
        }


def _part(work: Work[ModelMeasurements], number: int, parts: int) -> Work[ModelMeasurements]:
    """``work`` as one of several parts: progress over all of them, in thousandths."""
    while True:
        try:
            now = next(work)
        except StopIteration as end:
            found: ModelMeasurements = end.value
            return found
        yield Progress(STAGE, round(1000 * (number + now.done / now.total)), 1000 * parts)
