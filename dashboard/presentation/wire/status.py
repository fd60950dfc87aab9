"""The status of an Experiment for the browser: phase, stages, other work, clock and errors."""

from __future__ import annotations

from typing import Any

from core.experiments.session.experiment import Experiment
from core.methods import METHODS
from core.methods.step import Stage
from core.runs.run import Phase
from core.runtime.progress import Progress
from dashboard.presentation.text.readouts import status_text
from dashboard.presentation.text.readouts.status_text import short_title
from dashboard.presentation.wire.frame_readings import wanted_references

PREPARING = {
    "load": "Reading the data",
    "recipe": "Finding out how to train the original model",
    "automatic": "Trying settings",
    "train": "Training the original model",
    "map": "Laying out the map of its representations",
    "retrain": "Retraining from scratch",
}


def status(experiment: Experiment) -> dict[str, Any]:
    """Return the phase, stages, background work, clock and errors (docs/wire.md)."""
    run = experiment.run
    work = dict(experiment.work)
    error = experiment.error or (run.error if run else None)
    found: dict[str, Any] = {
        "phase": "preparing",
        "sentence": None,
        "error": str(error) if error else None,
        "stages": [],
    }
    if run is None:
        found["phase"] = "failed" if error else "preparing"
        found["sentence"] = None if error else preparing(work)
    else:
        found["phase"] = str(experiment.phase)
        done = run.progress
        found["stages"] = [stage_bar(s, done.get(s.key), experiment.left_s(s)) for s in run.stages]
    found["work"] = [_bar(p) for p in work.values()] if run is not None else []
    if run is not None and "retrain" in work:
        which = f"Retraining, {len(experiment.references) + 1} of {wanted_references(experiment)}"
        found["work"][list(work).index("retrain")]["label"] = which
    seconds = [r.seconds for r in experiment.references if r.seconds]  # not of models that a notebook brings
    spent = sum(v for k, v in dict(run.seconds).items() if k != "evaluate") if run else 0.0
    said = ""
    if seconds or run is None or len(experiment.references) < wanted_references(experiment):
        said = status_text.clock(spent, seconds, done=run is not None and run.phase is Phase.DONE)
    if experiment.automatic is not None:
        said = f"{said} Finding the settings took {experiment.automatic.settings.seconds:.1f} s.".strip()
    method = METHODS[experiment.setup.method].title if run is None else run.unlearner.title  # type: ignore[attr-defined]
    found["clock"] = {
        "method": short_title(method),
        "seconds": spent,
        "retrain": [min(seconds), max(seconds)] if seconds else None,
        "sentence": said,
    }
    return found


def preparing(work: dict[str, Progress]) -> str:
    """Return a sentence about the work before the map is ready."""
    # the search is told first: the map is laid out beside it
    for p in sorted(work.values(), key=lambda p: p.stage != "automatic"):
        if p.stage == "automatic":
            return f"Trying settings on these images, without labels: trial {p.done + 1} of at most {p.total}, {p.seconds:.0f} s so far"
        text = PREPARING[p.stage]
        if p.total > 1:
            text += f": step {p.done:,} of {p.total:,}"
        return text + _time_left(p)
    return "Preparing"


def stage_bar(stage: Stage, progress: Progress | None, left_s: float | None) -> dict[str, Any]:
    """Return one stage of the run for the timeline."""
    return {
        "key": stage.key,
        "label": stage.title,
        "done": 0 if progress is None else progress.done,
        "total": stage.total,
        "left_s": left_s,
    }


def _bar(p: Progress) -> dict[str, Any]:
    return {"label": PREPARING[p.stage], "done": p.done, "total": p.total, "left_s": p.left_s}


def _time_left(p: Progress) -> str:
    return "" if p.left_s is None or p.done == p.total else f", {p.left_s:.0f} s left"
