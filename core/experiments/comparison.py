"""Many methods on one request over several seeds, each judged against retrained models; in slices, so that a page can show it.

A method that fails costs its own rows and no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.data.registry import load
from core.data.split import Split
from core.errors import CancelledError, LabError, RequestError
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport
from core.methods import METHODS, method, origin_of
from core.methods.base import Unlearner, has_own_original
from core.models.base import Net
from core.models.uploads import load_own_model
from core.runs.original_models import original
from core.runs.reference_models import retraining, usual_count
from core.runs.setup import MOST_SEED, Setup
from core.runs.unlearned_models import UnlearnedModel, unlearned_model
from core.runtime import seeding as seeds
from core.runtime.device import pick_device
from core.runtime.progress import Progress, Work, run_to_end
from core.runtime.scheduler import Scheduler, SlicedTask

RETRAINED = "references"  # the row of the retrained models, each judged against the others


@dataclass(frozen=True, eq=False)
class Cell:
    """One method on one seed: what became of it."""

    method: str
    seed: int
    state: str = "waiting"  # "running", "done" or "failed"
    error: str | None = None
    judgement: EvaluationReport | None = None
    steps: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    config: dict[str, Any] | None = None


def parse_methods(text: str) -> tuple[str, ...]:
    """ "all", or names with commas between. Raises RequestError for an unknown one."""
    if text.strip() == "all":
        return tuple(METHODS)
    names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    for name in names:
        if name not in METHODS:
            method(name)  # says what there is
    if not names:
        raise RequestError("no method is named; give names with commas between, or all")
    return names


def parse_seeds(text: str, most: int = 100) -> tuple[int, ...]:
    """ "0", "0-2", "1,5,7-9". Raises RequestError for what is no whole number or range, or more than ``most`` of them."""
    found: list[int] = []
    for part in (p.strip() for p in text.split(",") if p.strip()):
        said = part if len(part) <= 44 else f"{part[:43]}…"
        first, _, last = part.partition("-")
        ends = (first.strip(), last.strip() or first.strip())
        if not all(x.isdecimal() and x.isascii() and len(x) < 20 for x in ends) or int(ends[0]) > int(
            ends[1]
        ):
            raise RequestError(f"{said!r} is no seed; seeds are whole numbers and ranges, as in 0-2 or 1,5")
        if int(ends[1]) > MOST_SEED:
            raise RequestError(f"{said!r} is no seed; the largest is {MOST_SEED}")
        if int(ends[1]) - int(ends[0]) >= most:
            raise RequestError(f"{part} asks for {int(ends[1]) - int(ends[0]) + 1} seeds; the most is {most}")
        found.extend(range(int(ends[0]), int(ends[1]) + 1))
    if not found:
        raise RequestError("no seed is given; seeds are whole numbers and ranges, as in 0-2 or 1,5")
    if len(set(found)) > most:
        raise RequestError(f"{len(set(found))} seeds are asked for; the most is {most}")
    return tuple(dict.fromkeys(found))


class Comparison:
    """``methods`` on ``setup`` for each of ``seeds``, which draw images, initial weights and batches alike.

    ``cells`` and ``progress`` are replaced as work goes on; any thread may read them.
    """

    def __init__(
        self, setup: Setup, methods: Sequence[str], seeds: Sequence[int], *, references: int | None = None
    ) -> None:
        if not seeds:
            raise RequestError("a comparison needs at least one seed")
        for name in methods:
            method(name)
        self.setup = setup
        self.seeds = tuple(dict.fromkeys(seeds))
        self.methods = tuple(dict.fromkeys(methods))
        self.reference_count = references
        self.cells: dict[tuple[str, int], Cell] = {
            (m, s): Cell(m, s) for s in self.seeds for m in self.methods
        }
        self.retrained: dict[int, tuple[EvaluationReport, ...]] = {}  # by seed; each against the others
        self.progress: dict[int, tuple[str, Progress]] = {}  # by seed, what goes on now
        self.errors: dict[int, str] = {}  # by seed, where nothing could be compared
        self.error: LabError | None = None  # the first of a seed or a cell
        self.split: Split | None = None  # of the first seed
        self.origins: dict[str, str] = {}
        self.seconds = 0.0
        self.cancelled = False
        self._tasks: list[SlicedTask] = []
        self._began = time.perf_counter()

    def start(self, runner: Scheduler) -> None:
        """Begin, a seed in each of the runner's threads."""
        self._began = time.perf_counter()
        for seed in self.seeds:
            task = SlicedTask(self._seed(seed), lambda error, seed=seed: self._failed(seed, error))  # type: ignore[misc]
            self._tasks.append(task)
            runner.submit(task)

    def finish(self, progress: Callable[[str, Progress], object] | None = None) -> None:
        """All of it now, in this thread."""
        self._began = time.perf_counter()
        for seed in self.seeds:
            try:
                for _ in self._seed(seed):
                    if progress is not None and seed in self.progress:
                        progress(*self.progress[seed])
            except LabError as error:
                self._failed(seed, error)

    def cancel(self) -> None:
        """Stop at the end of the slices in progress; what is done stays."""
        self.cancelled = True

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self._tasks) and not any(t.alive for t in self._tasks)

    @property
    def done(self) -> int:
        """Cells that are finished, one way or the other."""
        return sum(c.state in ("done", "failed") for c in self.cells.values())

    # inside

    def _failed(self, seed: int, error: LabError) -> None:
        self.progress.pop(seed, None)
        if not isinstance(error, CancelledError):
            self.errors[seed] = str(error)
            self.error = self.error or error

    def _set(self, cell: Cell) -> None:
        self.cells = {**self.cells, (cell.method, cell.seed): cell}
        self.seconds = time.perf_counter() - self._began

    def _told(self, seed: int, what: str, work: Work[Any]) -> Work[Any]:
        """``work``, with its progress written down; stopped where the comparison was cancelled."""
        while True:
            if self.cancelled:
                work.close()
                raise CancelledError("the comparison was stopped")
            try:
                now = next(work)
            except StopIteration as end:
                return end.value
            self.progress = {**self.progress, seed: (what, now)}
            yield now

    def _seed(self, seed: int) -> Work[None]:
        setup = replace(self.setup, seed=seed)
        split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
        if self.split is None or seed == self.seeds[0]:
            self.split = split
            self.origins = {m: origin_of(m, split.dataset.family, split.task) for m in self.methods}
        device = str(pick_device(setup.device))
        work = _original(setup, split, None, device)
        model = yield from self._told(seed, "the original model", work)
        if self.reference_count is None:
            self.reference_count = usual_count(split.dataset.family)
        count = self.reference_count
        references: list[Retrained] = []
        for number in range(count):
            again = retraining(split, model, seed=seed, number=number)
            references.append(
                (yield from self._told(seed, f"retrained model {number + 1} of {count}", again))
            )
        judge = Evaluator(split, model, references, seed=seed)
        if references:
            yield from self._references(seed, judge, references)
        for name in self.methods:
            self._set(Cell(name, seed, "running"))
            try:
                yield from self._method(name, seed, split, model, references, judge, device)
            except CancelledError:
                self._set(Cell(name, seed))
                raise
            except LabError as error:
                self._set(Cell(name, seed, "failed", error=str(error)))
                self.error = self.error or error
        self.progress = {k: v for k, v in self.progress.items() if k != seed}

    def _references(self, seed: int, judge: Evaluator, references: list[Retrained]) -> Work[None]:
        found = []
        for one in references:
            work = judge.judge(one.model, reference=one.number, seconds={"retrain": one.seconds})
            found.append((yield from self._told(seed, "judging retrained models", work)))
        self.retrained = {**self.retrained, seed: tuple(found)}

    def _method(
        self,
        name: str,
        seed: int,
        split: Split,
        model: Net,
        references: list[Retrained],
        judge: Evaluator,
        device: str,
    ) -> Work[None]:
        unlearner = method(name)
        if has_own_original(unlearner):
            work = _original(replace(self.setup, seed=seed), split, unlearner, device)
            model = yield from self._told(seed, f"{unlearner.title}: its own original model", work)
            judge = judge.of_original(model)
        own = _seed_of(name, seed)
        made: UnlearnedModel = yield from self._told(
            seed, unlearner.title, unlearned_model(split, model, unlearner, seed=own)
        )
        judged = judge.judge(made.model, seconds=made.seconds, peak_memory_mb=made.peak_memory_mb)
        judgement: EvaluationReport = yield from self._told(seed, f"{unlearner.title}: judging", judged)
        self._set(
            Cell(
                name,
                seed,
                "done",
                None,
                judgement,
                made.steps,
                made.total_s,
                max(made.peak_memory_mb.values(), default=0.0),
                made.config,
            )
        )


def _seed_of(name: str, seed: int) -> int:
    """Retraining with the seed of the first reference would be that reference."""
    return seeds.derive(seed, "compared") if name == "retrain" else seed


def _original(setup: Setup, split: Split, unlearner: Unlearner | None, device: str) -> Work[Net]:
    """The common original, or the own one of ``unlearner``."""
    if setup.model is None:
        return (yield from original(split, unlearner, seed=setup.seed, device=device))
    if unlearner is not None and has_own_original(unlearner):
        raise RequestError(
            f"{unlearner.title} must train its original model itself and cannot unlearn from a model that was brought"
        )
    return load_own_model(setup.model, split.dataset).to(device)


def end_of(setup: Setup, name: str) -> tuple[Split, Net, UnlearnedModel]:
    """Split, original and what the method ``name`` made of it; from the shelf where a comparison made it before."""
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    unlearner = method(name)
    model = run_to_end(_original(setup, split, unlearner, device))
    return split, model, run_to_end(unlearned_model(split, model, unlearner, seed=_seed_of(name, setup.seed)))


__all__ = ["RETRAINED", "Cell", "Comparison", "end_of", "parse_methods", "parse_seeds"]
