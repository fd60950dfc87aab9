"""The verdict on a finished run of an Experiment, from frames of the original, the run and the retrained models on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from core.evaluation.metrics import Reading, Report, jensen_shannon
from core.evaluation.verdict import Verdict, verdict
from core.runs.records import Frame, Phase
from core.runs.run import Run
from core.runs.storage import Recorder
from core.runs.storage.serialization import report_dict
from core.training.recipe import LearningCheck


class Outcome:
    """The report and the verdict of one run at its end. A run that goes on keeps its first report, as that at the stop."""

    def __init__(self) -> None:
        self.report: Report | None = None  # on all images; None where the last frame is of all anyway
        self.report_at_stop: Report | None = None  # of a run that went on: the report at its first end
        self.verdict: Verdict | None = None  # once all references are there
        self._known: tuple[int, int] | None = None  # the steps, and the revision of the references
        self._stopped_at = 0  # the step of ``report_at_stop``

    def is_known(self, run: Run, revision: int) -> bool:
        """Return whether ``note`` has what there is to know."""
        return self._known == (len(run.steps), revision)

    def note(
        self,
        run: Run,
        revision: int,
        report: Report | None,
        verdict: Verdict | None,
        ended: dict[str, Any] | None = None,
    ) -> None:
        """Take over what was found of ``run``, which is done, and keep it with the run; ``ended`` as ``end_of`` gives it."""
        self._known = len(run.steps), revision
        if report is None and verdict is None:
            return
        self.report = report
        self.verdict = verdict
        if isinstance(run.recorder, Recorder) and run.phase is Phase.DONE:  # not rewound meanwhile
            found: dict[str, Any] = {} if report is None else {"report": report_dict(report)}
            if verdict is not None:
                found["verdict"] = {**verdict.as_dict(), "text": verdict.describe()}
            if ended is not None:
                found["ended"] = ended
            run.recorder.tell(**found)

    def go_on(self, run: Run) -> None:
        """Forget the end of ``run``, which goes on, but for its first report."""
        if self.report_at_stop is None and self.report is not None and self._known is not None:
            self.report_at_stop, self._stopped_at = self.report, self._known[0]
        self.report = self.verdict = self._known = None
        if self.report_at_stop is not None and isinstance(run.recorder, Recorder):
            run.recorder.tell(report_at_stop=report_dict(self.report_at_stop))

    def back_to(self, step: int) -> Outcome:
        """Return what still holds of a run that was taken back to ``step``: the report at a stop before it."""
        found = Outcome()
        if self.report_at_stop is not None and self._stopped_at <= step:
            found.report_at_stop, found._stopped_at = self.report_at_stop, self._stopped_at
        return found


def judge(run: Run, references: Sequence[Frame], learning: LearningCheck | None) -> Verdict | None:
    """Return the verdict on ``run``, compared with frames of the retrained models; None until everything that it needs is there.

    It reads the frame of the original and the frame of the run's last step, which are of the same images.
    """
    if run.phase is not Phase.DONE or run.observer is None or not references or not run.frames:
        return None
    last = run.frames[-1]
    if last.step != len(run.steps):
        return None
    gold = [frame.reading for frame in references]
    pixels = None if learning is None or learning.learnt else learning.neighbours
    return verdict(
        run.stepper.split.task,
        report_of(run.observer.original.reading, gold),
        [report_of(reading, gold) for reading in gold],
        report_of(last.reading, gold),
        steps=len(run.steps),
        pixel_accuracy=pixels,
    )


NUMBERS = ("train_r", "train_f", "newest_f", "test", "test_r", "test_f")


def end_of(run: Run, references: Sequence[Frame]) -> dict[str, Any] | None:
    """Return the figures of a finished run for the list of its chain: of the model and of the retrained models' mean.

    Each has NUMBERS in [0, 1], "js" in nats to retrained models and "auc" of the attack, None where something is missing. ``costs``
    are there too. None before the retrained models are there.
    """
    if not references or not run.frames:
        return None
    gold = [frame.reading for frame in references]
    mine = figures(report_of(run.frames[-1].reading, gold))
    each = [figures(report_of(g, [o for o in gold if o is not g])) for g in gold]
    mean = {
        name: None if any(e[name] is None for e in each) else sum(e[name] for e in each) / len(each)
        for name in mine
    }
    return {"unlearned": mine, "retrained": mean, **costs(run)}


def costs(run: Run) -> dict[str, Any]:
    """Return the seconds of a run without evaluation, and the share of its steps, in [0, 1], whose gradients are in conflict."""
    cosines = [step.grad_cosine for step in run.steps if step.grad_cosine is not None]
    conflict = sum(c < 0 for c in cosines) / len(cosines) if cosines else None
    return {"seconds": run.history.seconds_except({"evaluate"}), "conflict": conflict}


def figures(report: Report) -> dict[str, Any]:
    """Return the NUMBERS of a report with its "js" and its attack's "auc"."""
    found = {name: getattr(report, name) for name in NUMBERS}
    return {**found, "js": report.js, "auc": report.attack.auc}


def report_of(reading: Reading, references: Sequence[Reading]) -> Report:
    """Return ``reading`` with its Jensen-Shannon divergence on D_f to each of ``references``, which are of the same images."""
    values = {f.name: getattr(reading, f.name) for f in fields(Reading)}
    distances = [
        jensen_shannon(reading.forget_probabilities, other.forget_probabilities) for other in references
    ]
    return Report(**values, js_to_references=tuple(distances))
