"""What an Experiment gathers beside its run: models retrained from scratch, how still its maps are, and how a finished run does on all images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from core.data.split import Split
from core.errors import LabError
from core.evaluation.metrics import Report, evaluate
from core.evaluation.reference_band import Retrained
from core.experiments.session.preparation_cache import PreparationCache, Prepared, Reference
from core.experiments.session.run_task import RunTask
from core.models.base import Net
from core.projection.projection import NoiseFloor
from core.runs.observer import Observer
from core.runs.reference_models import retraining, usual_count
from core.runs.run import Phase, Run
from core.runs.setup import Setup
from core.runs.storage import Recorder
from core.runs.storage.serialization import report_dict
from core.runtime.content_cache import maps
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler, SlicedTask

log = logging.getLogger(__name__)

BESIDE = 0.25  # weight of retraining: four parts of five for what is played beside it


class ReferencePool:
    """What an Experiment is measured by; it names the attributes that it shares with it."""

    setup: Setup
    split: Split | None
    observer: Observer | None
    run: Run | None
    fork_run: Run | None
    references: list[Reference]
    reference_count: int | None  # how many there will be; None: ``usual_count``
    retrain_error: LabError | None
    noise: NoiseFloor | None
    report: Report | None
    fork_report: Report | None
    revision: int  # of the references
    work: dict[str, Progress]
    kept: PreparationCache | None
    map_runner: Scheduler | None
    closed: bool
    _prepared: Prepared | None
    _shares: bool

    def _give(self, task: SlicedTask | RunTask, runner: Scheduler | None = None) -> None:
        raise NotImplementedError

    def _begin_retraining(self) -> None:
        """Retrain what is missing, or wait for another Experiment that does."""
        prepared = self._prepared
        if prepared is None or self.closed:
            return
        if self._shares and self.kept is not None:
            self._take_over()
            missing = len(self.references) < self._count(prepared.split)
            if missing and not self.kept.claim(self.setup, self, self._begin_retraining):
                return
        self._give(
            SlicedTask(
                self._retrain(prepared.split, prepared.model, prepared.observer), self._retrain_failed, BESIDE
            )
        )

    def _take_over(self) -> None:
        """The references that another Experiment of the same setup has made meanwhile."""
        found = self.kept.get(self.setup) if self.kept is not None else None
        if found is None or len(found.references) <= len(self.references):
            return
        self.references = list(found.references)
        self.revision += 1
        count = self._count(found.split)
        self.work["retrain"] = Progress("retrain", len(self.references), count)
        if len(self.references) >= count:
            self.work.pop("retrain")

    def _count(self, split: Split) -> int:
        return usual_count(split.dataset.family) if self.reference_count is None else self.reference_count

    def _retrain(self, split: Split, model: Net, observer: Observer) -> Iterator[None]:
        """Model after model, each shown as soon as it is there."""
        count = self._count(split)
        missing = range(len(self.references), count)
        if self.references:
            self._give(SlicedTask(self._measure_noise(), self._noise_failed), self.map_runner)
        for number in missing:
            slices = retraining(split, model, seed=self.setup.seed, number=number)
            while True:
                try:
                    now = next(slices)
                except StopIteration as end:
                    made: Retrained = end.value
                    break
                self.work["retrain"] = replace(
                    now, done=number * now.total + now.done, total=count * now.total
                )
                yield
            self._add_reference(made, observer)
            if number == 0:
                self._give(SlicedTask(self._measure_noise(), self._noise_failed), self.map_runner)
            yield
        self.work.pop("retrain", None)
        if self.kept is not None:
            self.kept.release(self)
        for run in (self.run, self.fork_run):
            if missing and run is not None and run.phase is Phase.DONE:
                self._finished(run)

    def _add_reference(self, made: Retrained, observer: Observer) -> None:
        """Placed on the map as it is where it began with the original's weights; else turned into its coordinates (trap 5)."""
        known = observer.knows_initial_weights and made.number == 0
        frame, fit = (observer.look(made.model), None) if known else observer.look_turned(made.model)
        self.references = [*self.references, Reference(made.model, frame, made.seconds, fit)]
        self.revision += 1
        if self.kept is not None and self._prepared is not None:
            self.kept.put(self.setup, replace(self._prepared, references=tuple(self.references)))

    def _retrain_failed(self, error: LabError) -> None:
        self.retrain_error = error
        self.work.pop("retrain", None)
        if self.kept is not None:
            self.kept.release(self)

    def _measure_noise(self) -> Iterator[None]:
        assert self._prepared is not None
        projection = self._prepared.projection
        known = "noise_floor" in projection.state()
        self.noise = projection.noise_floor()
        if not known:
            state = projection.state()
            name = self._prepared.dataset.name
            maps.put(
                self._prepared.map_key, {k: state[k] for k in ("positions", "noise_floor")}, dataset=name
            )
        yield

    def _noise_failed(self, error: LabError) -> None:
        log.warning("the maps' noise floor could not be measured: %s", error)

    def _finished(self, run: Run) -> None:
        """Measure a run, or its fork, on all images where frames were measured on a share of them; kept with it."""
        if self.observer is None or self.split is None or self.observer.evaluator.is_everything:
            return
        report = evaluate(run.result, self.split, references=[r.model for r in self.references])
        if run is self.run:
            self.report = report
        elif run is self.fork_run:
            self.fork_report = report
        if isinstance(run.recorder, Recorder) and run.phase is Phase.DONE:  # it was not taken back meanwhile
            run.recorder.tell(report=report_dict(report))
