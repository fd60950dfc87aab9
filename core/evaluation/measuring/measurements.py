"""The measurements of one model that depend on no other model, from one forward pass over a fixed sample of images."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.config import EvalConfig
from core.data.images import LabelledImages
from core.errors import DivergedError
from core.evaluation.attacks.result import Scores
from core.evaluation.attacks.scores import ATTACKS, Answers, member_scores, paper_asr
from core.evaluation.measuring.sample import MAX_DEEP, EvaluationSample
from core.evaluation.representations.layer_probes import REMAINING, UNSEEN, ProbeAUCs, probe_layers
from core.evaluation.representations.probes import Curve, few_shot, relearn
from core.evaluation.representations.similarity import gram, layer_features
from core.models.base import Net, outputs
from core.runtime.progress import Progress, Work

LAYER_IMAGES = 300  # of each part, for CKA and for the probes
STAGE = "judge"  # key of a Progress


@dataclass(frozen=True, eq=False)
class ModelMeasurements:
    """The measurements of one model on an EvaluationSample; probabilities are (n, K) in the order of the sample."""

    remain: Tensor
    forget: Tensor
    test: Tensor
    deep: dict[str, Tensor]  # representations of EvaluationSample.deep: "remain", "forget", "test"
    grams: dict[str, dict[str, Tensor]]  # of "forget" and "remain", by layer
    probes: ProbeAUCs  # at each layer
    answers: Answers
    scores: dict[str, Scores | None]  # by attack
    values: dict[str, float | None] = field(default_factory=dict)  # by key of a metric
    curve: Curve | None = None


_PARTS_AFTER_FORWARD = 5  # the units of progress of ``measure_model`` that follow the forward passes


def measure_model(
    model: Net, sample: EvaluationSample, config: EvalConfig, *, name: str = "the model"
) -> Work[ModelMeasurements]:
    """Measure ``model``, a batch or a probe at each ``next``. Raises DivergedError when its output is not finite."""
    size = config.batch_size
    total = sum(-(-len(rows) // size) for _, rows in sample.parts.values()) + _PARTS_AFTER_FORWARD
    probabilities = yield from _forward(model, sample, size, total, name)
    deep = {k: outputs(model, sample.deep(k), batch_size=size).representations for k in sample.parts}
    yield Progress(STAGE, total - 4, total)
    answers = answers_of(model, sample, probabilities, size)
    scores = scores_of(answers)
    yield Progress(STAGE, total - 3, total)
    values = _values(model, sample, probabilities, size)
    values |= {f"auc_{k}": None if s is None else s.auc for k, s in scores.items()}
    values["asr_paper"] = paper_asr(answers, seed=sample.seed)
    yield Progress(STAGE, total - 2, total)
    grams, probes = _layers(model, sample, size)
    yield Progress(STAGE, total - 1, total)
    values["probe"] = _probe(sample, deep)
    curve = _relearning_curve(model, sample)
    values["relearn"] = None if curve is None else curve.mean
    yield Progress(STAGE, total, total)
    remain, forget, test = (probabilities[k] for k in sample.parts)
    return ModelMeasurements(remain, forget, test, deep, grams, probes, answers, scores, values, curve)


def _layers(
    model: Net, sample: EvaluationSample, size: int
) -> tuple[dict[str, dict[str, Tensor]], ProbeAUCs]:
    """Return the Gram matrices of "forget" and "remain" by layer, and the probes at each layer.

    A probe against D_r needs whole classes in D_f; elsewhere it would only tell which classes are forgotten in part.
    """

    def features(images: LabelledImages) -> dict[str, Tensor]:
        some = images.take(torch.arange(min(LAYER_IMAGES, len(images)))).unlabelled()
        return layer_features(model, some, batch_size=size)

    forget, remain = features(sample.deep("forget")), features(sample.deep("remain"))
    others = {UNSEEN: features(sample.unseen)} if len(sample.unseen) else {}
    if sample.split.task == "class":
        others[REMAINING] = remain
    grams = {
        key: {layer: gram(x) for layer, x in part.items()}
        for key, part in (("forget", forget), ("remain", remain))
    }
    return grams, probe_layers(forget, others)


def _forward(
    model: Net, sample: EvaluationSample, size: int, total: int, name: str
) -> Work[dict[str, Tensor]]:
    """Return the probabilities (n, K) of "remain", "forget" and "test", a batch at each ``next``."""
    done = 0
    probabilities: dict[str, Tensor] = {}
    for key, (images, rows) in sample.parts.items():
        batches = [torch.empty(0, len(sample.split.dataset.classes))]
        for some in torch.split(rows, size):
            if not len(some):
                continue
            out = outputs(model, images.take(some), batch_size=size)
            if not bool(out.probabilities.isfinite().all()):
                raise DivergedError(f"the output of {name}", stage=STAGE, step=0, advice="lower lr")
            batches.append(out.probabilities)
            done += 1
            yield Progress(STAGE, done, total)
        probabilities[key] = torch.cat(batches)
    return probabilities


def _relearning_curve(model: Net, sample: EvaluationSample) -> Curve | None:
    if not sample.shown:
        return None
    images = sample.deep("forget")
    rows = torch.arange(len(images))
    shown, held_out = images.take(rows[: sample.shown]), images.take(rows[sample.shown :])
    return relearn(model, shown, held_out, seed=sample.seed)


def scores_of(answers: Answers) -> dict[str, Scores | None]:
    """Return the scores of each attack by name; None where there are too few images."""
    pairs = {name: member_scores(name, answers) for name in ATTACKS}
    return {name: None if pair is None else Scores(*pair) for name, pair in pairs.items()}


def answers_of(model: Net, sample: EvaluationSample, probabilities: dict[str, Tensor], size: int) -> Answers:
    """Return the input of the attacks, from the ``probabilities`` of ``model`` on "remain", "forget" and "test".

    Images of the attack's sets that are not in the sample have a forward pass of their own.
    """
    split, sets = sample.split, sample.sets

    def pick(part: str, wanted: Tensor) -> Tensor:
        images, rows = sample.parts[part]
        place = torch.full((len(images),), -1, dtype=torch.int64)  # of a row in its part of the sample
        place[rows] = torch.arange(len(rows))
        at = place[wanted]
        found = torch.zeros(len(wanted), probabilities[part].shape[1])
        found[at >= 0] = probabilities[part][at[at >= 0]]
        if bool((at < 0).any()):
            found[at < 0] = outputs(model, images.take(wanted[at < 0]), batch_size=size).probabilities
        return found

    if sample.non_members_are_stamped and len(sample.unseen):
        unseen = outputs(model, sample.unseen, batch_size=size).probabilities
    else:
        unseen = pick("test", sets.non_members)
    return Answers(
        pick("remain", sets.fit_members),
        pick("test", sets.fit_non_members),
        pick("forget", sets.members),
        unseen,
        split.train.y.cpu()[sets.members],
        sample.unseen.y.cpu(),
    )


def _values(
    model: Net, sample: EvaluationSample, probabilities: dict[str, Tensor], size: int
) -> dict[str, float | None]:
    split = sample.split
    y, test_y = split.train.y.cpu(), split.test.y.cpu()[sample.test]
    right = probabilities["test"].argmax(1) == test_y
    predicted = probabilities["forget"].argmax(1)
    mean = probabilities["forget"].double().mean(0)
    counts = torch.bincount(predicted, minlength=mean.shape[0])
    values: dict[str, float | None] = {
        "train_r": _share(probabilities["remain"].argmax(1) == y[sample.remain]),
        "train_f": _share(predicted == y[sample.forget]),
        "test": _share(right),
        "test_r": _share(right[~sample.touched]),
        "test_f": _share(right[sample.touched]),
        "spread": float(-torch.xlogy(mean, mean).sum()) + 0.0,
        "commonest_share": float(counts.max() / counts.sum()),
    }
    if split.clean_y is not None:
        values["clean_f"] = _share(predicted == split.clean_y.cpu()[sample.forget])
    if split.planted is not None:
        p = outputs(model, split.planted.probe, batch_size=size).probabilities
        values["planted"] = float(p.gather(1, split.planted.answer[:, None].cpu()).mean())
    return values


def _probe(sample: EvaluationSample, deep: dict[str, Tensor]) -> float | None:
    """Return the accuracy of a few-shot probe by true labels; it learns touched classes from D_f and the others from D_r."""
    truth = sample.split.true_y.cpu()
    y_f, y_r = truth[sample.forget[: MAX_DEEP["forget"]]], truth[sample.remain[: MAX_DEEP["remain"]]]
    other = ~torch.isin(y_r, y_f)
    e, y = torch.cat([deep["forget"], deep["remain"][other]]), torch.cat([y_f, y_r[other]])
    return few_shot(e, y, deep["test"], sample.deep("test").y.cpu())


def _share(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None
