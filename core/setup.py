"""A Setup: what a person chose, as plain values; the command line and the page both begin with one."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.images import Dataset
from core.data.split import Split, forget_classes, forget_fraction
from core.errors import RequestError


@dataclass(frozen=True)
class Setup:
    """What a person chose: enough to make the same Experiment again."""

    dataset: str = "digits"
    task: str = "class"
    classes: tuple[int | str, ...] = (0,)
    fraction: float | None = None  # for task "data"
    seed: int = 0
    data_dir: str | None = None
    device: str = "auto"

    def split(self, dataset: Dataset) -> Split:
        """The Split this asks for. Raises RequestError when the request is wrong."""
        if self.task == "class":
            return forget_classes(dataset, self.classes, seed=self.seed)
        if self.task == "data":
            return forget_fraction(
                dataset, self.classes, 0.4 if self.fraction is None else self.fraction, seed=self.seed
            )
        raise RequestError(f"unknown task {self.task!r}; there are: class, data")
