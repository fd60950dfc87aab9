"""The jobs of a study, each run in any process and returning a row: an original, a retrained model, the figures of both, a cell.

Jobs share models through the model cache; a process that finds no entry there makes the model again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from core.data.registry import load
from core.data.split import Split, forget_classes
from core.errors import LabError
from core.evaluation.metrics import Report, evaluate, jensen_shannon
from core.experiments.studies.cell import Cell, shared_by
from core.methods import method
from core.models.base import Net, device_of, outputs
from core.runs.original_models import original
from core.runs.reference_models import retraining
from core.runs.run import Phase, Run
from core.runs.unlearned_models import unlearned_model
from core.runtime import seeding
from core.runtime.content_cache import content_key
from core.runtime.device import peak_memory_mb, pick_device
from core.runtime.progress import run_to_end
from core.runtime.purge_watch import PurgeWatch

SUMMED = ("train_r", "train_f", "test")


@dataclass(frozen=True)
class Job:
    """One piece of work for ``cell``; ``number`` is the number of a retrained model."""

    kind: str
    cell: Cell
    number: int = 0

    @property
    def key(self) -> str:
        """A hash of the content of its result."""
        c = self.cell
        if self.kind == "cell":
            return c.key
        base = c.original_key if self.kind == "original" else c.yardstick_key
        return content_key(self.kind, base, self.number)


def jobs_of(cells: Iterable[Cell]) -> tuple[list[Job], list[Job], list[Job]]:
    """Return the jobs that cells need first, each once: originals, retrained models, figures of both."""
    originals: dict[str, Job] = {}
    yardsticks: dict[str, Cell] = {}
    for cell in cells:
        originals.setdefault(cell.original_key, Job("original", cell))
        if cell.yardstick_key not in yardsticks:
            yardsticks[cell.yardstick_key] = plain = cell.plain
            originals.setdefault(plain.original_key, Job("original", plain))
    retrained = [Job("retrained", c, n) for c in yardsticks.values() for n in range(c.references)]
    return list(originals.values()), retrained, [Job("yardstick", c) for c in yardsticks.values()]


def row_of(job: Job) -> dict[str, Any]:
    """Return the fields that every row of ``job`` has: key and kind, and of a cell its point."""
    row: dict[str, Any] = {"key": job.key, "kind": job.kind}
    if job.kind == "cell":
        cell = job.cell
        row |= {
            "point": dict(cell.point or {}),
            "seed": cell.setup.seed,
            "role": cell.role,
            "method": cell.setup.method,
        }
    return row


def run_job(job: Job) -> dict[str, Any]:
    """Run ``job`` with one thread and return its row. A failure of the job is a row with the reason."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    row = {**row_of(job), "state": "done"}
    try:
        row |= _WORK_OF_KIND[job.kind](job)
    except LabError as error:
        row |= {"state": "failed", "error": str(error)}
    except MemoryError:
        row |= {"state": "failed", "error": "there was not enough memory; run with fewer processes"}
    except Exception as error:  # an error of one method must not end the study
        row |= {"state": "failed", "error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {**row, "took_s": round(time.perf_counter() - began, 4)}


def split_of(cell: Cell) -> Split:
    """Return the split of a cell; a sequence counts as one request for all its classes."""
    s = cell.setup
    shared = tuple(shared_by(s))
    key = ("split", s.dataset, s.data_dir, s.task, s.classes, s.fraction, s.seed, s.client, shared)
    return _cached(key, lambda: s.split(load(s.dataset, data_dir=s.data_dir)))


def common_original(cell: Cell, split: Split) -> Net:
    """Return the common original of a cell, on its device."""
    device = str(pick_device(cell.setup.device))

    def make() -> Net:
        return run_to_end(original(split, seed=cell.setup.seed, device=device, config=cell.train))

    return _cached(("original", cell.plain.original_key), make)


def _original(job: Job) -> dict[str, Any]:
    model = _start(job.cell, split_of(job.cell))
    made = model.provenance
    return {"seconds": {"train": made.seconds if made else 0.0}}


def _retrained(job: Job) -> dict[str, Any]:
    cell = job.cell
    split = split_of(cell)
    work = retraining(split, common_original(cell, split), seed=cell.setup.seed, number=job.number)
    return {"seconds": {"retrain": run_to_end(work).seconds}}


def _references(cell: Cell, split: Split) -> list[torch.Tensor]:
    """Return the answers of each retrained model to D_f, (n_f, K)."""

    def make() -> list[torch.Tensor]:
        found = []
        for number in range(cell.references):
            made = run_to_end(
                retraining(split, common_original(cell, split), seed=cell.setup.seed, number=number)
            )
            found.append(outputs(made.model, split.forget).probabilities)
        return found

    return _cached(("answers", cell.yardstick_key), make)


def _yardstick(job: Job) -> dict[str, Any]:
    """Return the figures of the original and of each retrained model; each is compared with the others."""
    cell = job.cell
    split = split_of(cell)
    model = common_original(cell, split)
    answers = _references(cell, split)
    found = []
    seconds = []
    for number in range(cell.references):
        made = run_to_end(retraining(split, model, seed=cell.setup.seed, number=number))
        seconds.append(made.seconds)
        found.append(_figures(evaluate(made.model, split), [p for i, p in enumerate(answers) if i != number]))
    return {
        "original": _figures(evaluate(model, split), answers),
        "retrained": found,
        "seconds": {
            "train": model.provenance.seconds if model.provenance else 0.0,
            "retrain": sum(seconds) / len(seconds),
        },
    }


def _cell(job: Job) -> dict[str, Any]:
    cell = job.cell
    split = split_of(cell)
    model = _start(cell, split)
    began, began_cpu = time.perf_counter(), time.thread_time()
    if cell.sequence:
        made, seconds, steps = _run_sequence(cell, model)
    else:
        made, seconds, steps = _run_once(cell, model, split)
    if device_of(made).type == "cpu":  # count this thread's time only, not other work of the machine
        share = (time.thread_time() - began_cpu) / max(1e-9, time.perf_counter() - began)
        seconds = {k: v * min(1.0, share) for k, v in seconds.items()}
    began = time.perf_counter()
    figures = _figures(evaluate(made, split), _references(cell, split))
    own = None if model.provenance is None or model.provenance.given is None else model.provenance.seconds
    return {
        "figures": figures,
        "steps": steps,
        "seconds": {k: round(v, 4) for k, v in seconds.items()}
        | ({} if own is None else {"own original": own}),
        "evaluate_s": round(time.perf_counter() - began, 4),
        "peak_memory_mb": round(peak_memory_mb(device_of(made)), 1),
        "yardstick": Job("yardstick", cell).key,
    }


def _start(cell: Cell, split: Split) -> Net:
    """Return the original that a cell begins with: the common one, or its method's own."""
    unlearner = _unlearner(cell)
    if cell.original_key == cell.plain.original_key:
        return common_original(cell, split)
    device = str(pick_device(cell.setup.device))
    return run_to_end(original(split, unlearner, seed=cell.setup.seed, device=device, config=cell.train))


def _unlearner(cell: Cell) -> Any:
    return method(cell.setup.method, cell.config)


def _seed(cell: Cell) -> int:
    """Return the seed of a cell; retraining needs another seed than the first retrained model."""
    seed = cell.setup.seed
    return seeding.derive_seed(seed, "compared") if cell.setup.method == "retrain" else seed


def _run_once(cell: Cell, model: Net, split: Split) -> tuple[Net, dict[str, float], int]:
    run = Run(_unlearner(cell), model, split, seed=_seed(cell))
    run.play()
    while run.tick():
        pass
    if run.error is not None:
        raise run.error
    if run.phase is not Phase.DONE:
        raise LabError("the run was stopped before it was finished")
    return run.result, {k: v for k, v in run.seconds.items() if k != "evaluate"}, len(run.steps)


def _run_sequence(cell: Cell, model: Net) -> tuple[Net, dict[str, float], int]:
    """Forget one class after another; the training data of each request lacks the classes of earlier requests."""
    whole = load(cell.setup.dataset, data_dir=cell.setup.data_dir)
    seconds: dict[str, float] = {}
    steps = 0
    for number, one in enumerate(cell.sequence):
        gone = cell.sequence[:number]
        numbers = [whole.classes.index(c) if isinstance(c, str) else c for c in gone]
        stay = ~torch.isin(whole.train.y, torch.tensor(numbers, dtype=torch.int64))
        left = replace(whole, train=whole.train.take(stay)) if gone else whole
        made = run_to_end(
            unlearned_model(
                forget_classes(left, [one], seed=cell.setup.seed), model, _unlearner(cell), seed=_seed(cell)
            )
        )
        model, steps = made.model, steps + made.steps
        for k, v in made.seconds.items():
            seconds[k] = seconds.get(k, 0.0) + v
    return model, seconds, steps


def _figures(report: Report, answers: list[torch.Tensor]) -> dict[str, float | None]:
    """Return the figures of a model in [0, 1], in nats for JS and spread; None for a missing figure."""
    mean = report.forget_probabilities.double().mean(0)
    values: dict[str, float | None] = {
        "train_r": report.train_r,
        "train_f": report.train_f,
        "test": report.test,
        "test_r": report.test_r,
        "test_f": report.test_f,
        "clean_f": report.clean_f,
        "commonest_share": report.commonest_share,
        "spread": float(-torch.xlogy(mean, mean).sum()),
        "auc": report.attack.auc,
        "js": None,
    }
    if answers:
        values["js"] = sum(jensen_shannon(report.forget_probabilities, p) for p in answers) / len(answers)
    return {k: None if v is None or v != v else round(v, 6) for k, v in values.items()}


_WORK_OF_KIND: dict[str, Callable[[Job], dict[str, Any]]] = {
    "original": _original,
    "retrained": _retrained,
    "yardstick": _yardstick,
    "cell": _cell,
}

T = TypeVar("T")
_CACHE: OrderedDict[Any, Any] = OrderedDict()  # of this process; neighbouring cells share entries
_MOST_CACHED = 12
_PURGED = PurgeWatch()


def _cached(key: Any, make: Callable[[], T]) -> T:
    """Return the cached result for ``key``, or call ``make``."""
    if _PURGED.changed():
        _CACHE.clear()
    if key not in _CACHE:
        _CACHE[key] = make()
        while len(_CACHE) > _MOST_CACHED:
            _CACHE.popitem(last=False)
    found: T = _CACHE[key]
    return found


def cell_jobs(cells: Iterable[Cell]) -> Iterator[Job]:
    """Yield one job for each key."""
    known: set[str] = set()
    for cell in cells:
        if cell.key not in known:
            known.add(cell.key)
            yield Job("cell", cell)
