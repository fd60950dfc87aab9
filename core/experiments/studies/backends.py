"""Where the jobs of a study are done: in processes of this machine by joblib, or on a Dask cluster. Rows come as they are ready."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from core.errors import LabError, RequestError
from core.experiments.studies.jobs import Job, do
from core.runtime.device import cores
from core.runtime.orphan import end_with

log = logging.getLogger(__name__)

CONNECT_S = 5.0
BROKEN = 3  # times that processes may die before a study gives up


class Backend(Protocol):
    """Does jobs, ``workers`` at a time."""

    workers: int

    def rows(
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = do
    ) -> Iterator[dict[str, Any]]:
        """A row for each job, in the order in which they are ready; ``jobs`` is read as there is room. Closing it stops them."""
        ...

    def close(self) -> None: ...


def backend(kind: str, *, workers: int | None = None, scheduler: str | None = None) -> Backend:
    """The backend ``kind``, "local" or "dask". Raises RequestError for another, or one that cannot be reached."""
    if workers is not None and not 1 <= workers <= 1024:
        raise RequestError(f"workers must be a number from 1 to 1024, got {workers}")
    if kind == "local":
        if scheduler is not None:
            raise RequestError("--scheduler goes with --backend dask")
        return LocalBackend(workers)
    if kind == "dask":
        return ClusterBackend(scheduler)
    raise RequestError(f"unknown backend {kind!r}; there are: local, dask")


class LocalBackend:
    """Processes of this machine, one compute thread each; with one worker, this process itself."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def rows(
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = do
    ) -> Iterator[dict[str, Any]]:
        """As the Protocol says. Where processes die, as when memory runs out, what they were at is done again by fewer of them.

        Raises LabError when they die again and again.
        """
        if self.workers == 1:
            for job in jobs:
                yield work(job)
            return
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        waiting = iter(jobs)
        given: dict[str, Job] = {}  # handed out, without a row yet
        broken = 0

        def hand_out(first: list[Job]) -> Iterator[Job]:
            yield from first
            for job in waiting:
                given[job.key] = job
                yield job

        again: list[Job] = []
        while True:
            workers = max(1, self.workers >> broken)
            try:
                for row in self._parallel(hand_out(again), workers, work):
                    given.pop(row["key"], None)
                    yield row
                return
            except TerminatedWorkerError as error:
                broken += 1
                log.warning("a process of the study died; %s jobs are done again", len(given))
                if broken > BROKEN:
                    raise LabError(
                        "processes of the study died again and again, as they do when memory runs out; run it with fewer: --workers 1"
                    ) from error
                again = list(given.values())

    def _parallel(
        self, jobs: Iterable[Job], workers: int, work: Callable[[Any], dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=f"{2}*n_jobs")
            found = pool(delayed(_in_child)(os.getpid(), work, job) for job in jobs)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that some process took long is what studies do
                yield from found
        finally:
            found.close()  # stops what is running where this is closed half-way

    def close(self) -> None:
        """Processes that wait go by themselves."""


def _in_child(parent: int, work: Callable[[Any], dict[str, Any]], job: Any) -> dict[str, Any]:
    """Do ``job`` in a process that ends within a second of its parent; joblib's own goes on to the end of the job."""
    end_with(parent)
    return work(job)


class ClusterBackend:
    """A Dask cluster that somebody else runs. A worker that dies costs nothing: its jobs are done by others."""

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
        self, jobs: Iterable[Job], work: Callable[[Any], dict[str, Any]] = do
    ) -> Iterator[dict[str, Any]]:
        """As the Protocol says; twice as many jobs as workers are on the way at a time."""
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
                        "the Dask scheduler is gone; the rows so far are safe, and running the study again goes on"
                    )
                yield future.result() if error is None else lost(job, error)
                submit(1)
        finally:
            if by_future:
                self._client.cancel(list(ready.futures), force=True)

    def close(self) -> None:
        """Leave the cluster as it is."""
        self._client.close(timeout=2)


def lost(job: Job, error: BaseException) -> dict[str, Any]:
    """The row of a job that the cluster could not do."""
    c = job.cell
    row: dict[str, Any] = {"key": job.key, "kind": job.kind, "state": "failed", "took_s": 0.0,
                           "error": f"the cluster could not do it: {type(error).__name__}: {error}".splitlines()[0]}  # fmt: skip
    if job.kind == "cell":
        row |= {"point": dict(c.point or {}), "seed": c.setup.seed, "role": c.role, "method": c.setup.method}
    return row
