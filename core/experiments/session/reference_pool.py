"""ReferencePool: models retrained from scratch beside a run, which its figures are compared with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from core.data.split import Split
from core.errors import LabError
from core.evaluation.metrics import Report, evaluate
from core.evaluation.reference_band import Retrained
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.preparation_cache import Prepared, Reference, SetupClaim
from core.models.base import Net
from core.projection.projection import NoiseFloor
from core.runs.observer import Observer
from core.runs.reference_models import gains_beside, retraining, usual_count
from core.runs.run import Run
from core.runs.setup import Setup
from core.runtime.content_cache import maps
from core.runtime.progress import Progress, WorkStepper, with_progress
from core.runtime.scheduler import SlicedTask

log = logging.getLogger(__name__)

AHEAD = 0.05  # weight of retraining a second model: it takes a core that is idle
BESIDE = 0.25  # weight of retraining: the run that plays beside it gets four parts of five


class ReferencePool:
    """Retrained models of one Experiment, made in the background, each shown as soon as it is there.

    ``count``: how many there will be; None: ``usual_count``. ``when_complete`` is called once all are there.
    """

    def __init__(
        self,
        setup: Setup,
        tasks: BackgroundTasks,
        claim: SetupClaim,
        when_complete: Callable[[], None],
        count: int | None = None,
    ) -> None:
        self.setup = setup
        self.count = count
        self.references: list[Reference] = []
        self.revision = 0  # of ``references``
        self.noise: NoiseFloor | None = None  # of the two maps, once measured
        self.error: LabError | None = None
        self._tasks = tasks
        self._claim = claim
        self._when_complete = when_complete
        self._prepared: Prepared | None = None
        self._usual: int | None = None  # models that are retrained for the original, once there is one
        self._early: dict[int, Retrained] = {}  # retrained before there was a map to show them on
        self._early_task: SlicedTask | None = None
        self._at = 0  # number of the model that is retrained, or was last
        self._ahead_at: int | None = None  # number of the model that the second task retrains
        self._ahead_task: SlicedTask | None = None

    def begin_early(self, split: Split, model: Net) -> None:
        """Begin to retrain while the original is still being trained; ``model`` has its Provenance, its weights do not matter.

        A single worker does not: it would only hold up the original.
        """
        if self._tasks.runner.workers > 1 and not self._tasks.closed:
            self._early_task = self._tasks.give_slices(self._retrain_early(split, model), self._early_failed)

    def adopt(self, prepared: Prepared) -> None:
        """Take over the references that ``prepared`` has."""
        self._prepared = prepared
        self._usual = usual_count(prepared.split.dataset.family, prepared.model)
        self.references = list(prepared.references)
        self.revision = len(self.references)

    def start(self) -> None:
        """Retrain what is missing, or wait for another Experiment that does."""
        prepared = self._prepared
        if prepared is None or self._tasks.closed:
            return
        self._take_over()
        missing = len(self.references) < self._total(prepared.split)
        if missing and not self._claim.claim(self.start):
            return
        self._tasks.give_slices(self._retrain(prepared), self._fail, BESIDE)

    def measure(self, run: Run, split: Split, observer: Observer) -> Report | None:
        """Measure a finished run on all images; None where its frames were measured on all images anyway."""
        if observer.evaluator.is_everything:
            return None
        return evaluate(run.result, split, references=[r.model for r in self.references])

    def is_complete(self, split: Split) -> bool:
        """Return whether all references are there."""
        return len(self.references) >= self._total(split)

    # inside

    def _total(self, split: Split) -> int:
        if self.count is not None:
            return self.count
        return usual_count(split.dataset.family) if self._usual is None else self._usual

    def _take_over(self) -> None:
        """Take the references that another Experiment of the same setup has made meanwhile."""
        found = self._claim.get()
        if found is None or len(found.references) <= len(self.references):
            return
        self.references = list(found.references)
        self.revision += 1
        total = self._total(found.split)
        self._tasks.work["retrain"] = Progress("retrain", len(self.references), total)
        if len(self.references) >= total:
            self._tasks.work.pop("retrain")

    def _retrain(self, prepared: Prepared) -> Iterator[None]:
        total = self._total(prepared.split)
        missing = range(len(self.references), total)
        if self.references:
            self._start_measuring_noise()
        self._use_second_core(prepared, missing)
        for number in missing:
            yield from self._retrain_one(prepared, number, total)
            if number == 0:
                self._start_measuring_noise()
            yield
        self._tasks.work.pop("retrain", None)
        self._claim.release()
        self._when_complete()

    def _retrain_early(self, split: Split, model: Net) -> Iterator[None]:
        for number in range(self._total(split)):
            work = WorkStepper(retraining(split, model, seed=self.setup.seed, number=number))
            while work.advance():
                yield
            self._early[number] = work.result

    def _use_second_core(self, prepared: Prepared, missing: Sequence[int]) -> None:
        """Retrain from the last model of ``missing`` backwards in a second task, where a second worker would have nothing to do."""
        early = self._early_task is not None and self._early_task.alive
        if self._tasks.runner.workers < 2 or len(missing) < 2 or early:
            return
        if gains_beside(prepared.model, prepared.split):
            slices = self._retrain_ahead(prepared, missing)
            self._ahead_task = self._tasks.give_slices(slices, self._early_failed, AHEAD)

    def _retrain_ahead(self, prepared: Prepared, missing: Sequence[int]) -> Iterator[None]:
        try:
            for number in reversed(missing):
                self._ahead_at = (
                    number  # before the check: the first task sets ``_at`` before it looks at this
                )
                if number <= self._at:
                    return
                work = WorkStepper(
                    retraining(prepared.split, prepared.model, seed=self.setup.seed, number=number)
                )
                while work.advance():
                    yield
                self._early[number] = work.result
        finally:
            self._ahead_at = None

    def _is_made_ahead(self, number: int) -> bool:
        """Return whether the second task retrains model ``number`` now."""
        task = self._ahead_task
        return self._ahead_at == number and task is not None and task.alive and number not in self._early

    def _early_failed(self, error: LabError) -> None:
        log.warning(
            "a model could not be retrained early: %s", error
        )  # it is retrained again, which tells the error

    def _retrain_one(self, prepared: Prepared, number: int, total: int) -> Iterator[None]:
        self._at = number
        early = self._early_task
        while (number not in self._early and early is not None and early.alive) or self._is_made_ahead(
            number
        ):
            self._tasks.work["retrain"] = Progress("retrain", number, total)
            time.sleep(0.02)
            yield
        if number in self._early:
            self._add(self._early.pop(number), prepared)
            return

        def of_all(progress: Progress) -> Progress:
            done = number * progress.total + progress.done
            return replace(progress, done=done, total=total * progress.total)

        slices = retraining(prepared.split, prepared.model, seed=self.setup.seed, number=number)
        training = WorkStepper(with_progress(slices, of_all))
        while training.advance():
            if training.progress is not None:
                self._tasks.work["retrain"] = training.progress
            yield
        self._add(training.result, prepared)

    def _add(self, made: Retrained, prepared: Prepared) -> None:
        """Add a model; one that began with other weights is turned into the original's coordinates (trap 5)."""
        observer = prepared.observer
        known = observer.knows_initial_weights and made.number == 0
        frame, fit = (observer.look(made.model), None) if known else observer.look_turned(made.model)
        self.references = [*self.references, Reference(made.model, frame, made.seconds, fit)]
        self.revision += 1
        self._claim.put(replace(prepared, references=tuple(self.references)))

    def _fail(self, error: LabError) -> None:
        self.error = error
        self._tasks.work.pop("retrain", None)
        self._claim.release()

    def _start_measuring_noise(self) -> None:
        self._tasks.give_map_slices(self._measure_noise(), self._noise_failed)

    def _measure_noise(self) -> Iterator[None]:
        prepared = self._prepared
        assert prepared is not None
        projection = prepared.projection
        known = "noise_floor" in projection.state()
        self.noise = projection.noise_floor()
        if not known:
            state = projection.state()
            kept = {k: state[k] for k in ("positions", "noise_floor")}
            maps.put(prepared.map_key, kept, dataset=prepared.dataset.name)
        yield

    def _noise_failed(self, error: LabError) -> None:
        log.warning("the noise floor of the maps could not be measured: %s", error)
