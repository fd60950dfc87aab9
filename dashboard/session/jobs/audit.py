"""The job that draws up the deletion record of a finished run, for the page Audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.data.split import Split
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.evaluator import Evaluator
from core.evaluation.metric_specs import METRIC_SPECS
from core.evaluation.reference_band import Retrained
from core.experiments.audit import TESTED, DeletionRecord, audit
from core.experiments.audit_request import DeletionRequest
from core.experiments.session.experiment import Experiment
from core.models.base import Net
from core.runs.reference_models import usual_count
from core.runs.run import Phase, Run
from core.runtime.device import peak_memory_mb
from core.runtime.progress import Work
from dashboard.presentation.text.pages import audit as say
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

    def draw_up(self, e: Experiment, request: DeletionRequest | None = None) -> None:
        """Start to draw up the record of the finished run of ``e``, for ``request``."""
        assert e.run is not None
        assert e.split is not None
        assert e.model is not None
        self.start(self._work(e, e.run, e.split, e.model, request))

    def _work(
        self, e: Experiment, run: Run, split: Split, model: Net, request: DeletionRequest | None
    ) -> Work[DatedRecord]:
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
            request=request,
            subjects=subjects_of(split),
        )
        return DatedRecord(record, datetime.now())


def subjects_of(split: Split) -> dict[str, tuple[int, ...]]:
    """Return the ids of the forgotten images of each subject that the dataset knows."""
    data = split.dataset
    if data.subject_of is None:
        return {}
    rows = split.forget_rows.cpu()
    of = data.subject_of.cpu()[rows]
    ids = split.train.ids.cpu()[rows]
    return {data.subjects[i]: tuple(ids[of == i].tolist()) for i in sorted(set(of[of >= 0].tolist()))}


def what_is_tested(e: Experiment) -> list[dict[str, str]]:
    """Return the tests of a record, before there is one: name and meaning."""
    task = e.setup.task
    optional = {"clean_f": task == "noise", "planted": e.setup.plant is not None, "test_r": task == "class"}
    specs = [METRIC_SPECS[key] for key in TESTED if optional.get(key, True)]
    found = [{say.TEST: s.label, say.MEANING: s.help} for s in specs]
    found += [{say.TEST: say.auc_of(a.title), say.MEANING: a.help} for a in ATTACKS.values()]
    return found


def why_not(e: Experiment) -> str | None:
    """Return why no record can be drawn up now, or None."""
    run = e.run
    if run is None or e.split is None:
        return say.ORIGINAL_FIRST
    if run.phase is not Phase.DONE:
        if run.phase is Phase.RUNNING:
            return say.IS_PLAYING
        return say.NEEDS_A_FINISHED_RUN
    wanted = usual_count(e.split.dataset.family)
    if len(e.references) < wanted and e.retrain_error is None:
        return say.retraining(len(e.references), wanted)
    return None
