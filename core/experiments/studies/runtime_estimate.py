"""How long a study will take, said before it starts: from what finished rows took, and from short probes where there are none.

Probes run on all workers at once, since two busy cores are not twice as fast as one. A probe takes a few steps of each stage and
counts on from there: the number of steps is known beforehand.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.config import LAFRConfig, as_dict
from core.errors import LabError
from core.evaluation.metrics import FrameEvaluator
from core.experiments.studies.cell import Cell
from core.experiments.studies.jobs import Job, jobs_of, split_of
from core.experiments.studies.parameters import settings_of
from core.experiments.studies.spec import Study
from core.methods import method
from core.methods.base import has_own_original
from core.models.registry import build
from core.runs.run import Run
from core.runtime.content_cache import content_key
from core.runtime.device import pick_device
from core.training.supervised import Training

PROBE_S = 1.5  # a probe's budget for each stage
MOST_GROUPS = 12  # of cells that are probed; others are taken to cost what those do on average
MOST_CELLS = 400  # of a large study that are looked at


@dataclass(frozen=True)
class Estimate:
    """Runs, and seconds by kind of job: of one worker in all, and of the clock."""

    cells: int
    left: int  # cells without a row
    originals: int
    retrained: int
    workers: int
    work_s: Mapping[str, float]
    wall_s: float
    measured: str  # what it rests on, in words


@dataclass(frozen=True)
class Probe:
    """A cell whose speed is measured; looks like a Job to a Backend."""

    cell: Cell
    number: int = 0

    @property
    def key(self) -> str:
        return f"probe {group_of(self.cell)} {self.number}"


@dataclass
class Speeds:
    """Seconds by what was measured, of one worker beside busy others."""

    train_step: dict[str, float] = field(default_factory=dict)  # by net and dataset
    cell: dict[str, float] = field(default_factory=dict)  # of a whole cell, by what decides its time
    evaluate: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)


def signature(cell: Cell) -> str:
    """Cells with one signature take the same time: their numbers with a decimal point do not matter."""
    plain = {
        k: v for k, v in settings_of(cell.config).items() if not isinstance(v, float) or k.endswith("share")
    }
    return content_key(
        "time",
        _place(cell),
        cell.setup.method,
        cell.setup.task,
        len(cell.setup.classes),
        len(cell.sequence),
        plain,
    )


def group_of(cell: Cell) -> str:
    """Cells of one group have the same speed for each step, and may differ in the number of steps."""
    counted = ("epochs", "steps", "latent")
    plain = {k: v for k, v in settings_of(cell.config).items()
             if not isinstance(v, float) and k.rpartition(".")[2] not in counted}  # fmt: skip
    return content_key("speed", _place(cell), cell.setup.method, cell.setup.task, plain)


def _place(cell: Cell) -> list[Any]:
    return [cell.setup.dataset, cell.train.net, cell.train.batch_size, cell.setup.device]


def probe(job: Probe) -> dict[str, Any]:
    """Seconds of each step of the stages of a cell, of a training step and of an evaluation; "error" where it fails."""
    import torch

    torch.set_num_threads(1)
    row: dict[str, Any] = {"key": job.key, "group": group_of(job.cell), "place": str(_place(job.cell))}
    try:
        return {**row, **_probed(job.cell)}
    except Exception as error:  # the study itself will say what is wrong, run by run
        return {**row, "error": str(error)}


def _probed(cell: Cell) -> dict[str, Any]:
    split = split_of(cell)
    device = str(pick_device(cell.setup.device))
    training = Training(split, seed=cell.setup.seed, config=cell.train, device=device)
    training.tick(0.1)  # the first steps are slower
    done, seconds = _ticked(training)
    model = build(cell.train.net, split.dataset.shape, len(split.dataset.classes), seed=0).to(device)
    unlearner = method(cell.setup.method, _short(cell.config))
    own_s = 0.0
    if has_own_original(unlearner):
        unlearner.configure_original(split)  # type: ignore[attr-defined]
        own = unlearner.train_original(split, seed=0, device=device)  # type: ignore[attr-defined]
        own_s = _counted(own)
        while own.tick() is not None:
            pass
        model = own.result
    speeds = _stages(Run(unlearner, model, split, seed=0))
    began = time.perf_counter()
    evaluator = FrameEvaluator(split, full=False)
    evaluator.measure(model)
    evaluate_s = time.perf_counter() - began
    images = len(split.train) + len(split.test)
    share = images / (len(evaluator.train_rows) + len(evaluator.test_rows))
    return {
        "train_step": seconds / max(1, done),
        "stages": speeds,
        "evaluate": evaluate_s * share,
        "own": own_s,
    }


def _short(config: Any) -> Any:
    """Few steps of LAF before the repair, so that a probe reaches it."""
    if isinstance(config, LAFRConfig):
        return replace(config, laf=replace(config.laf, steps=8))
    return config


def _ticked(training: Training) -> tuple[int, float]:
    start = training._state.number
    began = time.perf_counter()
    training.tick(PROBE_S / 2)
    return training._state.number - start, time.perf_counter() - began


def _counted(training: Any) -> float:
    """Seconds that an own original takes, counted on from its first ones."""
    began = time.perf_counter()
    now = None
    while time.perf_counter() - began < PROBE_S:
        at = training.tick()
        if at is None:
            return time.perf_counter() - began
        now = at
    return (time.perf_counter() - began) * (now.total / max(1, now.done) if now is not None else 1.0)


def _stages(run: Run) -> dict[str, float]:
    """Seconds a step of each stage, from the first ``PROBE_S`` seconds of it. Preparation is played to its end."""
    found: dict[str, float] = {}
    taken: dict[str, list[float]] = defaultdict(list)
    run.play()
    began = time.perf_counter()
    while run.tick():
        if run.steps:
            if time.perf_counter() - began > PROBE_S:
                break
        else:
            began = time.perf_counter()
    for step in run.steps:
        taken[step.stage].append(step.seconds)
    for stage, progress in run.progress.items():
        if stage not in taken and stage != "unlearn":
            found[stage] = progress.seconds / max(1, progress.done)
    for stage, seconds in taken.items():
        found[stage] = sum(seconds[1:] or seconds) / max(1, len(seconds[1:] or seconds))
    spent = run.seconds.get("unlearn", 0.0)
    known = sum(s.seconds for s in run.steps)
    if known and spent > known:  # between the steps
        found = {k: v * spent / known if k in taken else v for k, v in found.items()}
    return found


def _steps(cell: Cell) -> dict[str, int]:
    """Steps of each stage of a cell."""
    split = split_of(cell)
    unlearner = method(cell.setup.method, cell.config)
    unlearner.configure(None, split)  # type: ignore[arg-type]
    config = unlearner.config
    stages = {
        s.key: s.total
        for s in unlearner.stages(split if unlearner.needs_labels else split.unlabelled(), config)
    }
    if isinstance(config, LAFRConfig):
        laf = method("laf", config.laf)
        unlearn = {s.key: s.total for s in laf.stages(split.unlabelled(), config.laf)}["unlearn"]
        stages = {**stages, "repair": stages["unlearn"] - unlearn, "unlearn": unlearn}
    return stages


def estimate(study: Study, rows: Mapping[str, dict[str, Any]], backend: Any) -> Estimate:
    """What ``study`` will take, given its ``rows`` so far, on ``backend``; probes it where nothing is known."""
    cells = study.some_cells(MOST_CELLS)
    scale = study.size / max(1, len(cells))
    left = [c for c in cells if c.key not in rows]
    originals, retrained, reference_bands_of = jobs_of(study.model_cells())
    waiting = [[j for j in jobs if j.key not in rows] for jobs in (originals, retrained, reference_bands_of)]
    known = _known(rows, cells)
    unknown = _unknown(left, waiting, known)
    probes = [Probe(c, n) for c in unknown for n in range(min(backend.workers, 4))]
    speeds = _averaged(backend.rows(probes, probe)) if probes else {}
    costs: dict[str, list[float]] = {
        "original": [_training_s(j.cell, speeds, known, "original") for j in waiting[0]],
        "retrained": [_training_s(j.cell, speeds, known, "retrained") for j in waiting[1]],
        "yardstick": [_yardstick_s(j.cell, speeds, known) for j in waiting[2]],
        "cell": [_cell_s(c, speeds, known) for c in left],
    }
    work = {kind: sum(c) for kind, c in costs.items()}
    wall = sum(_wall(c, backend.workers) for kind, c in costs.items() if kind != "cell")
    wall += _wall(costs["cell"], backend.workers) * (scale if left else 1)
    work["cell"] *= scale
    kept = sum(c.key in rows for c in cells)
    measured = (
        f"{len(unknown)} probes on {backend.workers} workers at once" if unknown else f"{kept} finished runs"
    )
    return Estimate(
        study.size,
        round(len(left) * scale),
        len(waiting[0]),
        len(waiting[1]),
        backend.workers,
        work,
        wall,
        measured,
    )


def _known(rows: Mapping[str, dict[str, Any]], cells: Sequence[Cell]) -> dict[str, float]:
    """Mean seconds of finished rows, by kind and signature."""
    taken: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        row = rows.get(cell.key)
        if row is not None and row["state"] == "done":
            taken[f"cell {signature(cell)}"].append(row["took_s"])
    originals, retrained, reference_bands_of = jobs_of(cells)
    for job in (*originals, *retrained, *reference_bands_of):
        row = rows.get(job.key)
        if row is not None and row["state"] == "done":
            taken[f"{job.kind} {_place(job.cell)}"].append(row["took_s"])
    return {k: sum(v) / len(v) for k, v in taken.items()}


def _unknown(
    left: Sequence[Cell], waiting: Sequence[Sequence[Job]], known: Mapping[str, float]
) -> list[Cell]:
    """One cell of each group whose time is not known."""
    found: dict[str, Cell] = {}
    places = set()
    for cell in left:
        if f"cell {signature(cell)}" not in known:
            found.setdefault(group_of(cell), cell)
    chosen = list(found.values())[:MOST_GROUPS]
    places = {str(_place(c)) for c in chosen}
    for jobs in waiting:
        for job in jobs:
            if f"{job.kind} {_place(job.cell)}" not in known and str(_place(job.cell)) not in places:
                places.add(str(_place(job.cell)))
                chosen.append(job.cell)
    return chosen


def _averaged(rows: Iterator[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Means over the probes of each group; by group, and by place."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if "error" not in row:
            groups[row["group"]].append(row)
            groups[row["place"]].append(row)
    found = {}
    for name, many in groups.items():
        stages = {s for r in many for s in r["stages"]}
        found[name] = {
            **{k: sum(r[k] for r in many) / len(many) for k in ("train_step", "evaluate", "own")},
            "stages": {s: _mean([r["stages"][s] for r in many if s in r["stages"]]) for s in stages},
        }
    return found


def _training_s(cell: Cell, speeds: Mapping[str, Any], known: Mapping[str, float], kind: str) -> float:
    taken = known.get(f"{kind} {_place(cell)}")
    if taken is not None:
        return taken
    found = speeds.get(str(_place(cell)))
    if found is None:
        return 0.0
    if kind == "original" and found["own"] and has_own_original(method(cell.setup.method)):
        return float(found["own"])
    split = split_of(cell)
    images = len(split.train) if kind == "original" else len(split.remain_rows)
    return float(found["train_step"]) * cell.train.epochs * math.ceil(images / cell.train.batch_size)


def _yardstick_s(cell: Cell, speeds: Mapping[str, Any], known: Mapping[str, float]) -> float:
    taken = known.get(f"yardstick {_place(cell)}")
    found = speeds.get(str(_place(cell)))
    if taken is not None:
        return taken
    seconds: float = (cell.references + 1) * found["evaluate"] if found else 0.0
    return seconds


def _cell_s(cell: Cell, speeds: Mapping[str, Any], known: Mapping[str, float]) -> float:
    taken = known.get(f"cell {signature(cell)}")
    if taken is not None:
        return taken
    found = speeds.get(group_of(cell)) or speeds.get(str(_place(cell)))
    if found is None:
        return _mean([v for k, v in known.items() if k.startswith("cell ")])
    try:
        steps = _steps(cell)
    except LabError:
        return 0.0
    usual = max(found["stages"].values(), default=0.0)
    once = sum(count * found["stages"].get(stage, usual) for stage, count in steps.items())
    seconds: float = max(1, len(cell.sequence)) * once + found["evaluate"]
    return seconds


def _wall(costs: Sequence[float], workers: int) -> float:
    """Seconds of the clock for jobs of these costs, each given to the first worker that is free."""
    free = [0.0] * workers
    for cost in costs:
        i = free.index(min(free))
        free[i] += cost
    return max(free)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def as_plain(found: Estimate) -> dict[str, Any]:
    """For json."""
    return {
        **as_dict(found),
        "work_s": {k: round(v, 2) for k, v in found.work_s.items()},
        "wall_s": round(found.wall_s, 1),
    }
