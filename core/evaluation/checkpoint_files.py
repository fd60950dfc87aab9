"""Finished checkpoints as models to judge: nothing is trained, unlearned or kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import EvalConfig
from core.data.split import Split
from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport
from core.models.base import Net
from core.models.uploads import fitted
from core.runtime.progress import Work


@dataclass(frozen=True)
class CheckpointFiles:
    """Weights as safetensors, all of one architecture cut at one layer."""

    arch: str  # torchvision's name, or one of ``core.models.uploads.LAB``
    original: Path
    unlearned: Path
    retrained: tuple[Path, ...] = ()
    layer: str = ""  # the last one that will do
    size: int | None = None  # images are scaled to this; None: as they are


@dataclass(frozen=True, eq=False)
class EvaluatedCheckpoints:
    """What was found of the unlearned model, of the original as if nothing had been done, and of each retrained one."""

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
    """Judge ``files.unlearned`` on ``split``, a slice at each ``next``; without retrained models there are no bands.

    Raises RequestError where a file does not fit architecture or dataset, DataError where one cannot be read; either names it.
    """
    original, unlearned = (_model(split, files, path, device) for path in (files.original, files.unlearned))
    known = [Retrained(n, _model(split, files, path, device), 0.0) for n, path in enumerate(files.retrained)]
    judge = Evaluator(split, original, known, config=config, seed=seed)
    found = yield from judge.judge(unlearned)
    before = yield from judge.judge(original)
    retrained = []
    for one in known:
        retrained.append((yield from judge.judge(one.model, reference=one.number)))
    return EvaluatedCheckpoints(found, before, tuple(retrained))


def require_files(files: CheckpointFiles) -> None:
    """Raise DataError for the first file that is not there, before anything is loaded."""
    from core.errors import DataError

    for path in (files.original, files.unlearned, *files.retrained):
        if not os.path.isfile(path):  # False for a name that is too long, where Path.is_file raises
            raise DataError(f"{path} is no file; name a safetensors file of weights")


def describe(files: CheckpointFiles, references: Sequence[Path] | None = None) -> str:
    """What is held against what, in a sentence."""
    count = len(files.retrained if references is None else references)
    if not count:
        return f"{files.unlearned.name} beside {files.original.name}; without retrained models there is no band to hold it against."
    several = (
        f"{count} retrained models"
        if count > 1
        else "one retrained model, which is one draw and makes no band"
    )
    return f"{files.unlearned.name} beside {files.original.name} and {several}."


def _model(split: Split, files: CheckpointFiles, path: Path, device: str) -> Net:
    _, _, model = fitted(files.arch, files.layer, path, split.dataset, str(path), files.size)
    return model.to(device).eval()
