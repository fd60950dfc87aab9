"""One measured model beside the original and the retrained models: the parts of its report."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from core.evaluation.answers.answer_changes import AnswerChanges
from core.evaluation.answers.klom import MOST_NATS, floor_of_one, klom_of_one, mean_and_tail
from core.evaluation.attacks.frame_attack import MIN_SCORED
from core.evaluation.attacks.per_image import MAX_IMAGES as MAX_PER_IMAGE
from core.evaluation.attacks.per_image import PerImage, logits_of, per_image
from core.evaluation.attacks.result import AttackResult, attack_result
from core.evaluation.attacks.roc import area_under_roc
from core.evaluation.attacks.scores import ATTACKS, loss
from core.evaluation.measuring.measurements import ModelMeasurements
from core.evaluation.measuring.sample import KLOM, EvaluationSample
from core.evaluation.report import Relearn, Similarity
from core.evaluation.representations.layer_probes import UNSEEN, LayerProbe, largest_excess
from core.evaluation.representations.nearest_remaining import CANDIDATES, nearest_remaining
from core.evaluation.representations.similarity import cka_of
from core.models.base import Net, outputs

Values = dict[str, float | None]  # by key of a metric
NOT_CHOSEN = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Beside:
    """A measured model, the original and the retrained models that it is compared with, all on one sample."""

    sample: EvaluationSample
    measured: ModelMeasurements
    original: ModelMeasurements
    references: list[ModelMeasurements]

    def class_accuracy(self) -> Tensor:
        """Return (K,) accuracy on test images by class; nan for a class without test images."""
        y = self.sample.split.test.y.cpu()[self.sample.test]
        right = (self.measured.test.argmax(1) == y).double()
        classes = len(self.sample.split.dataset.classes)
        return torch.bincount(y, right, minlength=classes) / torch.bincount(y, minlength=classes)

    def prediction_matrix(self) -> dict[str, Tensor]:
        """Return (K, K) counts, true class × answer, of "forget" and "test"."""
        split, sample = self.sample.split, self.sample
        classes = len(split.dataset.classes)
        truth = {"forget": split.true_y.cpu()[sample.forget], "test": split.test.y.cpu()[sample.test]}
        predicted = {"forget": self.measured.forget.argmax(1), "test": self.measured.test.argmax(1)}
        return {
            k: torch.bincount(truth[k] * classes + predicted[k], minlength=classes**2).view(classes, classes)
            for k in truth
        }

    def answer_changes(self) -> dict[str, AnswerChanges]:
        """Return the answers of the original and of the model to "forget" and "remain"."""
        before, now, sample = self.original, self.measured, self.sample
        classes = len(sample.split.dataset.classes)
        return {
            "forget": AnswerChanges(sample.forget, before.forget.argmax(1), now.forget.argmax(1), classes),
            "remain": AnswerChanges(sample.remain, before.remain.argmax(1), now.remain.argmax(1), classes),
        }

    def similarities(self) -> tuple[Similarity, ...]:
        """Return the CKA of each layer that the model shares with the original, on "forget" and "remain"."""
        found = []
        for layer in self.measured.grams["forget"]:
            for images in ("forget", "remain"):
                gram, of_original = self.measured.grams[images][layer], self.original.grams[images]
                of_references = [r.grams[images][layer] for r in self.references if layer in r.grams[images]]
                if layer in of_original:  # nets of different architectures share only the representation
                    to_references = tuple(cka_of(gram, other) for other in of_references)
                    between = tuple(cka_of(a, b) for a, b in itertools.combinations(of_references, 2))
                    to_original = cka_of(gram, of_original[layer])
                    found.append(Similarity(layer, images, to_original, to_references, between))
        return tuple(found)

    def layer_probes(self) -> tuple[LayerProbe, ...]:
        """Return the probes at each layer; a retrained model without the layer is left out."""
        return tuple(
            LayerProbe(
                layer,
                against,
                auc,
                self.original.probes.get(against, {}).get(layer),
                tuple(
                    r.probes[against][layer] for r in self.references if layer in r.probes.get(against, {})
                ),
            )
            for against, by_layer in self.measured.probes.items()
            for layer, auc in by_layer.items()
        )

    def relearn(self) -> Relearn | None:
        """Return the relearning curves; None where there are too few images or no gradient."""
        curve = self.measured.curve
        if curve is None:
            return None
        of_references = tuple(r.curve.accuracy for r in self.references if r.curve is not None)
        shown = self.sample.shown
        held_out = len(self.sample.deep("forget")) - shown
        return Relearn(curve.steps, curve.accuracy, of_references, shown, held_out)

    def attacks(self) -> dict[str, AttackResult]:
        """Return the result of every attack by name."""
        sets = self.sample.sets
        counts = len(sets.members), len(sets.non_members)
        return {
            name: attack_result(
                name,
                self.measured.scores[name],
                self.original.scores[name],
                [s for r in self.references if (s := r.scores[name]) is not None],
                *counts,
            )
            for name in ATTACKS
        }

    def per_image(self) -> PerImage | None:
        """Return the test of each forgotten image; None for more than MAX_PER_IMAGE images or too few retrained models."""
        rows = self.sample.sets.members  # without copies of an image
        if len(rows) > MAX_PER_IMAGE:
            return None
        models = (self.measured, self.original, *self.references)
        logits = [logits_of(m.answers.members, m.answers.members_y) for m in models]
        ids = self.sample.split.train.ids.cpu()[rows]
        return per_image(rows, ids, logits[0], logits[2:], logits[1:2])


def choose_nearest(original: Net, sample: EvaluationSample, batch_size: int) -> Tensor:
    """Return the places in the sample of D_r of the images nearest to D_f, by the representation of ``original``."""
    remain, forget = (
        outputs(original, sample.split.train.take(rows[:CANDIDATES]), batch_size=batch_size).representations
        if len(rows)
        else torch.empty(0, 1)
        for rows in (sample.remain, sample.forget)
    )
    return nearest_remaining(remain, forget)


def harm_to_nearest(measured: ModelMeasurements, sample: EvaluationSample, near: Tensor) -> Values:
    """Return the accuracy on the images ``near`` (places in D_r's sample), and the AUC of the loss attack on them.

    The attack's non-members are test images of the same classes in the same proportions.
    """
    if not len(near):
        return {"near_r": None, "near_auc": None}
    rows = sample.remain[near]
    y, p = sample.split.train.y.cpu()[rows], measured.remain[near]
    unseen = sample.unseen_like(rows)
    auc = None
    if min(len(near), len(unseen)) >= MIN_SCORED:
        unseen_y = sample.split.test.y.cpu()[sample.test[unseen]]
        auc = area_under_roc(loss(p, y), loss(measured.test[unseen], unseen_y))
    return {"near_r": float((p.argmax(1) == y).double().mean()), "near_auc": auc}


def against_references(
    measured: ModelMeasurements, references: list[ModelMeasurements], sample: EvaluationSample
) -> tuple[Values, list[Values]]:
    """Return KLoM and the largest excess of a probe over the layers, of a model and of each reference against the others."""
    y = sample.split.train.y.cpu()
    values: Values = {}
    of_each: list[Values] = [{} for _ in references]
    for part, keys in (("forget", KLOM[:2]), ("remain", KLOM[2:])):
        labels = y[sample.forget if part == "forget" else sample.remain]
        margins = [logits_of(getattr(m, part), labels) for m in references]
        found = klom_of_one(logits_of(getattr(measured, part), labels), margins)
        values |= dict(zip(keys, mean_and_tail(found), strict=True))
        for i, v in enumerate(of_each):
            v |= dict(zip(keys, mean_and_tail(floor_of_one(i, margins)), strict=True))
        for key in keys:
            if of_each and all((v[key] or 0.0) > MOST_NATS - 1e-6 for v in of_each):  # tells nothing
                values[key] = None
                for v in of_each:
                    v[key] = None
    probes = [r.probes.get(UNSEEN, {}) for r in references]
    values["layer_probe"] = largest_excess(measured.probes.get(UNSEEN, {}), probes)
    for i, v in enumerate(of_each):
        v["layer_probe"] = largest_excess(probes[i], [p for j, p in enumerate(probes) if j != i])
    return values, of_each
