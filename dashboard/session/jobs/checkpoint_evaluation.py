"""The job that evaluates uploaded checkpoints, for the page Judge."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.split import Split
from core.data.uploads.names import clean_name
from core.errors import LabError, RequestError
from core.evaluation.checkpoint_files import (
    CheckpointFiles,
    EvaluatedCheckpoints,
    describe,
    evaluate_checkpoints,
)
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.experiments.comparison_summary import Line, Summary, summarise_metrics
from core.experiments.session.experiment import Experiment
from core.models.base import Net
from core.runs.run import Phase
from core.runtime.device import pick_device
from core.runtime.progress import Work
from dashboard.presentation.text.pages import judge as say
from dashboard.session.jobs.base import BackgroundJob

Upload = tuple[str, bytes]  # name and content


@dataclass(frozen=True)
class Checkpoints:
    """Uploaded checkpoints of one architecture. ``layer`` and ``size`` are those of CheckpointFiles."""

    arch: str
    layer: str
    size: int | None
    original: Upload
    unlearned: Upload
    retrained: Sequence[Upload] = ()

    @property
    def uploads(self) -> list[Upload]:
        """All files: the original, the unlearned one, then the retrained ones."""
        return [self.original, self.unlearned, *self.retrained]


@dataclass(frozen=True)
class Evaluation:
    """The figures of the checkpoints, and a description of the files."""

    figures: EvaluatedCheckpoints
    about: str


class EvaluationJob(BackgroundJob[Evaluation]):
    """The evaluation of one set of uploaded checkpoints."""

    def evaluate(self, split: Split, checkpoints: Checkpoints) -> None:
        """Start to evaluate ``checkpoints`` on ``split``; an earlier evaluation is dropped."""
        self.start(_evaluate(split, checkpoints))

    def evaluate_run(self, e: Experiment) -> None:
        """Start to evaluate the Lab's finished run, with its original and its retrained models. Raises RequestError without one."""
        if e.run is None or e.split is None or e.model is None or e.run.phase is not Phase.DONE:
            raise RequestError(say.NOT_FINISHED)
        references = [Retrained(n, r.model, r.seconds) for n, r in enumerate(e.references)]
        self.start(_evaluate_run(e.split, e.model, e.run.result, references, e.setup.seed))


def _evaluate(split: Split, checkpoints: Checkpoints) -> Work[Evaluation]:
    with tempfile.TemporaryDirectory(prefix="laf-judge-") as folder:
        paths = _write(checkpoints.uploads, Path(folder))
        files = CheckpointFiles(
            checkpoints.arch, paths[0], paths[1], tuple(paths[2:]), checkpoints.layer, checkpoints.size
        )
        try:
            figures = yield from evaluate_checkpoints(split, files, device=str(pick_device()))
        except LabError as error:  # the message must show the uploaded names, not the temporary paths
            text = str(error)
            for path in paths:
                text = text.replace(f"{path.parent}/", "")
            raise LabError(text) from error
        return Evaluation(figures, describe(files))


def _evaluate_run(
    split: Split, original: Net, unlearned: Net, references: list[Retrained], seed: int
) -> Work[Evaluation]:
    evaluator = Evaluator(split, original, references, seed=seed)
    of_unlearned = yield from evaluator.judge(unlearned)
    of_original = yield from evaluator.judge(original)
    of_references = []
    for reference in references:
        of_references.append((yield from evaluator.judge(reference.model, reference=reference.number)))
    about = say.lab_run(len(references))
    return Evaluation(EvaluatedCheckpoints(of_unlearned, of_original, tuple(of_references)), about)


def _write(uploads: Sequence[Upload], folder: Path) -> list[Path]:
    """Write each upload under its cleaned name into a subfolder of its own."""
    paths = []
    for number, (name, content) in enumerate(uploads):
        path = folder / str(number) / (clean_name(Path(name).name) or "weights.safetensors")
        path.parent.mkdir()
        path.write_bytes(content)
        paths.append(path)
    return paths


def summary_of(found: EvaluatedCheckpoints) -> Summary:
    """Return one table row for each model. Each retrained model is compared with the other retrained ones."""
    judged: list[tuple[str, str, Any]] = [
        ("unlearned", say.UNLEARNED_ROW, found.unlearned),
        ("nothing", say.ORIGINAL_ROW, found.original),
    ]
    judged += [("references", say.retrained_row(n + 1), one) for n, one in enumerate(found.retrained)]
    lines = tuple(Line(kind, title, summarise_metrics([j]), {}) for kind, title, j in judged)
    return Summary(dict(found.unlearned.figures), lines, (0,))
