"""Comparison of methods on one request over several seeds, each evaluated against retrained models.

The work runs in slices, so that a page can show its progress. A method that fails does not stop the others.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.data.registry import load
from core.data.split import Split
from core.errors import CancelledError, LabError, RequestError
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport
from core.experiments.comparison_choice import RETRAIN, parse_methods, parse_seeds, require_choice
from core.methods import method, origin_of
from core.methods.base import Unlearner, has_own_original
from core.models.base import Net
from core.models.uploads import load_uploaded_model
from core.runs.original_models import net_training, original
from core.runs.reference_models import retraining, usual_count
from core.runs.setup import Setup
from core.runs.storage import chain_original
from core.runs.unlearned_models import UnlearnedModel, unlearned_model
from core.runtime import seeding as seeds
from core.runtime.device import pick_device
from core.runtime.progress import Progress, Work, WorkStepper, run_to_end, with_progress
from core.runtime.scheduler import Scheduler, SlicedTask

T = TypeVar("T")
RETRAINED = "references"  # the row of the retrained models, each evaluated against the others


@dataclass(frozen=True, eq=False)
class Cell:
    """The state and result of one method on one seed."""

    method: str
    seed: int
    state: str = "waiting"  # "running", "done" or "failed"
    error: str | None = None
    judgement: EvaluationReport | None = None
    steps: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    config: dict[str, Any] | None = None


class Comparison:
    """``methods`` on ``setup`` for each of ``seeds``; a seed decides images, initial weights and batches.

    ``cells`` and ``progress`` are replaced, never changed, so any thread may read them.
    """

    def __init__(
        self, setup: Setup, methods: Sequence[str], seeds: Sequence[int], *, references: int | None = None
    ) -> None:
        require_choice(setup, methods, seeds, references)
        self.setup = setup
        self.seeds = tuple(dict.fromkeys(seeds))
        self.methods = tuple(dict.fromkeys(methods))
        self.reference_count = references
        self.cells: dict[tuple[str, int], Cell] = {
            (m, s): Cell(m, s) for s in self.seeds for m in self.methods
        }
        self.retrained: dict[int, tuple[EvaluationReport, ...]] = {}  # by seed; each against the others
        self.progress: dict[int, tuple[str, Progress]] = {}  # by seed: the running stage and its progress
        self.errors: dict[int, str] = {}  # by seed, if the whole seed failed
        self.error: LabError | None = None  # the first of a seed or a cell
        self.split: Split | None = None  # of the first seed
        self.origins: dict[str, str] = {}
        self.seconds = 0.0
        self.cancelled = False
        self._tasks: list[SlicedTask] = []
        self._began = time.perf_counter()

    def start(self, runner: Scheduler) -> None:
        """Start the work, with one seed in each of the runner's threads."""
        self._began = time.perf_counter()
        for seed in self.seeds:
            task = SlicedTask(self._run_seed(seed), functools.partial(self._fail_seed, seed))
            self._tasks.append(task)
            runner.submit(task)

    def finish(self, progress: Callable[[str, Progress], object] | None = None) -> None:
        """Run all of the work now, in this thread; call ``progress`` with stage and progress after each slice."""
        self._began = time.perf_counter()
        for seed in self.seeds:
            try:
                work = WorkStepper(self._run_seed(seed))
                while work.advance():
                    if progress is not None and seed in self.progress:
                        progress(*self.progress[seed])
            except LabError as error:
                self._fail_seed(seed, error)

    def cancel(self) -> None:
        """Stop at the end of the running slices; finished cells stay."""
        self.cancelled = True

    @property
    def over(self) -> bool:
        """True if all work has ended."""
        return bool(self._tasks) and not any(t.alive for t in self._tasks)

    @property
    def done(self) -> int:
        """Number of cells that are done or failed."""
        return sum(c.state in ("done", "failed") for c in self.cells.values())

    def _fail_seed(self, seed: int, error: LabError) -> None:
        self.progress.pop(seed, None)
        if not isinstance(error, CancelledError):
            self.errors[seed] = str(error)
            self.error = self.error or error

    def _set_cell(self, cell: Cell) -> None:
        self.cells = {**self.cells, (cell.method, cell.seed): cell}
        self.seconds = time.perf_counter() - self._began

    def _report_progress(self, seed: int, stage: str, work: Work[T]) -> Work[T]:
        """Run ``work`` with its progress in ``self.progress``. Raises CancelledError if the comparison is cancelled."""

        def record(progress: Progress) -> Progress:
            self._require_not_cancelled()
            self.progress = {**self.progress, seed: (stage, progress)}
            return progress

        try:
            self._require_not_cancelled()
            return (yield from with_progress(work, record))
        finally:
            work.close()

    def _require_not_cancelled(self) -> None:
        if self.cancelled:
            raise CancelledError("the comparison was stopped")

    def _run_seed(self, seed: int) -> Work[None]:
        setup = replace(self.setup, seed=seed)
        split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
        if self.split is None or seed == self.seeds[0]:
            self.split = split
            self.origins = {m: origin_of(m, split.dataset.family, split.task) for m in self.methods}
        device = str(pick_device(setup.device))
        model = yield from self._report_progress(
            seed, "the original model", _original(setup, split, None, device)
        )
        references = yield from self._retrain(seed, split, model)
        evaluator = Evaluator(split, model, references, seed=seed)
        if references:
            yield from self._evaluate_references(seed, evaluator, references)
        models = _SeedModels(setup, split, model, evaluator, device)
        for name in self.methods:
            self._set_cell(Cell(name, seed, "running"))
            try:
                self._set_cell((yield from self._run_method(name, models)))
            except CancelledError:
                self._set_cell(Cell(name, seed))
                raise
            except LabError as error:
                self._set_cell(Cell(name, seed, "failed", error=str(error)))
                self.error = self.error or error
        self.progress = {k: v for k, v in self.progress.items() if k != seed}

    def _retrain(self, seed: int, split: Split, model: Net) -> Work[list[Retrained]]:
        if self.reference_count is None:
            self.reference_count = usual_count(split.dataset.family, model)
        count = self.reference_count
        references: list[Retrained] = []
        for number in range(count):
            work = retraining(split, model, seed=seed, number=number)
            stage = f"retrained model {number + 1} of {count}"
            references.append((yield from self._report_progress(seed, stage, work)))
        return references

    def _evaluate_references(
        self, seed: int, evaluator: Evaluator, references: list[Retrained]
    ) -> Work[None]:
        reports = []
        for one in references:
            work = evaluator.judge(one.model, reference=one.number, seconds={"retrain": one.seconds})
            reports.append((yield from self._report_progress(seed, "evaluating retrained models", work)))
        self.retrained = {**self.retrained, seed: tuple(reports)}

    def _run_method(self, name: str, models: _SeedModels) -> Work[Cell]:
        """Unlearn with one method and evaluate the result."""
        seed, split, model, evaluator = models.setup.seed, models.split, models.original, models.evaluator
        unlearner = method(name)
        if has_own_original(unlearner):
            work = _original(models.setup, split, unlearner, models.device)
            model = yield from self._report_progress(seed, f"{unlearner.title}: its own original model", work)
            evaluator = evaluator.of_original(model)
        unlearning = unlearned_model(split, model, unlearner, seed=_seed_of(name, seed))
        made = yield from self._report_progress(seed, unlearner.title, unlearning)
        evaluation = evaluator.judge(made.model, seconds=made.seconds, peak_memory_mb=made.peak_memory_mb)
        report = yield from self._report_progress(seed, f"{unlearner.title}: evaluating", evaluation)
        return Cell(
            name,
            seed,
            "done",
            judgement=report,
            steps=made.steps,
            seconds=made.total_s,
            peak_memory_mb=max(made.peak_memory_mb.values(), default=0.0),
            config=made.config,
        )


