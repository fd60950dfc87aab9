"""An original and settings of LAF that are found on the data at hand, where no measured preset fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.config import MEASURED, as_dict, origin
from core.data.split import Split
from core.methods.laf.automatic import automatic
from core.methods.laf.trials import AutomaticSettings
from core.models.base import Net
from core.runtime.progress import Progress
from core.training.recipe import Recipe, recipe
from core.training.supervised import train

Told = Callable[[Progress], object]


def train_original(
    split: Split, *, seed: int, device: str, progress: Told | None = None
) -> tuple[Net, Recipe | None]:
    """Train g_D by the dataset's measured preset, or by a recipe that is found first; return the model and the recipe.

    The recipe reads the labels that the original is trained on. Retrained models follow it, since it travels with the model.
    """
    if origin(split.dataset.family, split.task) == MEASURED:
        return train(split, seed=seed, device=device, progress=progress), None
    found = recipe(replace(split.dataset, train=split.train), seed=seed, device=device, progress=progress)
    return train(split, seed=seed, config=found.config, device=device, progress=progress), found


def find_settings(split: Split, model: Net, *, seed: int, progress: Told | None = None) -> AutomaticSettings:
    """Return LAF's settings for ``split``, found without a label and without a retrained model; ``seed`` is the run's."""
    return automatic(
        model, split.unlabelled(), split.task, seed=seed, unseen=split.test.unlabelled(), progress=progress
    )


@dataclass(frozen=True)
class AutomaticRecord:
    """The settings that were found, with the training of their original, for reports and JSON."""

    settings: AutomaticSettings
    recipe: Recipe | None

    def describe(self) -> str:
        """Return in one line why these settings were taken."""
        training = f"; original: {self.recipe.reason}" if self.recipe is not None else ""
        return f"found without labels or retrained models: {self.settings.reason}{training}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the training, and each trial with its signals."""
        found = self.settings
        training = None
        if self.recipe is not None:
            training = {
                "config": as_dict(self.recipe.config),
                "tried": [list(pair) for pair in self.recipe.tried],
                "reason": self.recipe.reason,
            }
        return {
            "config": as_dict(found.config),
            "reason": found.reason,
            "description": self.describe(),
            "met": found.met,
            "nothing_to_do": found.nothing_to_do,
            "chosen": found.chosen,
            "seconds": found.seconds,
            "training": training,
            "trials": [
                {
                    "config": as_dict(trial.config),
                    "score": trial.score,
                    "reason": trial.reason,
                    "seconds": trial.seconds,
                    "signals": [asdict(signals) for signals in trial.signals],
                }
                for trial in found.trials
            ],
        }
