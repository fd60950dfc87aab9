"""The measurements of one model that depend on no other model, from one forward pass over a fixed sample of images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from core.config import EvalConfig
from core.data.images import LabelledImages
from core.data.split import Split
from core.errors import DivergedError
from core.evaluation.attacks.member_sets import as_members, draw_sets, without_twins
from core.evaluation.attacks.result import Scores
from core.evaluation.attacks.scores import ATTACKS, Answers, member_scores, paper_asr
from core.evaluation.probes import SHOWN, Curve, few_shot, relearn
from core.evaluation.similarity import layer_grams
from core.models.base import Net, outputs
from core.runtime import seeding
from core.runtime.progress import Progress, Work

MAX_IMAGES = 10_000  # of D_r, of D_f and of the test set, each
MAX_DEEP = {"remain": 1000, "forget": 500, "test": 500}  # images whose representations are kept
CKA_IMAGES = 300
STAGE = "judge"  # key of a Progress


class EvaluationSample:
    """The images of a Split on which every model is evaluated: at most MAX_IMAGES each of D_r, D_f and the test set."""

    def __init__(self, split: Split, seed: int) -> None:
        self.split, self.seed = split, seed
        self.remain = self._draw(split.remain_rows.cpu(), "remain")  # rows of split.train in random order
        self.forget = self._draw(split.forget_rows.cpu(), "forget")
        self.test = self._draw(torch.arange(len(split.test)), "test")  # rows of split.test
        self.touched = split.test_is_touched.cpu()[self.test]
        sets = draw_sets(
            split, train_rows=torch.cat([self.remain, self.forget]), test_rows=self.test, seed=seed
        )
        self.sets = replace(sets, members=without_twins(split.train, sets.members))
        self.unseen = as_members(split, self.sets, seed=seed)

    def _draw(self, rows: Tensor, name: str) -> Tensor:
        generator = seeding.generator(self.seed, "judge", name)
        return rows[torch.randperm(len(rows), generator=generator)[:MAX_IMAGES]]

    @property
    def parts(self) -> dict[str, tuple[LabelledImages, Tensor]]:
        """The images and the sampled rows of "remain", "forget" and "test"."""
        train, test = self.split.train, self.split.test
        return {"remain": (train, self.remain), "forget": (train, self.forget), "test": (test, self.test)}

    @property
    def non_members_are_stamped(self) -> bool:
        """True if the non-members bear a trigger, so that they need a separate forward pass."""
        return self.split.planted is not None and self.split.planted.kind == "trigger"

    def deep(self, name: str) -> LabelledImages:
        """Return the images of "remain", "forget" or "test" whose representations are kept."""
        if name == "test":  # touched classes only
            return self.split.test.take(self.test[self.touched][: MAX_DEEP[name]])
        return self.split.train.take((self.remain if name == "remain" else self.forget)[: MAX_DEEP[name]])

    @cached_property
    def shown(self) -> int:
        """Number of images of D_f that relearning is fine-tuned on; 0 where there are too few."""
        n = min(len(self.forget), MAX_DEEP["forget"])
        return 0 if n < 4 else min(SHOWN, n // 4)


@dataclass(frozen=True, eq=False)
class ModelMeasurements:
    """The measurements of one model on an EvaluationSample; probabilities are (n, K) in the order of the sample."""

    remain: Tensor
    forget: Tensor
    test: Tensor
    deep: dict[str, Tensor]  # representations of EvaluationSample.deep: "remain", "forget", "test"
    grams: dict[str, dict[str, Tensor]]  # of "forget" and "remain", by layer
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
    grams = {}
    for key in ("forget", "remain"):
        images = sample.deep(key)
        some = images.take(torch.arange(min(CKA_IMAGES, len(images)))).unlabelled()
        grams[key] = layer_grams(model, some, batch_size=size)
    yield Progress(STAGE, total - 1, total)
    values["probe"] = _probe(sample, deep)
    curve = _relearning_curve(model, sample)
    values["relearn"] = None if curve is None else curve.mean
    yield Progress(STAGE, total, total)
    remain, forget, test = (probabilities[k] for k in sample.parts)
    return ModelMeasurements(remain, forget, test, deep, grams, answers, scores, values, curve)


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


def missing_value_reasons(sample: EvaluationSample, references: int) -> dict[str, str]:
    """Return the reason for each metric that may lack a value, beside ``references`` retrained models."""
    sets = sample.sets
    no_retrained = "There is no retrained model to compare with."
    attack = (
        f"Too few images for an attack: {len(sets.members):,} forgotten, {len(sets.non_members):,} unseen of the same kind; "
        "read the per-image scores instead."
    )
    reasons = {f"auc_{name}": attack for name in ATTACKS} | {"asr_paper": attack}
    reasons |= dict.fromkeys(("js", "cka_retrained", "average_gap", "tug_of_war"), no_retrained)
    reasons |= {
        "probe": "Too few classes or test images for a probe.",
        "relearn": f"{len(sample.forget)} forgotten images are too few, or the model has no gradient.",
    }
    if not references:
        reasons |= dict.fromkeys(("probe", "relearn"), no_retrained)
    return reasons | {
        "test_r": "Every class has forgotten images.",
        "test_f": "No test image is of a class with forgotten images.",
        "angle": "Too few images.",
        "angle_ratio": "The remaining images did not move, so there is no noise floor.",
        "seconds": "The time of this model is not known.",
        "peak_memory_mb": "The memory of this model is not known.",
    }


def resolutions(sample: EvaluationSample) -> dict[str, float]:
    """Return the smallest step 1 / n of each metric that is a share among n images."""
    n_f, sets = len(sample.forget), sample.sets
    counts = {
        "train_r": len(sample.remain),
        "train_f": n_f,
        "clean_f": n_f,
        "test": len(sample.test),
        "test_r": int((~sample.touched).sum()),
        "test_f": int(sample.touched.sum()),
        "commonest_share": n_f,
        "asr_paper": 2 * min(len(sets.members), len(sets.non_members)),
        "probe": len(sample.deep("test")),
    }
    return {key: 1 / count for key, count in counts.items() if count}


def scores_of(answers: Answers) -> dict[str, Scores | None]:
    """Return the scores of each attack by name; None where there are too few images."""
    pairs = {name: member_scores(name, answers) for name in ATTACKS}
    return {name: None if pair is None else Scores(*pair) for name, pair in pairs.items()}


def answers_of(model: Net, sample: EvaluationSample, probabilities: dict[str, Tensor], size: int) -> Answers:
    """Return the input of the attacks, picked from the ``probabilities`` of ``model`` on "remain", "forget" and "test"."""
    split, sets = sample.split, sample.sets
    place = torch.full(
        (len(split.train),), -1, dtype=torch.int64
    )  # of a training row in its part of the sample
    place[sample.remain] = torch.arange(len(sample.remain))
    place[sample.forget] = torch.arange(len(sample.forget))
    test_place = torch.full((len(split.test),), -1, dtype=torch.int64)
    test_place[sample.test] = torch.arange(len(sample.test))
    unseen = probabilities["test"][test_place[sets.non_members]]
    if sample.non_members_are_stamped and len(sample.unseen):
        unseen = outputs(model, sample.unseen, batch_size=size).probabilities
    return Answers(
        probabilities["remain"][place[sets.fit_members]],
        probabilities["test"][test_place[sets.fit_non_members]],
        probabilities["forget"][place[sets.members]],
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
