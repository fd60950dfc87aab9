"""The record of a tab's finished run, drawn up by the runner's threads; no screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from core.errors import LabError
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.experiments.audit import DeletionRecord, audit
from core.experiments.session.experiment import Experiment
from core.runs.reference_models import usual_count
from core.runs.run import Phase, Run
from core.runtime.device import peak_memory_mb
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler, SlicedTask


class AuditJob:
    """One record at a time; whoever shows it polls the attributes."""

    def __init__(self, runner: Scheduler) -> None:
        self._runner = runner
        self._of: tuple[Run | None, int] | None = None
        self._task: SlicedTask | None = None
        self._clear()

    def _clear(self) -> None:
        self.audit: DeletionRecord | None = None
        self.made: datetime | None = None
        self.progress: Progress | None = None
        self.error: str | None = None

    def about(self, experiment: Experiment) -> None:
        """Turn to the run of ``experiment``; what is known stays when it is the same one."""
        now = (experiment.run, experiment.life)  # a run that was taken back is another one
        if now != self._of:
            self.close()
            self._of = now

    def start(self, experiment: Experiment) -> None:
        """Draw it up."""
        self._clear()
        self._task = SlicedTask(self._work(experiment), self._failed)
        self._runner.submit(self._task)

    @property
    def busy(self) -> bool:
        """Whether it is being drawn up."""
        return self._task is not None and self._task.alive

    def close(self) -> None:
        """Stop, and forget what was drawn up."""
        if self._task is not None:
            self._runner.discard(self._task)
        self._task, self._of = None, None
        self._clear()

    def _failed(self, error: LabError) -> None:
        self.error = str(error)

    def _work(self, e: Experiment) -> Iterator[None]:
        run, split, model = e.run, e.split, e.model
        assert run is not None
        assert split is not None
        assert model is not None
        references = [Retrained(i, r.model, r.seconds) for i, r in enumerate(e.references)]
        seconds = {k: v for k, v in run.seconds.items() if k != "evaluate"}
        work = Evaluator(split, model, references, seed=e.setup.seed).judge(
            run.result, seconds=seconds, peak_memory_mb=dict(run.peak_memory_mb)
        )
        while True:
            try:
                self.progress = next(work)
            except StopIteration as end:
                judgement = end.value
                break
            yield
        made = audit(
            e.setup, split, model, run.result, references, judgement, config=run.config, seconds=seconds,
            peak_memory_mb=max(run.peak_memory_mb.values(), default=peak_memory_mb()),
        )  # fmt: skip
        self.audit, self.made = made, datetime.now()


def why_not(e: Experiment) -> str | None:
    """Why no record can be drawn up now."""
    run = e.run
    if run is None or e.split is None:
        return "The original model is still being prepared."
    if run.phase is not Phase.DONE:
        return "A record is of a finished run: play it to its end in the Lab first."
    wanted = usual_count(e.split.dataset.family)
    if len(e.references) < wanted and e.retrain_error is None:
        return (
            f"{len(e.references)} of {wanted} retrained models are there; the record waits for all of them."
        )
    return None
