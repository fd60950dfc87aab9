"""The run of a study: original and retrained models with their figures first, then the cells. Each row is kept at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from core.errors import CancelledError, LabError
from core.experiments.studies.backends import Backend, backend
from core.experiments.studies.cell import Cell
from core.experiments.studies.jobs import Job, cell_jobs, jobs_of, row_of
from core.experiments.studies.results_table import ResultsTable
from core.experiments.studies.runtime_estimate import Estimate, estimate
from core.experiments.studies.spec import Study

log = logging.getLogger(__name__)

TITLES = {
    "original": "original models",
    "retrained": "retrained models",
    "yardstick": "figures of retrained models",
    "cell": "runs",
}


class StudyRun:
    """The run of one study on one backend. One thread calls ``run``, or ``start`` makes a thread; any thread may read."""

    def __init__(
        self,
        study: Study,
        *,
        kind: str = "local",
        workers: int | None = None,
        scheduler: str | None = None,
        retry: bool = False,
    ) -> None:
        self.study = study
        self.table = ResultsTable(study.name)
        self.state = "ready"  # "running", "done", "cancelled" or "failed"
        self.error: str | None = None
        self.now = ""  # the kind of job that runs now
        self.finished = 0  # jobs of this kind
        self.wanted = 0
        self.began = 0.0
        self.seconds = 0.0
        self.estimate: Estimate | None = None
        self._kind, self._workers, self._scheduler = kind, workers, scheduler
        self._retry = retry
        self._borrowed: dict[str, dict[str, Any]] = {}  # rows of other studies
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a new thread; ``error`` tells why it failed."""

        def work() -> None:
            try:
                self.run()
            except LabError:
                pass  # ``run`` has put it into ``error``, which the page and the terminal show
            except Exception as error:
                log.exception("a study failed")
                self.state, self.error = "failed", f"{type(error).__name__}: {error}".splitlines()[0]

        self.state = "running"
        self._thread = threading.Thread(target=work, name=f"study-{self.study.name}", daemon=True)
        self._thread.start()

    def run(self, progress: Callable[[StudyRun], object] | None = None) -> None:
        """Run every job without a row; call ``progress`` after each row.

        Raises CancelledError if the study was cancelled, LabError if it cannot continue. Rows stay.
        """
        self.state, self.began = "running", time.perf_counter()
        chosen_backend: Backend | None = None
        try:
            self.now = "beginning"
            self.table.open(self.study)
            self._borrowed = {} if self.study.fresh else self.table.borrow()
            chosen_backend = backend(self._kind, workers=self._workers, scheduler=self._scheduler)
            failed: dict[str, str] = {}
            for jobs in jobs_of(self.study.model_cells()):
                self._run_jobs(self._unfinished(jobs), chosen_backend, failed, progress, len(jobs))
            self._run_jobs(self._runnable_cells(failed), chosen_backend, {}, progress, self.study.size)
            self.state = "done"
        except CancelledError:
            self.state = "cancelled"
            raise
        except LabError as error:
            self.state, self.error = "failed", str(error)
            raise
        except BaseException:
            self.state = "cancelled" if self._stop.is_set() else "failed"
            raise
        finally:
            self.seconds = time.perf_counter() - self.began
            self.table.close()
            if chosen_backend is not None:
                chosen_backend.close()

    def cancel(self) -> None:
        """Stop soon; rows stay."""
        self._stop.set()

    @property
    def over(self) -> bool:
        """True if the run has ended."""
        return self.state in ("done", "cancelled", "failed")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait at most ``seconds`` for the end; return whether the run has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.over

    def _has(self, job: Job) -> bool:
        row = self._row(job)
        return row is not None and (row["state"] == "done" or not self._retry)

    def _row(self, job: Job) -> dict[str, Any] | None:
        """Return the row of a job; a row of another study is copied into this study's table."""
        if job.key not in self.table.rows and job.key in self._borrowed:
            self.table.append(self._borrowed.pop(job.key))
        return self.table.rows.get(job.key)

    def _unfinished(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs without a finished row: a failed model is tried again, a failed cell only with ``retry``."""
        return [j for j in jobs if (r := self._row(j)) is None or r["state"] != "done"]

    def _runnable_cells(self, failed: dict[str, str]) -> Iterator[Job]:
        """Yield the cells without a row; a cell whose models failed gets a failed row at once."""
        for job in cell_jobs(self.study.cells()):
            if self._has(job):
                self.finished += 1
                continue
            why = next((failed[k] for k in _model_keys(job.cell) if k in failed), None)
            if why is None:
                yield job
            else:
                self.finished += 1
                self.table.append({**row_of(job), "state": "failed", "error": why, "took_s": 0.0})

    def _run_jobs(
        self,
        jobs: Iterable[Job],
        chosen_backend: Backend,
        failed: dict[str, str],
        progress: Callable[[StudyRun], object] | None,
        wanted: int,
    ) -> None:
        """Run ``jobs`` on ``chosen_backend`` and keep a row for each; add models that failed to ``failed``."""
        given: dict[str, Job] = {}

        def hand_out() -> Iterator[Job]:
            for job in jobs:
                if self._stop.is_set():
                    return
                given[job.key] = job
                yield job

        self.wanted = wanted
        self.finished = wanted - len(jobs) if isinstance(jobs, list) else 0
        if isinstance(jobs, list) and not jobs:
            return
        rows = chosen_backend.rows(hand_out())
        try:
            for row in _until(rows, self._stop):
                job = given.pop(row["key"])
                self.now = TITLES[job.kind]
                self.table.append(row)
                self.finished += 1
                if row["state"] == "failed" and job.kind != "cell":
                    model_keys = _model_keys(job.cell)
                    failed[model_keys[0] if job.kind == "original" else model_keys[1]] = (
                        f"its {TITLES[job.kind].rstrip('s')} failed: {row['error']}"
                    )
                if progress is not None:
                    progress(self)
        finally:
            rows.close()  # type: ignore[attr-defined]
        if self._stop.is_set():
            raise CancelledError("the study was cancelled; its rows are kept: run it again to continue")


def _model_keys(cell: Cell) -> tuple[str, str]:
    """Return the keys of a cell's original model and of its retrained models."""
    return f"original {cell.original_key}", f"yardstick {cell.yardstick_key}"


def _until(rows: Iterator[dict[str, Any]], stop: threading.Event) -> Iterator[dict[str, Any]]:
    """Yield ``rows`` until ``stop`` is set."""
    for row in rows:
        yield row
        if stop.is_set():
            return


def predicted(
    study: Study, *, kind: str = "local", workers: int | None = None, scheduler: str | None = None
) -> Estimate:
    """Estimate size and time of the jobs that ``study`` still needs, measured now.

    Raises LabError if the backend cannot be reached.
    """
    table = ResultsTable(study.name)
    table.refresh()
    chosen_backend = backend(kind, workers=workers, scheduler=scheduler)
    try:
        return estimate(study, table.rows, chosen_backend)
    finally:
        chosen_backend.close()


__all__ = ["StudyRun", "predicted"]
