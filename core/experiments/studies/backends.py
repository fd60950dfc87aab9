"""Backends that run the jobs of a study: processes of this machine by joblib, or a Dask cluster."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from core.errors import LabError, RequestError
from core.experiments.studies.jobs import Job, row_of, run_job
from core.runtime.device import usable_cores
from core.runtime.orphan import end_with_parent

log = logging.getLogger(__name__)

CONNECT_S = 5.0
MOST_BREAKS = 3  # times that processes may die before a study fails


class Backend(Protocol):
    """Runs jobs, ``workers`` at a time."""

    workers: int

    def rows(
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = run_job
    ) -> Iterator[dict[str, Any]]:
        """Yield a row for each job as soon as it is ready. Closing the iterator stops the jobs.

        ``jobs`` is read only when a worker has room.
        """
        ...

    def close(self) -> None:
        """End the workers."""
        ...


def backend(kind: str, *, workers: int | None = None, scheduler: str | None = None) -> Backend:
    """Return the backend ``kind``, "local" or "dask". Raises RequestError for another kind, or if it cannot be reached."""
    if workers is not None and not 1 <= workers <= 1024:
        raise RequestError(f"workers must be a number from 1 to 1024, got {workers}")
    if kind == "local":
        if scheduler is not None:
            raise RequestError("--scheduler needs --backend dask")
        return LocalBackend(workers)
    if kind == "dask":
        return ClusterBackend(scheduler)
    raise RequestError(f"unknown backend {kind!r}; there are: local, dask")


class LocalBackend:
    """Processes of this machine, one compute thread each; with one worker, this process itself."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or usable_cores()

    def rows(
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = run_job
    ) -> Iterator[dict[str, Any]]:
        """Yield rows as a Backend does. If a process dies, for example without memory, fewer processes run its jobs again.

        Raises LabError if processes die more than ``MOST_BREAKS`` times.
        """
        if self.workers == 1:
            for job in jobs:
                yield work(job)
            return
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        waiting = iter(jobs)
        given: dict[str, Job] = {}  # handed out, without a row yet
        breaks = 0

        def hand_out(first: list[Job]) -> Iterator[Job]:
            yield from first
            for job in waiting:
                given[job.key] = job
                yield job

        again: list[Job] = []
        while True:
            workers = max(1, self.workers >> breaks)
            try:
                for row in self._parallel(hand_out(again), workers, work):
                    given.pop(row["key"], None)
                    yield row
                return
            except TerminatedWorkerError as error:
                breaks += 1
                log.warning("a process of the study died; %s jobs run again", len(given))
                if breaks > MOST_BREAKS:
                    raise LabError(
                        "processes of the study died repeatedly, perhaps because memory ran out; run it with fewer: --workers 1"
                    ) from error
                again = list(given.values())

    def _parallel(
        self, jobs: Iterable[Job], workers: int, work: Callable[[Any], dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
            found = pool(delayed(_in_child)(os.getpid(), work, job) for job in jobs)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib warns of long jobs, which are normal in a study
                yield from found
        finally:
            found.close()  # stops the running jobs

    def close(self) -> None:
        """Do nothing: idle processes end by themselves."""


def _in_child(parent: int, work: Callable[[Any], dict[str, Any]], job: Any) -> dict[str, Any]:
    """Run ``job`` in a process that ends within a second of its parent; a plain joblib process finishes the job first."""
    end_with_parent(parent)
    return work(job)


class ClusterBackend:
    """A Dask cluster that the user runs. Other workers repeat the jobs of a worker that died."""

    def __init__(self, scheduler: str | None) -> None:
        if not scheduler:
            raise RequestError(
                "--backend dask needs the address of its scheduler: --scheduler tcp://HOST:8786"
            )
        try:
            from distributed import Client
        except ImportError as error:
            raise RequestError(
                "Dask is not installed; install it with: pip install 'laf-lab[dask]'"
            ) from error
        logging.getLogger("distributed").setLevel(logging.ERROR)
        try:
            self._client: Any = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise RequestError(
                f"no Dask scheduler answers at {scheduler}; start one with `dask scheduler`, and name its address"
            ) from error
        self.workers = sum(self._client.nthreads().values())
        if not self.workers:
            self.close()
            raise RequestError(
                f"the scheduler at {scheduler} has no workers; start some with `dask worker {scheduler}`"
            )

    def rows(
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = run_job
    ) -> Iterator[dict[str, Any]]:
        """Yield rows as a Backend does; at most twice as many jobs as workers are submitted at a time."""
        from distributed import as_completed

        waiting = iter(jobs)
        by_future: dict[str, Job] = {}
        ready: Any = as_completed(loop=self._client.loop)

        def submit(count: int) -> None:
            for _ in range(count):
                job = next(waiting, None)
                if job is None:
                    return
                future = self._client.submit(work, job, pure=False, retries=2)
                by_future[future.key] = job
                ready.add(future)

        submit(2 * max(1, self.workers))
        try:
            for future in ready:
                job = by_future.pop(future.key)
                error = future.exception() if future.status == "error" else None
                if future.status in ("cancelled", "lost"):
                    raise LabError(
                        "the Dask scheduler is gone; all rows so far are kept: run the study again to continue"
                    )
                yield future.result() if error is None else _lost_row(job, error)
                submit(1)
        finally:
            if by_future:
                self._client.cancel(list(ready.futures), force=True)

    def close(self) -> None:
        """Disconnect; the cluster keeps running."""
        self._client.close(timeout=2)


def _lost_row(job: Job, error: BaseException) -> dict[str, Any]:
    """Return the row of a job that the cluster failed to run."""
    why = f"the cluster could not run it: {type(error).__name__}: {error}".splitlines()[0]
    return {**row_of(job), "state": "failed", "took_s": 0.0, "error": why}
