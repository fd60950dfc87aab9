"""The measurements of one frame or of a final model: accuracies, answers to forgotten images, distance to retrained models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from core.config import EvalConfig
from core.data.split import Split, require_split
from core.errors import DivergedError, RequestError
from core.evaluation.attacks import AttackReport, attack, draw_sets
from core.evaluation.attacks.member_sets import as_members
from core.models.base import Net, Outputs, divergences, outputs, require_classifier
from core.runtime import seeding
from core.runtime.bounds import quote_value, require_config


@dataclass(frozen=True)
class Reading:
    """Measurements of one model; accuracies in [0, 1].

    Test_f is on the classes that D_f touches, Test_r on the others. Either is None where there are no such images.
    """

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
    newest_f: float | None = None  # accuracy on what the newest request of a chain forgets; None: one request

    @property
    def commonest(self) -> int:
        """The class with the most predictions on D_f."""
        return max(range(len(self.answers)), key=self.answers.__getitem__)

    @property
    def commonest_share(self) -> float:
        """The share of D_f, in [0, 1], that is predicted as the commonest class."""
        return self.answers[self.commonest]


@dataclass(frozen=True)
class Report(Reading):
    """A Reading on all images, with the distances to retrained models."""

    js_to_references: tuple[float, ...] = ()  # nats, by reference

    @property
    def js(self) -> float | None:
        """Mean Jensen-Shannon divergence on D_f to the references, in [0, ln 2] nats; None without references."""
        return sum(self.js_to_references) / len(self.js_to_references) if self.js_to_references else None


@dataclass(frozen=True, eq=False)
class Measurement:
    """A Reading and the outputs behind it."""

    reading: Reading
    train: Outputs  # on FrameEvaluator.train_rows; a full evaluation keeps no representations
    test: Outputs  # on FrameEvaluator.test_rows


class FrameEvaluator:
    """Measures any model on one fixed choice of images of a Split, with one forward pass.

    ``full`` takes all images. Otherwise it takes at most ``config.max_points`` training images, half of them of D_f if D_f
    is large enough. It takes at most ``config.max_test`` test images, half of them of the touched classes. Test weighs
    touched and other classes by their true shares.
    """

    def __init__(
        self, split: Split, config: EvalConfig | None = None, *, seed: int = 0, full: bool = False
    ) -> None:
        require_split(split, "an evaluation")
        self.split = split
        self.config = config or EvalConfig()
        self._keeps_representations = not full
        forget, remain = split.forget_rows.cpu(), split.remain_rows.cpu()
        touched = split.test_is_touched.cpu()
        test_f, test_r = touched.nonzero().flatten(), (~touched).nonzero().flatten()
        self._weight_f = len(test_f) / max(1, len(touched))
        if not full:
            forget, remain = _draw_halves(forget, remain, self.config.max_points, seed, "map")
            test_f, test_r = _draw_halves(test_f, test_r, self.config.max_test, seed, "test")
        self.train_rows = torch.cat([remain, forget]).sort().values  # (n,) rows of split.train
        self.test_rows = torch.cat([test_r, test_f]).sort().values
        self.is_forget = torch.isin(self.train_rows, forget)  # (n,) bool
        self._is_newest = (
            None if split.earlier_rows is None else torch.isin(self.train_rows, split.newest_rows.cpu())
        )
        self._is_touched = touched[self.test_rows]
        self._sets = draw_sets(split, train_rows=self.train_rows, test_rows=self.test_rows)
        is_stamped = split.planted is not None and split.planted.kind == "trigger"
        self._stamped = as_members(split, self._sets) if is_stamped else None
        # all rows in their order are the images themselves, which are not copied
        self._train = split.train if self.is_everything else split.train.take(self.train_rows)
        self._test = split.test if self.is_everything else split.test.take(self.test_rows)

    @property
    def newest_count(self) -> int | None:
        """Number of measured images of the newest request of a chain; None for a first request."""
        return None if self._is_newest is None else int(self._is_newest.sum())

    @cached_property
    def is_everything(self) -> bool:
        """True if the choice covers all images."""
        return len(self.train_rows) == len(self.split.train) and len(self.test_rows) == len(self.split.test)

    def measure(self, model: Net, *, stage: str = "evaluate", step: int = 0) -> Measurement:
        """Measure ``model`` with one forward pass over the chosen images.

        Raises DivergedError, with ``stage`` and ``step``, when the output of the model is not finite.
        """
        return self.measure_outputs(model, *self.forward(model), stage=stage, step=step)

    def forward(self, model: Net, *, workers: int = 1) -> tuple[Outputs, Outputs]:
        """Return the outputs of ``model`` for the chosen training and test images; ``workers`` threads share the batches."""
        size, keeps = self.config.batch_size, self._keeps_representations
        train, test = (
            outputs(model, images, batch_size=size, keep_representations=keeps, workers=workers)
            for images in (self._train, self._test)
        )
        return train, test

    def measure_outputs(
        self, model: Net, train: Outputs, test: Outputs, *, stage: str = "evaluate", step: int = 0
    ) -> Measurement:
        """Measure ``model``, whose ``forward`` gave ``train`` and ``test``. Raises DivergedError as ``measure`` does."""
        if not all(
            bool(t.isfinite().all()) for o in (train, test) for t in (o.representations, o.probabilities)
        ):
            advice = "lower lr_UE and lr_RA" if stage == "unlearn" else "lower lr"
            raise DivergedError("the output of the model", stage=stage, step=step, advice=advice)
        right = train.predictions == self._train.y.cpu()
        right_test = test.predictions == self._test.y.cpu()
        test_f, test_r = _mean(right_test[self._is_touched]), _mean(right_test[~self._is_touched])
        counts = torch.bincount(train.predictions[self.is_forget], minlength=len(self.split.dataset.classes))
        reading = Reading(
            train_r=_mean(right[~self.is_forget]) or 0.0,
            train_f=_mean(right[self.is_forget]) or 0.0,
            test=self._weight_f * (test_f or 0.0) + (1 - self._weight_f) * (test_r or 0.0),
            test_r=test_r,
            test_f=test_f,
            attack=self._attack(model, train, test),
            answers=tuple((counts / max(1, int(counts.sum()))).tolist()),
            forget_probabilities=train.probabilities[self.is_forget],
            clean_f=self._clean_accuracy(train),
            planted=self._planted_probability(model),
            newest_f=None if self._is_newest is None else _mean(right[self._is_newest]),
        )
        return Measurement(reading, train, test)

    def _clean_accuracy(self, train: Outputs) -> float | None:
        if self.split.clean_y is None:
            return None
        truth = self.split.clean_y.cpu()[self.train_rows]
        return _mean((train.predictions == truth)[self.is_forget])

    def _planted_probability(self, model: Net) -> float | None:
        planted = self.split.planted
        if planted is None:
            return None
        p = outputs(model, planted.probe, batch_size=self.config.batch_size).probabilities
        return float(p.gather(1, planted.answer[:, None]).mean())

    def _attack(self, model: Net, train: Outputs, test: Outputs) -> AttackReport:
        sets, size = self._sets, self.config.batch_size
        stamped = self._stamped

        def select(part: Outputs, rows: Tensor, wanted: Tensor) -> Tensor:
            return part.probabilities[torch.searchsorted(rows, wanted)]

        return attack(
            select(train, self.train_rows, sets.fit_members),
            select(test, self.test_rows, sets.fit_non_members),
            select(train, self.train_rows, sets.members),
            select(test, self.test_rows, sets.non_members)
            if stamped is None or not len(stamped)
            else outputs(model, stamped, batch_size=size).probabilities,
        )


def evaluate(
    model: Net, split: Split, *, references: Sequence[Net] = (), config: EvalConfig | None = None
) -> Report:
    """Measure ``model`` on all images of ``split``, with its distance to retrained ``references``.

    Raises RequestError when one of them is no model for these images, ConfigError for a ``config`` of another type.
    """
    require_split(split, "evaluate")
    if isinstance(references, nn.Module):
        got = quote_value(type(references).__name__)
        raise RequestError(f"references must be a list of models, got {got}; write references=[model]")
    for one in (model, *references):
        require_classifier(one, split.dataset.shape, len(split.dataset.classes))
    if config is not None:
        require_config(config, EvalConfig, "evaluate")
    evaluator = FrameEvaluator(split, config, full=True)
    reading = evaluator.measure(model).reading
    forget = split.forget
    size = evaluator.config.batch_size
    others = [outputs(r, forget, batch_size=size).probabilities for r in references]
    return report_of_reading(reading, [jensen_shannon(reading.forget_probabilities, p) for p in others])


def report_of_reading(reading: Reading, js: Sequence[float]) -> Report:
    """Return the Report of a Reading on all images; ``js`` are the divergences to each reference, in nats."""
    values = {name: getattr(reading, name) for name in Reading.__dataclass_fields__}
    return Report(**values, js_to_references=tuple(js))


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Return the mean over images of JS(p(x), q(x)) = ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, in nats: 0 equal, ln 2 disjoint.

    (n, K) and (n, K), rows summing to 1; nan for n = 0.
    """
    return float(divergences(p, q).mean().clamp(0, math.log(2)))


