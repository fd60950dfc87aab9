"""Short probes that measure how fast the cells of a study run.

Probes run on all workers at once, since two busy cores are not twice as fast as one. A probe takes a few steps of each stage.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.config import LAFRConfig
from core.evaluation.metrics import FrameEvaluator
from core.experiments.studies.cell import Cell, shared_by
from core.experiments.studies.jobs import split_of
from core.experiments.studies.parameters import settings_of
from core.methods import method
from core.methods.base import has_own_original
from core.models.registry import build
from core.runs.run import Run
from core.runtime.content_cache import content_key
from core.runtime.device import pick_device
from core.training.supervised import Training

PROBE_S = 1.5  # budget of a probe for each stage


@dataclass(frozen=True)
class Probe:
    """A cell whose speed is measured; a Backend treats it like a Job."""

    cell: Cell
    number: int = 0

    @property
    def key(self) -> str:
        """The key of its row, as a Job has one."""
        return f"probe {speed_key(self.cell)} {self.number}"


def time_key(cell: Cell) -> str:
    """Return one key for all cells that take the same time: their numbers with a decimal point may differ."""
    plain = {
        k: v for k, v in settings_of(cell.config).items() if not isinstance(v, float) or k.endswith("share")
    }
    return content_key(
        "time",
        training_key(cell),
        cell.setup.method,
        cell.setup.task,
        len(cell.setup.classes),
        len(cell.sequence),
        plain,
    )


def speed_key(cell: Cell) -> str:
    """Return one key for all cells with the same seconds a step; their numbers of steps may differ."""
    counts = ("epochs", "steps", "latent")
    plain = {
        k: v
        for k, v in settings_of(cell.config).items()
        if not isinstance(v, float) and k.rpartition(".")[2] not in counts
    }
    return content_key("speed", training_key(cell), cell.setup.method, cell.setup.task, plain)


def training_key(cell: Cell) -> list[Any]:
    """Return what decides the speed of training: dataset, network, batch size, device and clients."""
    place = [cell.setup.dataset, cell.train.net, cell.train.batch_size, cell.setup.device]
    return [*place, *shared_by(cell.setup)]


def probe(job: Probe) -> dict[str, Any]:
    """Measure a cell; return seconds of a training step, of a step of each stage and of an evaluation.

    A failed probe returns its reason as "error".
    """
    torch.set_num_threads(1)
    row: dict[str, Any] = {
        "key": job.key,
        "group": speed_key(job.cell),
        "place": str(training_key(job.cell)),
    }
    try:
        return {**row, **_measured(job.cell)}
    except Exception as error:  # the study itself reports the same error in the row of the cell
        return {**row, "error": str(error)}


def _measured(cell: Cell) -> dict[str, Any]:
    split = split_of(cell)
    device = str(pick_device(cell.setup.device))
    training = Training(split, seed=cell.setup.seed, config=cell.train, device=device)
    training.tick(0.1)  # the first steps are slower
    step_s = _training_step_s(training)
    model = build(cell.train.net, split.dataset.shape, len(split.dataset.classes), seed=0).to(device)
    unlearner = method(cell.setup.method, _short(cell.config))
    own_s = 0.0
    if has_own_original(unlearner):
        unlearner.configure_original(split)  # type: ignore[attr-defined]
        own = unlearner.train_original(split, seed=0, device=device)  # type: ignore[attr-defined]
        own_s = _whole_training_s(own)
        while own.tick() is not None:
            pass
        model = own.result
    stages = _stage_speeds(Run(unlearner, model, split, seed=0))
    began = time.perf_counter()
    evaluator = FrameEvaluator(split, full=False)
    evaluator.measure(model)
    evaluate_s = time.perf_counter() - began
    images = len(split.train) + len(split.test)
    share = images / (len(evaluator.train_rows) + len(evaluator.test_rows))
    return {"train_step": step_s, "stages": stages, "evaluate": evaluate_s * share, "own": own_s}


def _short(config: Any) -> Any:
    """Return ``config`` with few steps of LAF before the repair, so that a probe reaches the repair."""
    if isinstance(config, LAFRConfig):
        return replace(config, laf=replace(config.laf, steps=8))
    return config


def _training_step_s(training: Training) -> float:
    start, began = training._state.number, time.perf_counter()
    training.tick(PROBE_S / 2)
    return (time.perf_counter() - began) / max(1, training._state.number - start)


def _whole_training_s(training: Any) -> float:
    """Return the seconds that training an own original takes, extrapolated from its first steps."""
    began = time.perf_counter()
    progress = None
    while time.perf_counter() - began < PROBE_S:
        latest = training.tick()
        if latest is None:
            return time.perf_counter() - began
        progress = latest
    scale = progress.total / max(1, progress.done) if progress is not None else 1.0
    return (time.perf_counter() - began) * scale


def _stage_speeds(run: Run) -> dict[str, float]:
    """Return seconds a step of each stage, from the first ``PROBE_S`` seconds. Preparation runs to its end."""
    speeds: dict[str, float] = {}
    taken: dict[str, list[float]] = defaultdict(list)
    run.play()
    began = time.perf_counter()
    while run.tick():
        if not run.steps:
            began = time.perf_counter()
        elif time.perf_counter() - began > PROBE_S:
            break
    for step in run.steps:
        taken[step.stage].append(step.seconds)
    for stage, progress in run.progress.items():
        if stage not in taken and stage != "unlearn":
            speeds[stage] = progress.seconds / max(1, progress.done)
    for stage, seconds in taken.items():
        speeds[stage] = mean(seconds[1:] or seconds)
    spent = run.seconds.get("unlearn", 0.0)
    in_steps = sum(s.seconds for s in run.steps)
    if in_steps and spent > in_steps:  # add the time between steps
        speeds = {k: v * spent / in_steps if k in taken else v for k, v in speeds.items()}
    return speeds


def averaged(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return means over the rows of probes, by speed key and by training key; failed probes do not count."""
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if "error" not in row:
            groups[row["group"]].append(row)
            groups[row["place"]].append(row)
    found = {}
    for name, many in groups.items():
        stages = {s for r in many for s in r["stages"]}
        found[name] = {
            **{k: mean([r[k] for r in many]) for k in ("train_step", "evaluate", "own")},
            "stages": {s: mean([r["stages"][s] for r in many if s in r["stages"]]) for s in stages},
        }
    return found


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 of no values."""
    return sum(values) / len(values) if values else 0.0