@dataclass(frozen=True, eq=False)
class _SeedModels:
    """The split, original and retrained models that all methods of one seed share."""

    setup: Setup  # with this seed
    split: Split
    original: Net
    evaluator: Evaluator
    device: str


def _seed_of(name: str, seed: int) -> int:
    """Return the seed of a method; retraining needs another seed than the first retrained model."""
    return seeds.derive_seed(seed, "compared") if name == "retrain" else seed


def _original(setup: Setup, split: Split, unlearner: Unlearner | None, device: str) -> Work[Net]:
    """Return the common original, or the own original of ``unlearner`` if it trains one."""
    if setup.earlier and unlearner is None:  # the result of the request before, for every seed
        return chain_original(setup, split, device)
    if setup.model is None:
        config = net_training(setup, split, unlearner)
        return (yield from original(split, unlearner, seed=setup.seed, device=device, config=config))
    if unlearner is not None and has_own_original(unlearner):
        raise RequestError(
            f"{unlearner.title} must train its own original model and cannot unlearn from an uploaded model"
        )
    return load_uploaded_model(setup.model, split.dataset).to(device)


def load_compared_model(setup: Setup, name: str) -> tuple[Split, Net, UnlearnedModel]:
    """Return split, original and unlearned model of the method ``name``, from the cache if a comparison made them."""
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    unlearner = method(name)
    model = run_to_end(_original(setup, split, unlearner, device))
    return split, model, run_to_end(unlearned_model(split, model, unlearner, seed=_seed_of(name, setup.seed)))


__all__ = [
    "RETRAIN",
    "RETRAINED",
    "Cell",
    "Comparison",
    "load_compared_model",
    "parse_methods",
    "parse_seeds",
]
