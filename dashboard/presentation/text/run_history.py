"""A run's history for the browser: changed settings, marks, alarms, possible moves, its fork and its layers."""

from __future__ import annotations

from typing import Any

from core.experiments.session.experiment import Experiment
from core.runs.diagnostics import alarms
from core.runs.run import Phase, Run
from dashboard.presentation.text.hyperparameters import describe_changes

PLAYING = "The run is playing; pause it first"
NO_MODEL = "The original model is still being prepared"
NOT_BEGUN = "The run has not begun"
FORKED = "A fork is drawn over the run; drop it first"
STOPPED = "LAF stopped here"  # how the text of the mark begins that core.runs sets at the stop
NO_STATES = "This run keeps no states to go back to"


def changes(run: Run) -> list[dict[str, Any]]:
    """Return the changes of settings for the timeline."""
    return [{"step": c.after, "text": describe_changes(c.before, c.now)} for c in run.changes]


def marks(run: Run) -> list[dict[str, Any]]:
    """Return the remarks on steps that a user chose by eye."""
    return [{"step": m.step, "text": m.text} for m in run.marks if not m.text.startswith(STOPPED)]


class AlarmCache:
    """The alarms of a run, computed again only when the run has changed."""

    def __init__(self) -> None:
        self._key: object = None
        self._found: list[dict[str, Any]] = []

    def alarms(self, experiment: Experiment, run: Run) -> list[dict[str, Any]]:
        """Return the alarms in the format of docs/wire.md."""
        vae = sum(len(p.curve) for p in dict(run.progress).values())
        # the check reads all frames, so a running run is checked about 50 times in all
        grain = max(1, len(run.frames) // 50) if run.phase is Phase.RUNNING else 1
        key = (id(run), experiment.life, len(run.frames) // grain, grain, experiment.revision, run.phase, vae)
        if key != self._key:
            references = [r.frame.reading for r in experiment.references]
            self._key = key
            self._found = [
                {
                    "name": a.name,
                    "sentence": a.sentence,
                    "step": a.began,
                    "until": a.until,
                    "advice": a.advice,
                }
                for a in alarms(run, references)
            ]
        return self._found


def travel(experiment: Experiment) -> dict[str, str | None]:
    """Return why the user cannot continue or fork from the shown step; None where it is possible."""
    run = experiment.run
    why: str | None = None
    if run is None or not run.has_begun:
        why = NOT_BEGUN
    elif experiment.phase is Phase.RUNNING:
        why = PLAYING
    elif run.checkpoints is None or not run.checkpoints.steps:
        why = NO_STATES
    return {"continue": why or (FORKED if experiment.fork_run is not None else None), "fork": why}


def fork_of(experiment: Experiment) -> dict[str, Any] | None:
    """Return the fork; its frames 0 … shared - 1 are those of the first run."""
    run, twin = experiment.run, experiment.fork_run
    if run is None or twin is None:
        return None
    start = experiment.fork_from
    shared = sum(f.step <= start for f in run.frames)
    changed = [c for c in twin.changes if c.after >= start]
    return {
        "id": experiment.forks,
        "from": start,
        "shared": shared,
        "total": len(twin.frames),
        "steps": twin.total_steps,
        "phase": str(twin.phase),
        "error": str(twin.error) if twin.error else None,
        "text": ", ".join(describe_changes(c.before, c.now) for c in changed) or "the same settings",
        "marks": marks(twin),
    }


def layers(experiment: Experiment) -> dict[str, Any] | None:
    """Return norms and cosine by layer while the run is at the step where they were measured."""
    if experiment.layers is None or experiment.run is None:
        return None
    step, found = experiment.layers
    if step != len(experiment.driven.steps):
        return None
    model = experiment.model
    rows = [{"name": name, "title": layer_title(model, name), **values} for name, values in found.items()]
    return {"step": step, "rows": rows}


def layer_title(model: Any, name: str) -> str:
    """Return a description of an extractor layer, such as "conv 3×3, 32 → 64", where its name is only a number."""
    if not name.isdigit():
        return name
    layer = model.extractor.get_submodule(name)
    kernel = getattr(layer, "kernel_size", None)
    if kernel is not None:
        return f"conv {'×'.join(map(str, kernel))}, {layer.in_channels} → {layer.out_channels}"
    if hasattr(layer, "in_features"):
        return f"linear, {layer.in_features} → {layer.out_features}"
    return f"{type(layer).__name__.lower()} {name}"
