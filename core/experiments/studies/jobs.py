"""The jobs of a study, done in whatever process: an original, a retrained model, the figures of both, a cell. Each gives a row.

Models are handed from job to job by the shelf; a process that does not find one there makes it again.
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
from core.experiments.studies.cell import Cell
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

KINDS = ("original", "retrained", "yardstick", "cell")  # in the order in which they are done
FIGURES = (
    "train_r",
    "train_f",
    "test",
    "test_r",
    "test_f",
    "clean_f",
    "commonest_share",
    "spread",
    "auc",
    "js",
)
SUMMED = ("train_r", "train_f", "test")


@dataclass(frozen=True)
class Job:
    """Something to do for ``cell``; ``number`` is that of a retrained model."""

    kind: str
    cell: Cell
    number: int = 0

    @property
    def key(self) -> str:
        """By the content of what it gives."""
        c = self.cell
        if self.kind == "cell":
            return c.key
        base = c.original_key if self.kind == "original" else c.yardstick_key
        return content_key(self.kind, base, self.number)


def jobs_of(cells: Iterable[Cell]) -> tuple[list[Job], list[Job], list[Job]]:
    """What must be there before the cells: originals, then retrained models, then the figures of both; each once."""
    originals: dict[str, Job] = {}
    reference_bands_of: dict[str, Cell] = {}
    for cell in cells:
        originals.setdefault(cell.original_key, Job("original", cell))
        if cell.yardstick_key not in reference_bands_of:
            reference_bands_of[cell.yardstick_key] = plain = cell.plain
            originals.setdefault(plain.original_key, Job("original", plain))
    retrained = [Job("retrained", c, n) for c in reference_bands_of.values() for n in range(c.references)]
    return list(originals.values()), retrained, [Job("yardstick", c) for c in reference_bands_of.values()]


def do(job: Job) -> dict[str, Any]:
    """Do ``job`` with one thread; its row. Never raises what belongs to the job: a failure is a row with the reason."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    row: dict[str, Any] = {"key": job.key, "kind": job.kind, "state": "done"}
    if job.kind == "cell":
        c = job.cell
        row |= {"point": dict(c.point or {}), "seed": c.setup.seed, "role": c.role, "method": c.setup.method}
    try:
        row |= _DO[job.kind](job)
    except LabError as error:
        row |= {"state": "failed", "error": str(error)}
    except MemoryError:
        row |= {"state": "failed", "error": "there was not enough memory; run with fewer processes"}
    except Exception as error:  # whatever a method raises costs its own row and no other
        row |= {"state": "failed", "error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {**row, "took_s": round(time.perf_counter() - began, 4)}


def split_of(cell: Cell) -> Split:
    """What a cell forgets of what; of a sequence, all of it together."""
    s = cell.setup
    key = ("split", s.dataset, s.data_dir, s.task, s.classes, s.fraction, s.seed)
    return _kept(key, lambda: s.split(load(s.dataset, data_dir=s.data_dir)))


def common_original(cell: Cell, split: Split) -> Net:
    """The common original of a cell, on its device."""
    device = str(pick_device(cell.setup.device))
    work = lambda: run_to_end(original(split, seed=cell.setup.seed, device=device, config=cell.train))  # noqa: E731
    return _kept(("original", cell.plain.original_key), work)


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
    """What each retrained model answers to D_f, (n_f, K)."""

    def work() -> list[torch.Tensor]:
        found = []
        for number in range(cell.references):
            made = run_to_end(
                retraining(split, common_original(cell, split), seed=cell.setup.seed, number=number)
            )
            found.append(outputs(made.model, split.forget).probabilities)
        return found

    return _kept(("answers", cell.yardstick_key), work)


def _yardstick(job: Job) -> dict[str, Any]:
    """Figures of the original, and of each retrained model, each held against the others."""
    cell = job.cell
    split = split_of(cell)
    model = common_original(cell, split)
    theirs = _references(cell, split)
    found = []
    seconds = []
    for number in range(cell.references):
        made = run_to_end(retraining(split, model, seed=cell.setup.seed, number=number))
        seconds.append(made.seconds)
        found.append(_figures(evaluate(made.model, split), [p for i, p in enumerate(theirs) if i != number]))
    return {
        "original": _figures(evaluate(model, split), theirs),
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
        made, seconds, steps = _one_after_another(cell, model)
    else:
        made, seconds, steps = _played(cell, model, split)
    if device_of(made).type == "cpu":  # one thread's own time: what else the machine does must not count
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
    """The original a cell begins with: the common one, or its method's own."""
    unlearner = _unlearner(cell)
    if cell.original_key == cell.plain.original_key:
        return common_original(cell, split)
    device = str(pick_device(cell.setup.device))
    return run_to_end(original(split, unlearner, seed=cell.setup.seed, device=device, config=cell.train))


def _unlearner(cell: Cell) -> Any:
    return method(cell.setup.method, cell.config)


def _seed(cell: Cell) -> int:
    """Retraining with the seed of the first reference would be that reference."""
    seed = cell.setup.seed
    return seeding.derive(seed, "compared") if cell.setup.method == "retrain" else seed


def _played(cell: Cell, model: Net, split: Split) -> tuple[Net, dict[str, float], int]:
    run = Run(_unlearner(cell), model, split, seed=_seed(cell))
    run.play()
    while run.tick():
        pass
    if run.error is not None:
        raise run.error
    if run.phase is not Phase.DONE:
        raise LabError("the run was stopped before it was finished")
    return run.result, {k: v for k, v in run.seconds.items() if k != "evaluate"}, len(run.steps)


def _one_after_another(cell: Cell, model: Net) -> tuple[Net, dict[str, float], int]:
    """Each class in turn from the model that the one before left; what was forgotten is no longer there to be remembered."""
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
    """Figures of a model in [0, 1], nats for JS and spread; None where there is none."""
    mean = report.forget_probabilities.double().mean(0)
    values: dict[str, float | None] = {
        "train_r": report.train_r, "train_f": report.train_f, "test": report.test, "test_r": report.test_r,
        "test_f": report.test_f, "clean_f": report.clean_f, "commonest_share": report.commonest_share,
        "spread": float(-torch.xlogy(mean, mean).sum()), "auc": report.attack.auc, "js": None,
    }  # fmt: skip
    if answers:
        values["js"] = sum(jensen_shannon(report.forget_probabilities, p) for p in answers) / len(answers)
    return {k: None if v is None or v != v else round(v, 6) for k, v in values.items()}


_DO: dict[str, Callable[[Job], dict[str, Any]]] = {
    "original": _original, "retrained": _retrained, "yardstick": _yardstick, "cell": _cell,
}  # fmt: skip

T = TypeVar("T")
_KEPT: OrderedDict[Any, Any] = OrderedDict()  # of this process: cells come in an order that shares them
_MOST = 12
_PURGED = PurgeWatch()


def _kept(key: Any, make: Callable[[], T]) -> T:
    """``make()``, or what it made for ``key`` not long ago."""
    if _PURGED.changed():
        _KEPT.clear()
    if key not in _KEPT:
        _KEPT[key] = make()
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    found: T = _KEPT[key]
    return found


def cell_jobs(cells: Iterable[Cell]) -> Iterator[Job]:
    """One job for each content."""
    known: set[str] = set()
    for cell in cells:
        if cell.key not in known:
            known.add(cell.key)
            yield Job("cell", cell)
