"""The example set: one finished run and one small study on digits, so that every page has something to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import LabError, StoreError
from core.experiments.session.experiment import Experiment
from core.experiments.studies import Study, counts, name_for
from core.experiments.studies.results_table import ResultsTable
from core.runs.records import Phase
from core.runs.storage import list_runs, rename_run
from core.runs.storage.recorder import Recorder
from core.runtime.progress import Progress, Work
from dashboard.presentation.text.pages import common as say
from dashboard.session.jobs import study as studying
from dashboard.session.jobs.base import BackgroundJob, OwnThread

STUDY_NAME = "example"
POLL_S = 0.2
MOST_S = 900  # seconds after which the job gives up; usually it takes half a minute

_jobs: dict[str, ExampleSetJob] = {}  # by browser
_lock = threading.Lock()


@dataclass(frozen=True)
class ExampleSet:
    """The finished set: the id of its run, and the name of its study."""

    run: str
    study: str


class ExampleSetJob(BackgroundJob[ExampleSet]):
    """Makes the example set of one browser. It waits for runs, so it has a thread of its own.

    ``experiment`` returns a new, started experiment that keeps its run for this browser.
    """

    def __init__(self, token: str, experiment: Callable[[], Experiment]) -> None:
        super().__init__(OwnThread())
        self._token = token
        self._experiment = experiment
        self.said = say.PREPARING_EXAMPLE
        self.start(self._make())

    @property
    def share(self) -> float:
        """The finished share of the work, in [0, 1]."""
        p = self.progress
        return 0.0 if p is None else min(1.0, p.done / max(1, p.total))

    def _make(self) -> Work[ExampleSet]:
        end = time.monotonic() + MOST_S
        yield Progress("example", 0, 100)
        run = kept_run(self._token) or (yield from self._play(end))
        return ExampleSet(run, (yield from self._study(end)))

    def _play(self, end: float) -> Work[str]:
        """Play a run to its end and name it; the first half of the bar."""
        e = self._experiment()
        try:
            while e.run is None:
                _require(e.error)
                yield self._wait(end, 0)
            self.said = say.PLAYING_EXAMPLE
            e.play()
            while not (e.phase is not None and e.phase.over):
                _require(e.error)
                yield self._wait(end, 50 * len(e.run.steps) // max(1, e.run.total_steps))
            _require(e.run.error)
            recorder = e.run.recorder
            if not isinstance(recorder, Recorder) or not recorder.is_kept:
                raise StoreError(say.example_not_kept(e.not_kept or say.ENDED_TOO_EARLY))
            while not recorder.folder.model.exists() and recorder.problem is None:  # it is written last
                yield self._wait(end, 50)
            self.said = say.RETRAINING_FOR_EXAMPLE
            while not _is_judged(e, recorder):  # a closed experiment writes no verdict
                yield self._wait(end, 50)
        finally:
            e.close()
        rename_run(recorder.id, say.EXAMPLE_RUN, self._token)
        return recorder.id

    def _study(self, end: float) -> Work[str]:
        """Run the example study; the second half of the bar."""
        study, name = example_study(), name_for(STUDY_NAME, self._token)
        table = ResultsTable(name)
        table.refresh()
        if counts(study, table.rows)["left"]:
            self.said = say.RUNNING_EXAMPLE_STUDY
            studying.start(study, token=self._token)  # under the browser's own name
        run = studying.driven(name)
        while run is not None and not run.over:
            table.refresh()
            done = counts(study, table.rows)["done"]
            self.said = say.example_study_now(run.now)
            yield self._wait(end, 50 + 50 * done // study.size)
        if run is not None and run.error is not None:
            raise LabError(run.error)
        return name

    def _wait(self, end: float, percent: int) -> Progress:
        if time.monotonic() > end:
            raise LabError(say.EXAMPLE_TOO_SLOW)
        time.sleep(POLL_S)
        return Progress("example", percent, 100)


def _is_judged(e: Experiment, recorder: Recorder) -> bool:
    """Return whether the kept run has its verdict, or will have none."""
    if e.retrain_error is not None or recorder.problem is not None:
        return True
    return "verdict" in recorder.folder.read_about()


def example_study() -> Study:
    """Return the example study: LAF on digits with four temperatures and two seeds."""
    return studying.written(
        name=STUDY_NAME,
        title=say.EXAMPLE_STUDY,
        fixed={"dataset": "digits", "task": "class", "method": "laf"},
        grid={"temperature": "x0.25, x1, x3, x8"},
        seeds="0-1",
        references=1,
    )


def kept_run(token: str) -> str | None:
    """Return the id of the browser's finished example run, or None."""
    mine = (
        i
        for i in list_runs(token)[0]
        if i.is_of(token) and i.name == say.EXAMPLE_RUN and i.phase is Phase.DONE
    )
    return next((i.id for i in mine), None)


def is_made(token: str) -> bool:
    """Return whether the browser has the example run and has started the example study."""
    return name_for(STUDY_NAME, token) in studying.choices(token) and kept_run(token) is not None


def job_of(token: str) -> ExampleSetJob | None:
    """Return the browser's last job, running or ended."""
    return _jobs.get(token)


def make(token: str, experiment: Callable[[], Experiment]) -> ExampleSetJob:
    """Start the job of a browser, or return the one that runs."""
    with _lock:
        found = _jobs.get(token)
        if found is None or not found.busy:
            found = _jobs[token] = ExampleSetJob(token, experiment)
        return found


def _require(error: Any) -> None:
    """Raise ``error`` unless it is None."""
    if error is not None:
        raise error
