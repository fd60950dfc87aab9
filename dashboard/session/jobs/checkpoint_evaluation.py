"""Finished checkpoints that somebody uploads, judged by the runner's threads; no screen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.data.split import Split
from core.data.uploads.names import clean_name
from core.errors import LabError
from core.evaluation.checkpoint_files import (
    CheckpointFiles,
    EvaluatedCheckpoints,
    describe,
    evaluate_checkpoints,
)
from core.experiments.comparison_summary import Line, Summary, entries_of
from core.runtime.device import pick_device
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler, SlicedTask

Upload = tuple[str, bytes]  # name and content


class EvaluationJob:
    """One set of files at a time; whoever shows it polls the attributes."""

    def __init__(self, runner: Scheduler) -> None:
        self._runner = runner
        self._task: SlicedTask | None = None
        self._clear()

    def _clear(self) -> None:
        self.found: EvaluatedCheckpoints | None = None
        self.about = ""
        self.split: Split | None = None
        self.progress: Progress | None = None
        self.error: str | None = None

    def start(
        self, split: Split, arch: str, layer: str, size: int | None, original: Upload, unlearned: Upload, retrained: Sequence[Upload]
    ) -> None:  # fmt: skip
        """Judge ``unlearned``; what was judged before is forgotten."""
        self.close()
        self.split = split
        work = self._work(split, arch, layer, size, [original, unlearned, *retrained])
        self._task = SlicedTask(work, self._failed)
        self._runner.submit(self._task)

    @property
    def busy(self) -> bool:
        """Whether it is being judged."""
        return self._task is not None and self._task.alive

    def close(self) -> None:
        """Stop, and forget what was found."""
        if self._task is not None:
            self._runner.discard(self._task)
        self._task = None
        self._clear()

    def _failed(self, error: LabError) -> None:
        self.error = self.error or str(error)

    def _work(
        self, split: Split, arch: str, layer: str, size: int | None, uploads: Sequence[Upload]
    ) -> Iterator[None]:
        with tempfile.TemporaryDirectory(prefix="laf-judge-") as folder:
            paths = []
            for number, (name, content) in enumerate(uploads):
                path = Path(folder) / str(number) / (clean_name(Path(name).name) or "weights.safetensors")
                path.parent.mkdir()
                path.write_bytes(content)
                paths.append(path)
            files = CheckpointFiles(arch, paths[0], paths[1], tuple(paths[2:]), layer, size)
            yield
            slices = evaluate_checkpoints(split, files, device=str(pick_device()))
            try:
                while True:
                    self.progress = next(slices)
                    yield
            except StopIteration as end:
                self.found, self.about = end.value, describe(files)
            except LabError as error:  # names are those that were uploaded, not where they lie meanwhile
                text = str(error)
                for number in range(len(paths)):
                    text = text.replace(f"{Path(folder) / str(number)}/", "")
                self.error = text


def summary_of(found: EvaluatedCheckpoints) -> Summary:
    """The files as rows of a table: the unlearned model, the original, and each retrained one against the others."""
    judged: list[tuple[str, str, Any]] = [
        ("unlearned", "Unlearned", found.unlearned),
        ("nothing", "Original", found.original),
    ]
    judged += [("references", f"Retrained {n + 1}", one) for n, one in enumerate(found.retrained)]
    lines = tuple(Line(kind, title, entries_of([j]), {}) for kind, title, j in judged)
    return Summary(dict(found.unlearned.figures), lines, (0,))
