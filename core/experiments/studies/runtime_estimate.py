"""Estimate of a study's runtime before it starts, from finished rows, and from short probes for the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.config import LAFRConfig
from core.errors import LabError
from core.experiments.studies.cell import Cell
from core.experiments.studies.jobs import Job, jobs_of, split_of
from core.experiments.studies.runtime_probe import (
    Probe,
    averaged,
    mean,
    probe,
    speed_key,
    time_key,
    training_key,
)
from core.experiments.studies.spec import Study
from core.methods import method
from core.methods.base import has_own_original
from core.training.federated import step_count

MOST_PROBED = 12  # kinds of cells that are probed; others count as average
MOST_CELLS = 400  # cells of a large study that the estimate considers
PROBES_EACH = 4  # at most, one a worker


@dataclass(frozen=True)
class Estimate:
    """Number of runs, and seconds: of work by kind of job, and of the clock."""

    cells: int
    left: int  # cells without a row
    originals: int
    retrained: int
    workers: int
    work_s: Mapping[str, float]
    wall_s: float
    measured: str  # the basis of the estimate, in words


@dataclass(frozen=True)
class JobTimes:
    """Seconds of jobs: measured where rows are finished, computed from probes elsewhere."""

    finished: Mapping[str, float]  # mean seconds of finished rows, by kind of job and key
    speeds: Mapping[str, dict[str, Any]]  # of probes, by speed key and by training key

    def training_s(self, cell: Cell, kind: str) -> float:
        """Return seconds to train an "original" or a "retrained" model."""
        taken = self.finished.get(f"{kind} {training_key(cell)}")
        if taken is not None:
            return taken
        speed = self.speeds.get(str(training_key(cell)))
        if speed is None:
            return 0.0
        if kind == "original" and speed["own"] and has_own_original(method(cell.setup.method)):
            return float(speed["own"])
        split = split_of(cell)
        steps = step_count(split, cell.train, remaining=kind != "original")
        return float(speed["train_step"]) * steps

    def yardstick_s(self, cell: Cell) -> float:
        """Return seconds to evaluate the original and the retrained models."""
        taken = self.finished.get(f"yardstick {training_key(cell)}")
        if taken is not None:
            return taken
        speed = self.speeds.get(str(training_key(cell)))
        return (cell.references + 1) * float(speed["evaluate"]) if speed else 0.0

    def cell_s(self, cell: Cell) -> float:
        """Return seconds of a cell."""
        taken = self.finished.get(f"cell {time_key(cell)}")
        if taken is not None:
            return taken
        speed = self.speeds.get(speed_key(cell)) or self.speeds.get(str(training_key(cell)))
        if speed is None:
            return mean([v for k, v in self.finished.items() if k.startswith("cell ")])
        try:
            steps = _steps_by_stage(cell)
        except LabError:
            return 0.0
        slowest = max(speed["stages"].values(), default=0.0)
        once = sum(count * speed["stages"].get(stage, slowest) for stage, count in steps.items())
        return float(max(1, len(cell.sequence)) * once + speed["evaluate"])


def estimate(study: Study, rows: Mapping[str, dict[str, Any]], backend: Any) -> Estimate:
    """Return the estimate for ``study`` on ``backend``, given its ``rows`` so far; probe cells of unknown speed."""
    cells = study.some_cells(MOST_CELLS)
    scale = study.size / max(1, len(cells))
    left = [c for c in cells if c.key not in rows]
    originals, retrained, yardsticks = (
        [j for j in jobs if j.key not in rows] for jobs in jobs_of(study.model_cells())
    )
    finished = _finished_times(rows, cells)
    to_probe = _cells_to_probe(left, [*originals, *retrained, *yardsticks], finished)
    probes = [Probe(c, n) for c in to_probe for n in range(min(backend.workers, PROBES_EACH))]
    times = JobTimes(finished, averaged(backend.rows(probes, probe)) if probes else {})
    costs = {
        "original": [times.training_s(j.cell, "original") for j in originals],
        "retrained": [times.training_s(j.cell, "retrained") for j in retrained],
        "yardstick": [times.yardstick_s(j.cell) for j in yardsticks],
        "cell": [times.cell_s(c) for c in left],
    }
    work_s = {kind: sum(each) for kind, each in costs.items()}
    work_s["cell"] *= scale
    wall_s = sum(_wall_s(each, backend.workers) for kind, each in costs.items() if kind != "cell")
    wall_s += _wall_s(costs["cell"], backend.workers) * (scale if left else 1)
    if to_probe:
        measured = f"{len(to_probe)} probes on {backend.workers} workers at once"
    else:
        measured = f"{sum(c.key in rows for c in cells)} finished runs"
    return Estimate(
        cells=study.size,
        left=round(len(left) * scale),
        originals=len(originals),
        retrained=len(retrained),
        workers=backend.workers,
        work_s=work_s,
        wall_s=wall_s,
        measured=measured,
    )


def _finished_times(rows: Mapping[str, dict[str, Any]], cells: Sequence[Cell]) -> dict[str, float]:
    """Return mean seconds of finished rows, by kind of job and key."""
    taken: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        row = rows.get(cell.key)
        if row is not None and row["state"] == "done":
            taken[f"cell {time_key(cell)}"].append(row["took_s"])
    for job in (j for jobs in jobs_of(cells) for j in jobs):
        row = rows.get(job.key)
        if row is not None and row["state"] == "done":
            taken[f"{job.kind} {training_key(job.cell)}"].append(row["took_s"])
    return {k: mean(v) for k, v in taken.items()}


def _cells_to_probe(
    left: Sequence[Cell], model_jobs: Sequence[Job], finished: Mapping[str, float]
) -> list[Cell]:
    """Return one cell for each speed that is unknown."""
    by_speed: dict[str, Cell] = {}
    for cell in left:
        if f"cell {time_key(cell)}" not in finished:
            by_speed.setdefault(speed_key(cell), cell)
    chosen = list(by_speed.values())[:MOST_PROBED]
    covered = {str(training_key(c)) for c in chosen}
    for job in model_jobs:
        key = training_key(job.cell)
        if f"{job.kind} {key}" not in finished and str(key) not in covered:
            covered.add(str(key))
            chosen.append(job.cell)
    return chosen


def _steps_by_stage(cell: Cell) -> dict[str, int]:
    """Return the number of steps of each stage of a cell."""
    split = split_of(cell)
    unlearner = method(cell.setup.method, cell.config)
    if has_own_original(unlearner):
        unlearner.configure_original(split)  # type: ignore[attr-defined]
    else:
        unlearner.configure(None, split)  # type: ignore[arg-type]
    config = unlearner.config
    data = split if unlearner.needs_labels else split.unlabelled()
    stages = {s.key: s.total for s in unlearner.stages(data, config)}
    if isinstance(config, LAFRConfig):
        laf = method("laf", config.laf)
        unlearn = {s.key: s.total for s in laf.stages(split.unlabelled(), config.laf)}["unlearn"]
        stages = {**stages, "repair": stages["unlearn"] - unlearn, "unlearn": unlearn}
    return stages


def _wall_s(costs: Sequence[float], workers: int) -> float:
    """Return seconds of the clock for jobs of these costs, each on the first free worker."""
    busy_s = [0.0] * workers
    for cost in costs:
        busy_s[busy_s.index(min(busy_s))] += cost
    return max(busy_s)