def mean_js(p: Tensor, references: Sequence[Tensor]) -> float | None:
    """Return the mean of ``jensen_shannon`` from answers (n, K) to those of each reference, in nats; None without references.

    This is the metric ``js``, "JS to retrained", wherever it is shown.
    """
    return math.fsum(jensen_shannon(p, q) for q in references) / len(references) if references else None


def js_between(references: Sequence[Tensor]) -> list[float]:
    """Return ``mean_js`` of each of at least two retrained models to the others; their band is ``metric_band("js", …)``."""
    found = [mean_js(p, [q for j, q in enumerate(references) if j != i]) for i, p in enumerate(references)]
    return [value for value in found if value is not None]


def angles(e: Tensor, e0: Tensor) -> Tensor:
    """Return the angle in degrees, [0, 180], between each pair of rows; (n, d), (n, d) -> (n,)."""
    a, b = (torch.nn.functional.normalize(x.double(), dim=1) for x in (e, e0))
    # by the chord, since arccos of a cosine near 1 loses precision
    return torch.rad2deg(2 * torch.asin(((a - b).norm(dim=1) / 2).clamp(0, 1))).float()


def _mean(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None


def _draw_halves(first: Tensor, second: Tensor, most: int, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Return at most ``most`` rows together, half of them from each where both have enough."""
    n_first = min(len(first), max(most // 2, most - len(second)))
    n_second = min(len(second), most - n_first)
    generator = seeding.generator(seed, "evaluate", name)

    def some(rows: Tensor, count: int) -> Tensor:
        return rows if count == len(rows) else rows[torch.randperm(len(rows), generator=generator)[:count]]

    return some(first, n_first), some(second, n_second)
