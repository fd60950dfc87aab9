"""What a Judge reads off one model, from one forward pass over a fixed choice of images: whatever does not depend on other models."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from core.config import EvalConfig
from core.data.images import LabelledImages
from core.data.split import Split
from core.errors import DivergedError
from core.evaluation.attacks.member_sets import as_members, draw_sets, without_twins
from core.evaluation.attacks.result import Scores
from core.evaluation.attacks.scores import ATTACKS, Answers, paper_asr, scored
from core.evaluation.probes import SHOWN, Curve, few_shot, relearn
from core.evaluation.similarity import layer_grams
from core.models.base import Net, outputs
from core.runtime import seeding
from core.runtime.progress import Progress, Work

MOST = 10_000  # images of D_r, of D_f and of the test set, each
DEEP = {"remain": 1000, "forget": 500, "test": 500}  # images whose representations are kept
ALIKE = 300  # images for CKA
STAGE = "judge"


class EvaluationSample:
    """Which images of a Split every model is judged on: all, or MOST of D_r, D_f and the test set; the same for each."""

    def __init__(self, split: Split, seed: int) -> None:
        self.split, self.seed = split, seed
        self.remain = self._some(
            split.remain_rows.cpu(), "remain"
        )  # rows of split.train, in an order of chance
        self.forget = self._some(split.forget_rows.cpu(), "forget")
        self.test = self._some(torch.arange(len(split.test)), "test")  # rows of split.test
        self.touched = split.test_is_touched.cpu()[self.test]
        sets = draw_sets(
            split, train_rows=torch.cat([self.remain, self.forget]), test_rows=self.test, seed=seed
        )
        self.sets = sets.__class__(
            sets.fit_members, sets.fit_non_members, without_twins(split.train, sets.members), sets.non_members
        )
        self.unseen = as_members(split, self.sets, seed=seed)

    def _some(self, rows: Tensor, name: str) -> Tensor:
        generator = seeding.generator(self.seed, "judge", name)
        return rows[torch.randperm(len(rows), generator=generator)[:MOST]]

    @property
    def relabelled(self) -> bool:
        """Whether the images to attack as non-members were changed, and need a forward pass of their own."""
        return self.split.planted is not None and self.split.planted.kind == "trigger"

    def deep(self, name: str) -> LabelledImages:
        """The images whose representations are kept."""
        if name == "test":  # of touched classes
            return self.split.test.take(self.test[self.touched][: DEEP[name]])
        return self.split.train.take((self.remain if name == "remain" else self.forget)[: DEEP[name]])

    @cached_property
    def shown(self) -> int:
        """Images of D_f that relearning is shown; 0 where there are too few."""
        n = min(len(self.forget), DEEP["forget"])
        return 0 if n < 4 else min(SHOWN, n // 4)


@dataclass(frozen=True, eq=False)
class ModelMeasurements:
    """One model on one Sample; probabilities (n, K) in the sample's order."""

    remain: Tensor
    forget: Tensor
    test: Tensor
    deep: dict[str, Tensor]  # representations of Sample.deep: "remain", "forget", "test"
    grams: dict[str, dict[str, Tensor]]  # "forget" and "remain": by layer
    answers: Answers
    scores: dict[str, Scores | None]  # by attack
    values: dict[str, float | None] = field(default_factory=dict)  # by figure
    curve: Curve | None = None


