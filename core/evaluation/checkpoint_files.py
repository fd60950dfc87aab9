"""The evaluation of finished checkpoints, without training, unlearning or saving."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import EvalConfig
from core.data.split import Split
from core.errors import DataError
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport
from core.models.base import Net
from core.models.uploads import assemble_unmeasured
from core.runtime.progress import Work


@dataclass(frozen=True)
class CheckpointFiles:
    """Files of safetensors weights, all of one architecture, split into extractor and head at one layer."""

    arch: str  # torchvision's name, or one of ``core.models.uploads.LAB``
    original: Path
    unlearned: Path
    retrained: tuple[Path, ...] = ()
    layer: str = ""  # empty: the last layer at which the net can be split
    size: int | None = None  # images are scaled to this size; None: not scaled


@dataclass(frozen=True, eq=False)
class EvaluatedCheckpoints:
    """The reports on the unlearned model, the original and each retrained model."""

    unlearned: EvaluationReport
    original: EvaluationReport
    retrained: tuple[EvaluationReport, ...]


def evaluate_checkpoints(
    split: Split,
    files: CheckpointFiles,
    *,
    config: EvalConfig | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Work[EvaluatedCheckpoints]:
    """Evaluate the models of ``files`` on ``split``, a slice at each ``next``. Without retrained models there are no bands.

    Raises RequestError where a file does not fit architecture or dataset, DataError where a file cannot be read. Both name it.
    """
    original, unlearned = (
        _load_model(split, files, path, device) for path in (files.original, files.unlearned)
    )
    references = [
        Retrained(n, _load_model(split, files, path, device), 0.0) for n, path in enumerate(files.retrained)
    ]
    evaluator = Evaluator(split, original, references, config=config, seed=seed)
    of_unlearned = yield from evaluator.judge(unlearned)
    of_original = yield from evaluator.judge(original)
    of_references = []
    for reference in references:
        of_references.append((yield from evaluator.judge(reference.model, reference=reference.number)))
    return EvaluatedCheckpoints(of_unlearned, of_original, tuple(of_references))


def require_files(files: CheckpointFiles) -> None:
    """Raise DataError for the first file that does not exist, before a file is loaded."""
    for path in (files.original, files.unlearned, *files.retrained):
        if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
            raise DataError(f"{path} is not a file; name a safetensors file of weights")


def describe(files: CheckpointFiles, references: Sequence[Path] | None = None) -> str:
    """Return a sentence that says which models are compared."""
    count = len(files.retrained if references is None else references)
    if not count:
        return f"{files.unlearned.name} beside {files.original.name}; without retrained models there is no band to compare with."
    several = f"{count} retrained models" if count > 1 else "one retrained model, which is too few for a band"
    return f"{files.unlearned.name} beside {files.original.name} and {several}."


def _load_model(split: Split, files: CheckpointFiles, path: Path, device: str) -> Net:
    _, _, model = assemble_unmeasured(files.arch, files.layer, path, split.dataset, str(path), files.size)
    return model.to(device).eval()
