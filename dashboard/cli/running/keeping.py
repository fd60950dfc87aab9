"""`laf run --save`: what is kept of a run that ended, and of one that was stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def let_go(run: Any, verdict: dict[str, Any], reports: dict[str, Any], *, quiet: bool) -> bool:
    """Keep the verdict and the figures with a run that is kept; print on standard error where it is and its size, or why it is not kept.

    Return False where the run should be kept and is not.
    """
    from core.runs.storage import megabytes, stop_run, storage_quota

    recorder = run.recorder
    if recorder is None:
        return True
    recorder.tell(verdict=verdict, ended=_ended(run, reports))
    is_kept = recorder.is_kept
    stop_run(run)
    if recorder.problem is not None or not is_kept:
        print(f"laf: {recorder.problem or 'the run has no step, so nothing is kept'}", file=sys.stderr)
        return False
    if not quiet:
        size = megabytes(recorder.folder.bytes)
        print(f"kept as {recorder.id}, {size}. {storage_quota().describe()}", file=sys.stderr)
    return True


@contextmanager
def kept_when_stopped(run: Any) -> Iterator[None]:
    """Print on standard error what is kept of ``run`` when the block is stopped or fails; what it raised is raised again."""
    try:
        yield
    except BaseException:
        from core.runs.storage import stop_run

        recorder = run.recorder
        if recorder is not None and recorder.is_kept:
            stop_run(run)
            steps = len(run.steps)
            print(
                f"laf: kept as {recorder.id} up to step {steps:,}; the Lab's page Runs opens it, and `laf runs rm {recorder.id}` deletes it",
                file=sys.stderr,
            )
        raise


def _ended(run: Any, reports: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the finished run for the list of its chain."""
    from core.experiments.outcome.judging import costs, figures

    found = {name: figures(reports[name]) for name in ("unlearned", "retrained")}
    return {**found, **costs(run)}