def measuring(
    model: Net, sample: EvaluationSample, config: EvalConfig, *, name: str = "the model"
) -> Work[ModelMeasurements]:
    """Measure ``model``, a batch or a probe at each ``next``. Raises DivergedError when it answers with what is no number."""
    split, size = sample.split, config.batch_size
    parts = {"remain": (split.train, sample.remain), "forget": (split.train, sample.forget), "test": (split.test, sample.test)}  # fmt: skip
    total = sum(-(-len(rows) // size) for _, rows in parts.values()) + 5
    done = 0
    said: dict[str, Tensor] = {}
    for key, (images, rows) in parts.items():
        found = [torch.empty(0, len(split.dataset.classes))]
        for some in torch.split(rows, size):
            if not len(some):
                continue
            out = outputs(model, images.take(some), batch_size=size)
            if not bool(out.probabilities.isfinite().all()):
                raise DivergedError(f"the output of {name}", stage=STAGE, step=0, advice="lower lr")
            found.append(out.probabilities)
            done += 1
            yield Progress(STAGE, done, total)
        said[key] = torch.cat(found)
    deep = {k: outputs(model, sample.deep(k), batch_size=size).representations for k in parts}
    done += 1
    yield Progress(STAGE, done, total)
    answers = answers_of(model, sample, said, size)
    scores = scores_of(answers)
    done += 1
    yield Progress(STAGE, done, total)
    values: dict[str, float | None] = _values(model, sample, said, size)
    values |= {f"auc_{k}": None if s is None else s.auc for k, s in scores.items()}
    values["asr_paper"] = paper_asr(answers, seed=sample.seed)
    done += 1
    yield Progress(STAGE, done, total)
    grams = {}
    for key in ("forget", "remain"):
        images = sample.deep(key)
        few = images.take(torch.arange(min(ALIKE, len(images)))).unlabelled()
        grams[key] = layer_grams(model, few, batch_size=size)
    done += 1
    yield Progress(STAGE, done, total)
    values["probe"] = _probe(sample, deep)
    curve = None
    if sample.shown:
        images = sample.deep("forget")
        rows = torch.arange(len(images))
        curve = relearn(model, images.take(rows[: sample.shown]), images.take(rows[sample.shown :]), seed=sample.seed)  # fmt: skip
    values["relearn"] = None if curve is None else curve.mean
    yield Progress(STAGE, total, total)
    return ModelMeasurements(
        said["remain"], said["forget"], said["test"], deep, grams, answers, scores, values, curve
    )


def scores_of(answers: Answers) -> dict[str, Scores | None]:
    """By attack; None where there are too few images."""
    found = {kind: scored(kind, answers) for kind in ATTACKS}
    return {kind: None if both is None else Scores(*both) for kind, both in found.items()}


def answers_of(model: Net, sample: EvaluationSample, said: dict[str, Tensor], size: int) -> Answers:
    """What the attacks read, picked from what ``model`` ``said`` of "remain", "forget" and "test" (probabilities)."""
    split, sets = sample.split, sample.sets
    where = torch.full((len(split.train),), -1, dtype=torch.int64)
    where[sample.remain] = torch.arange(len(sample.remain))
    where[sample.forget] = torch.arange(len(sample.forget))
    where_test = torch.full((len(split.test),), -1, dtype=torch.int64)
    where_test[sample.test] = torch.arange(len(sample.test))
    unseen = said["test"][where_test[sets.non_members]]
    if sample.relabelled and len(sample.unseen):
        unseen = outputs(model, sample.unseen, batch_size=size).probabilities
    return Answers(
        said["remain"][where[sets.fit_members]],
        said["test"][where_test[sets.fit_non_members]],
        said["forget"][where[sets.members]],
        unseen,
        split.train.y.cpu()[sets.members],
        sample.unseen.y.cpu(),
    )


def _values(
    model: Net, sample: EvaluationSample, said: dict[str, Tensor], size: int
) -> dict[str, float | None]:
    split = sample.split
    y, test_y = split.train.y.cpu(), split.test.y.cpu()[sample.test]
    right = said["test"].argmax(1) == test_y
    answered = said["forget"].argmax(1)
    mean = said["forget"].double().mean(0)
    counts = torch.bincount(answered, minlength=mean.shape[0])
    found: dict[str, float | None] = {
        "train_r": _mean(said["remain"].argmax(1) == y[sample.remain]),
        "train_f": _mean(answered == y[sample.forget]),
        "test": _mean(right),
        "test_r": _mean(right[~sample.touched]),
        "test_f": _mean(right[sample.touched]),
        "spread": float(-torch.xlogy(mean, mean).sum()) + 0.0,
        "commonest_share": float(counts.max() / counts.sum()),
    }
    if split.clean_y is not None:
        found["clean_f"] = _mean(answered == split.clean_y.cpu()[sample.forget])
    if split.planted is not None:
        p = outputs(model, split.planted.probe, batch_size=size).probabilities
        found["planted"] = float(p.gather(1, split.planted.answer[:, None].cpu()).mean())
    return found


def _probe(sample: EvaluationSample, deep: dict[str, Tensor]) -> float | None:
    """Classes that something was forgotten of are learned from D_f, the others from D_r, all by their true labels."""
    truth = sample.split.true_y.cpu()
    y_f, y_r = truth[sample.forget[: DEEP["forget"]]], truth[sample.remain[: DEEP["remain"]]]
    other = ~torch.isin(y_r, y_f)
    e, y = torch.cat([deep["forget"], deep["remain"][other]]), torch.cat([y_f, y_r[other]])
    return few_shot(e, y, deep["test"], sample.deep("test").y.cpu())


def _mean(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None
