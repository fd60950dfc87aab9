"""What is measured of a model: accuracies, where forgotten images go, how far that is from retrained models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from core.config import EvalConfig
from core.data.split import Split
from core.errors import DivergedError
from core.evaluation.attacks import AttackReport, attack, draw_sets
from core.models.base import Net, Outputs, outputs
from core.runtime import seeding


@dataclass(frozen=True)
class Reading:
    """Measurements of one model; accuracies in [0, 1]. Test_f is on the classes that D_f touches, Test_r on the others;
    either is None where there are no such images."""

    train_r: float
    train_f: float
    test: float
    test_r: float | None
    test_f: float | None
    attack: AttackReport
    answers: tuple[float, ...]  # share of D_f predicted as each class; sums to 1
    forget_probabilities: Tensor = field(repr=False, compare=False)  # (n_f, K), of the measured images of D_f
    clean_f: float | None = None  # accuracy on D_f by true labels; None where no label is wrong
    planted: float | None = (
        None  # mean probability of the planted answer on its probe images; None without a plant
    )

    @property
    def commonest(self) -> int:
        """The class that most of D_f is predicted as."""
        return max(range(len(self.answers)), key=self.answers.__getitem__)

    @property
    def commonest_share(self) -> float:
        """Its share of D_f, in [0, 1]."""
        return self.answers[self.commonest]


@dataclass(frozen=True)
class Report(Reading):
    """A Reading on all images, beside retrained models."""

    js_to_references: tuple[float, ...] = ()  # nats, one for each reference

    @property
    def js(self) -> float | None:
        """Mean Jensen-Shannon divergence on D_f to the references, in [0, ln 2] nats; None without references."""
        return sum(self.js_to_references) / len(self.js_to_references) if self.js_to_references else None


@dataclass(frozen=True, eq=False)
class Measurement:
    """A Reading and the outputs it was taken from."""

    reading: Reading
    train: Outputs  # on Evaluator.train_rows
    test: Outputs  # on Evaluator.test_rows


class FrameEvaluator:
    """Measures any model on one fixed choice of images of a Split, each forwarded once.

    ``full`` takes all images. Otherwise: at most ``config.max_points`` training images, half of them forgotten where there are so
    many, and ``config.max_test`` test images, half of them of the touched classes; Test weighs the two by their true shares.
    """

    def __init__(
        self, split: Split, config: EvalConfig | None = None, *, seed: int = 0, full: bool = False
    ) -> None:
        self.split = split
        self.config = config or EvalConfig()
        forget, remain = split.forget_rows.cpu(), split.remain_rows.cpu()
        touched = split.test_is_touched.cpu()
        test_f, test_r = touched.nonzero().flatten(), (~touched).nonzero().flatten()
        self._weight_f = len(test_f) / max(1, len(touched))
        if not full:
            forget, remain = _share(forget, remain, self.config.max_points, seed, "map")
            test_f, test_r = _share(test_f, test_r, self.config.max_test, seed, "test")
        self.train_rows = torch.cat([remain, forget]).sort().values  # (n,) rows of split.train
        self.test_rows = torch.cat([test_r, test_f]).sort().values
        self.is_forget = torch.isin(self.train_rows, forget)  # (n,) bool
        self._is_touched = touched[self.test_rows]
        self._sets = draw_sets(split, train_rows=self.train_rows, test_rows=self.test_rows, seed=seed)
        self._train = split.train.take(self.train_rows)
        self._test = split.test.take(self.test_rows)

    @cached_property
    def is_everything(self) -> bool:
        """Whether no image was left out."""
        return len(self.train_rows) == len(self.split.train) and len(self.test_rows) == len(self.split.test)

    def measure(self, model: Net, *, stage: str = "evaluate", step: int = 0) -> Measurement:
        """One forward pass over the chosen images, and all that is read off it.

        Raises DivergedError, naming ``stage`` and ``step``, when the model answers with what is no number.
        """
        train = outputs(model, self._train, batch_size=self.config.batch_size)
        test = outputs(model, self._test, batch_size=self.config.batch_size)
        if not all(
            bool(t.isfinite().all()) for o in (train, test) for t in (o.representations, o.probabilities)
        ):
            advice = "lower lr_UE and lr_RA" if stage == "unlearn" else "lower lr"
            raise DivergedError("the output of the model", stage=stage, step=step, advice=advice)
        right = train.predictions == self._train.y.cpu()
        right_test = test.predictions == self._test.y.cpu()
        test_f, test_r = _mean(right_test[self._is_touched]), _mean(right_test[~self._is_touched])
        answered = torch.bincount(
            train.predictions[self.is_forget], minlength=len(self.split.dataset.classes)
        )
        reading = Reading(
            train_r=_mean(right[~self.is_forget]) or 0.0,
            train_f=_mean(right[self.is_forget]) or 0.0,
            test=self._weight_f * (test_f or 0.0) + (1 - self._weight_f) * (test_r or 0.0),
            test_r=test_r,
            test_f=test_f,
            attack=self._attack(train, test),
            answers=tuple((answered / max(1, int(answered.sum()))).tolist()),
            forget_probabilities=train.probabilities[self.is_forget],
            clean_f=self._clean(train),
            planted=self._planted(model),
        )
        return Measurement(reading, train, test)

    def _clean(self, train: Outputs) -> float | None:
        if self.split.clean_y is None:
            return None
        truth = self.split.clean_y.cpu()[self.train_rows]
        return _mean((train.predictions == truth)[self.is_forget])

    def _planted(self, model: Net) -> float | None:
        planted = self.split.planted
        if planted is None:
            return None
        said = outputs(model, planted.probe, batch_size=self.config.batch_size).probabilities
        return float(said.gather(1, planted.answer[:, None]).mean())

    def _attack(self, train: Outputs, test: Outputs) -> AttackReport:
        sets = self._sets

        def of(part: Outputs, rows: Tensor, wanted: Tensor) -> Tensor:
            return part.probabilities[torch.searchsorted(rows, wanted)]

        return attack(
            of(train, self.train_rows, sets.fit_members),
            of(test, self.test_rows, sets.fit_non_members),
            of(train, self.train_rows, sets.members),
            of(test, self.test_rows, sets.non_members),
        )


def evaluate(
    model: Net, split: Split, *, references: Sequence[Net] = (), config: EvalConfig | None = None
) -> Report:
    """Measure ``model`` on all images of ``split``, beside retrained ``references``."""
    evaluator = FrameEvaluator(split, config, full=True)
    reading = evaluator.measure(model).reading
    forget = split.forget
    size = evaluator.config.batch_size
    others = [outputs(r, forget, batch_size=size).probabilities for r in references]
    return Report(
        **{name: getattr(reading, name) for name in Reading.__dataclass_fields__},
        js_to_references=tuple(jensen_shannon(reading.forget_probabilities, p) for p in others),
    )


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Mean over images of JS(p(x), q(x)) = ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, in nats: 0 equal, ln 2 disjoint.

    (n, K) and (n, K), rows summing to 1; nan for n = 0.
    """
    p, q = p.double(), q.double()
    m = (p + q) / 2
    kl = [torch.xlogy(a, a).sum(1) - torch.xlogy(a, m).sum(1) for a in (p, q)]
    return float(((kl[0] + kl[1]).mean() / 2).clamp(0, math.log(2)))


def angles(e: Tensor, e0: Tensor) -> Tensor:
    """Angle in degrees, [0, 180], between each pair of rows; (n, d), (n, d) -> (n,)."""
    a, b = (torch.nn.functional.normalize(x.double(), dim=1) for x in (e, e0))
    # the chord keeps precision where arccos of a cosine near 1 has none
    return torch.rad2deg(2 * torch.asin(((a - b).norm(dim=1) / 2).clamp(0, 1))).float()


def _mean(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None


def _share(first: Tensor, second: Tensor, most: int, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """At most ``most`` rows of the two together, half of them of the first where both have so many."""
    n_first = min(len(first), max(most // 2, most - len(second)))
    n_second = min(len(second), most - n_first)
    generator = seeding.generator(seed, "evaluate", name)

    def some(rows: Tensor, count: int) -> Tensor:
        return rows if count == len(rows) else rows[torch.randperm(len(rows), generator=generator)[:count]]

    return some(first, n_first), some(second, n_second)
