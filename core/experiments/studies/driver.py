"""A study being run: originals, retrained models and their figures first, then the cells; rows are kept as they come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from core.errors import CancelledError, LabError
from core.experiments.studies.backends import Backend, backend
from core.experiments.studies.jobs import KINDS, Job, cell_jobs, jobs_of
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
    """One study on one backend. Any thread may read; ``run`` belongs to one, or ``start`` makes one."""

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
        self.now = ""  # what is done now
        self.finished = 0  # jobs of this kind
        self.wanted = 0
        self.began = 0.0
        self.seconds = 0.0
        self.estimate: Estimate | None = None
        self._kind, self._workers, self._scheduler = kind, workers, scheduler
        self._retry = retry
        self._lent: dict[str, dict[str, Any]] = {}  # rows of other studies
        self._stop = threading.Event()
        self._rows: Iterator[dict[str, Any]] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a thread of its own; what goes wrong is in ``error``."""

        def work() -> None:
            try:
                self.run()
            except LabError:
                pass  # told in ``error``
            except Exception as error:
                log.exception("a study failed")
                self.state, self.error = "failed", f"{type(error).__name__}: {error}".splitlines()[0]

        self.state = "running"
        self._thread = threading.Thread(target=work, name=f"study-{self.study.name}", daemon=True)
        self._thread.start()

    def run(self, progress: Callable[[StudyRun], object] | None = None) -> None:
        """All that has no row yet. Raises CancelledError when it was cancelled, LabError when it cannot go on; rows stay."""
        self.state, self.began = "running", time.perf_counter()
        where: Backend | None = None
        try:
            self.now = "beginning"
            self.table.open(self.study)
            self._lent = {} if self.study.fresh else self.table.borrow()
            where = backend(self._kind, workers=self._workers, scheduler=self._scheduler)
            failed: dict[str, str] = {}
            for jobs in jobs_of(self.study.model_cells()):
                self._do(self._needed(jobs), where, failed, progress, len(jobs))
            self._do(self._possible(failed), where, {}, progress, self.study.size)
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
            if where is not None:
                where.close()

    def cancel(self) -> None:
        """Stop; what is done stays."""
        self._stop.set()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "cancelled", "failed")

    def wait(self, seconds: float | None = None) -> bool:
        """Until it is over; whether it is."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.over

    # inside

    def _has(self, job: Job) -> bool:
        row = self._row(job)
        return row is not None and (row["state"] == "done" or not self._retry)

    def _row(self, job: Job) -> dict[str, Any] | None:
        """The row of a job, if need be another study's, which is then this one's too."""
        if job.key not in self.table.rows and job.key in self._lent:
            self.table.append(self._lent.pop(job.key))
        return self.table.rows.get(job.key)

    def _needed(self, jobs: list[Job]) -> list[Job]:
        """A failed original is tried again with its cells; a cell never without being asked."""
        return [j for j in jobs if (r := self._row(j)) is None or r["state"] != "done"]

    def _possible(self, failed: dict[str, str]) -> Iterator[Job]:
        """Cells without a row; those whose original or retrained models failed get theirs at once."""
        for job in cell_jobs(self.study.cells()):
            if self._has(job):
                self.finished += 1
                continue
            c = job.cell
            why = next(
                (
                    failed[k]
                    for k in (f"original {c.original_key}", f"yardstick {c.yardstick_key}")
                    if k in failed
                ),
                None,
            )
            if why is None:
                yield job
            else:
                self.finished += 1
                self.table.append({
                    "key": job.key, "kind": "cell", "state": "failed", "error": why, "took_s": 0.0, "point": dict(c.point or {}),
                    "seed": c.setup.seed, "role": c.role, "method": c.setup.method,
                })  # fmt: skip

    def _do(
        self,
        jobs: Iterable[Job],
        where: Backend,
        failed: dict[str, str],
        progress: Callable[[StudyRun], object] | None,
        wanted: int,
    ) -> None:
        """``jobs`` on ``where``, a row each; what failed of the models is added to ``failed``."""
        given: dict[str, Job] = {}

        def each() -> Iterator[Job]:
            for job in jobs:
                if self._stop.is_set():
                    return
                given[job.key] = job
                yield job

        self.wanted = wanted
        self.finished = wanted - len(jobs) if isinstance(jobs, list) else 0
        if isinstance(jobs, list) and not jobs:
            return
        rows = where.rows(each())
        try:
            for row in _until(rows, self._stop):
                job = given.pop(row["key"])
                self.now = TITLES[job.kind]
                self.table.append(row)
                self.finished += 1
                if row["state"] == "failed" and job.kind != "cell":
                    key = job.cell.original_key if job.kind == "original" else job.cell.yardstick_key
                    failed["original " + key if job.kind == "original" else "yardstick " + key] = (
                        f"its {TITLES[job.kind].rstrip('s')} failed: {row['error']}"
                    )
                if progress is not None:
                    progress(self)
        finally:
            rows.close()  # type: ignore[attr-defined]
        if self._stop.is_set():
            raise CancelledError(
                "the study was cancelled; its rows are kept, and running it again goes on from there"
            )


def _until(rows: Iterator[dict[str, Any]], stop: threading.Event) -> Iterator[dict[str, Any]]:
    """``rows`` until ``stop``."""
    for row in rows:
        yield row
        if stop.is_set():
            return


def predicted(
    study: Study, *, kind: str = "local", workers: int | None = None, scheduler: str | None = None
) -> Estimate:
    """Size and time of what is left of ``study``, measured now. Raises LabError when the backend cannot be reached."""
    table = ResultsTable(study.name)
    table.refresh()
    where = backend(kind, workers=workers, scheduler=scheduler)
    try:
        return estimate(study, table.rows, where)
    finally:
        where.close()


__all__ = ["KINDS", "StudyRun", "predicted"]
