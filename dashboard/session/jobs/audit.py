"""The job that draws up the deletion record of a finished run, for the page Audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.data.split import Split
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.experiments.audit import DeletionRecord, audit
from core.experiments.session.experiment import Experiment
from core.models.base import Net
from core.runs.reference_models import usual_count
from core.runs.run import Phase, Run
from core.runtime.device import peak_memory_mb
from core.runtime.progress import Work
from dashboard.session.jobs.base import BackgroundJob


@dataclass(frozen=True)
class DatedRecord:
    """A deletion record and the time at which it was drawn up."""

    record: DeletionRecord
    made: datetime


class AuditJob(BackgroundJob[DatedRecord]):
    """The deletion record of the Lab's run."""

    def _reset(self) -> None:
        super()._reset()
        self._subject: tuple[Run | None, int] | None = None

    def show(self, experiment: Experiment) -> None:
        """Turn to the run of ``experiment``. A record of another run, or of an earlier life of this one, is dropped."""
        subject = (experiment.run, experiment.life)
        if subject != self._subject:
            self.close()
            self._subject = subject

    def draw_up(self, e: Experiment) -> None:
        """Start to draw up the record of the finished run of ``e``."""
        assert e.run is not None
        assert e.split is not None
        assert e.model is not None
        self.start(self._work(e, e.run, e.split, e.model))

    def _work(self, e: Experiment, run: Run, split: Split, model: Net) -> Work[DatedRecord]:
        references = [Retrained(i, r.model, r.seconds) for i, r in enumerate(e.references)]
        seconds = {k: v for k, v in run.seconds.items() if k != "evaluate"}
        evaluator = Evaluator(split, model, references, seed=e.setup.seed)
        judgement = yield from evaluator.judge(
            run.result, seconds=seconds, peak_memory_mb=dict(run.peak_memory_mb)
        )
        record = audit(
            e.setup,
            split,
            model,
            run.result,
            references,
            judgement,
            config=run.config,
            seconds=seconds,
            peak_memory_mb=max(run.peak_memory_mb.values(), default=peak_memory_mb()),
        )
        return DatedRecord(record, datetime.now())


def why_not(e: Experiment) -> str | None:
    """Return why no record can be drawn up now, or None."""
    run = e.run
    if run is None or e.split is None:
        return "The original model is still being prepared."
    if run.phase is not Phase.DONE:
        return "Finish a run in the Lab first."
    wanted = usual_count(e.split.dataset.family)
    if len(e.references) < wanted and e.retrain_error is None:
        return f"{len(e.references)} of {wanted} retrained models are ready. The record needs all of them."
    return None
