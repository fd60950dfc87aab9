"""The outcome of a run for the browser: its verdict, where LAF stopped, and where it was nearest to retraining."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.experiments.session.experiment import Experiment
from core.runs.run import Phase, Run
from dashboard.presentation.story.verdict_text import verdict_sentence
from dashboard.presentation.text.readouts.band_position import Compared, ReferenceBands
from dashboard.presentation.text.run_history import STOPPED


def is_final(run: Run, bands: ReferenceBands) -> bool:
    """Return True once the run is done, its last frame is there, and every retrained model is."""
    return (
        run.phase is Phase.DONE
        and bands.is_complete
        and bool(run.frames)
        and run.frames[-1].step == len(run.steps)
    )


def verdict(
    experiment: Experiment, run: Run, bands: ReferenceBands, untouched: Compared
) -> dict[str, Any] | None:
    """Return the verdict on the run, or on its fork, with its step (docs/wire.md, "verdict"); None until it is final."""
    found = experiment.fork_verdict if run is experiment.fork_run else experiment.verdict
    if found is None or experiment.split is None or not is_final(run, bands):
        return None
    split, last = experiment.split, run.frames[-1]
    said = verdict_sentence(
        split.task, bands.compare(last.reading), untouched, bands, split.dataset.classes, found
    )
    return {"step": last.step, **said}


def nearest(readings: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the step whose answers to D_f were nearest to retrained models', with its distance in nats; None without any."""
    known = [(r["values"]["js"], r["step"]) for r in readings if r["values"].get("js") is not None]
    if len(known) < 2:
        return None
    js, step = min(known)
    return {"step": step, "js": js}


def stop(run: Run) -> dict[str, Any] | None:
    """Return the step at which LAF stopped by itself and why; None where it did not."""
    found = [m for m in run.marks if m.text.startswith(STOPPED)]
    if not found:
        return None
    return {"step": found[-1].step, "text": found[-1].text}
