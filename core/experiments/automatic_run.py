"""An original and settings of LAF that are found on the data at hand, where no measured preset fits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from core.config import MEASURED, TrainConfig, as_dict, origin
from core.data.images import Images
from core.data.later_request import at_once
from core.data.split import Split, require_split
from core.errors import RequestError
from core.methods.base import has_own_original
from core.methods.laf.automatic import search as automatic
from core.methods.laf.automatic.trials import AutomaticSettings
from core.models.base import Net, device_of, outputs, require_classifier
from core.runs.original_models import net_training, original, planned_training, untrained
from core.runs.records import Mark
from core.runs.reference_models import RetrainedBeside, gains_beside
from core.runs.run import Run
from core.runs.setup import Setup
from core.runtime.bounds import require_seed
from core.runtime.content_cache import content_key, models
from core.runtime.device import pick_device, usable_cores
from core.runtime.progress import Progress, Work, run_to_end
from core.training import recipe
from core.training.recipe import Recipe
from core.training.rehearsal import rehearse

GONE = 0.2  # an answer this much rarer on the images that are left than on test images is forgotten
ANSWERED = 2000  # images that are left, evenly over all
Told = Callable[[Progress], object]


def get_original(
    split: Split, *, seed: int, device: str, net: str | None = None, progress: Told | None = None
) -> tuple[Net, Recipe | None]:
    """Return g_D as the Lab has it, from the cache where it is there, and the recipe of its training where one was found.

    The recipe reads the labels that the original is trained on. Retrained models follow it, since it travels with the model.
    ``net``: as in ``training_recipe``.
    """
    found = run_to_end(training_recipe(split, seed=seed, device=device, net=net), progress)
    config = None if found is None else found.config
    return run_to_end(original(split, seed=seed, device=device, config=config), progress), found


def retrained_beside(split: Split, unlearner: Any, setup: Setup, *, device: str) -> RetrainedBeside | None:
    """Return the model to retrain beside the work on the original of ``setup``; None where it must come after that.

    It needs a second core and a net that gains, and the training of the original must be known before the original is there.
    """
    searched = setup.settings == "automatic" and not has_measured_training(split)
    if searched or unlearner.name == "retrain" or has_own_original(unlearner) or usable_cores() < 2:
        return None
    model = untrained(split, seed=setup.seed, device=device)
    if not gains_beside(model, split) or getattr(unlearner.config, "threads", 1) != 1:
        return None
    return RetrainedBeside(split, model, seed=setup.seed)


def has_measured_training(split: Split) -> bool:
    """Return whether the training preset of the dataset was measured on its own images, so that no recipe is needed."""
    return origin(split.dataset.family, split.task) == MEASURED


def expected_training(setup: Setup, split: Split) -> TrainConfig:
    """Return the training of the original before it is found: the preset's, a chosen net's, or what a recipe plans."""
    if (chosen := net_training(setup, split)) is not None:
        return chosen
    if setup.settings == "automatic" and setup.model is None and not has_measured_training(split):
        return recipe.plan(split.dataset, device=setup.device)[0]
    with suppress(RequestError):  # uploaded data with an uploaded model has no preset
        return TrainConfig.preset(split.dataset.family, split.task)
    return TrainConfig()


def training_recipe(split: Split, *, seed: int, device: str, net: str | None = None) -> Work[Recipe | None]:
    """Find the training of ``get_original`` in slices, or take it from the cache; None where the measured preset is used.

    ``net``: a chosen net, for which no preset was measured; None leaves the choice to preset and recipe.
    """
    if net is None and has_measured_training(split):
        return None
    if net is not None:
        planned_training(split.dataset, net, device)  # raises where the net cannot take the images
    dataset = replace(split.dataset, train=split.train)
    chosen = [] if net is None else [net]
    key = content_key("recipe", dataset.fingerprint, seed, pick_device(device).type, *chosen)
    kept = _recipe_from(models.get(key))
    if kept is not None:
        return kept
    found = yield from recipe.find(dataset, seed=seed, device=device, net=net)
    models.put(key, _recipe_dict(found), dataset=dataset.name, kind="training recipe")
    return found


def find_settings(split: Split, model: Net, *, seed: int, progress: Told | None = None) -> AutomaticSettings:
    """Return LAF's settings for ``split``, found without a label and without a retrained model; ``seed`` is the run's.

    Raises RequestError for another kind of argument, such as a Dataset in place of the Split.
    """
    require_split(split, "find_settings")
    require_classifier(model, split.dataset.shape, len(split.dataset.classes))
    require_seed(seed)
    return run_to_end(settings_search(split, model, seed=seed), progress)


def settings_search(split: Split, model: Net, *, seed: int) -> Work[AutomaticSettings]:
    """Find the settings of ``find_settings`` in slices. Where a client leaves, one round is rehearsed without it first."""
    seen = None
    if split.task in ("data", "indices"):
        seen = yield from rehearse(model, split, seed=seed)
    as_class = seen.describe() if seen is not None and seen.forgets else ""
    unseen = yield from _unseen(split, model)
    work = automatic.find(model, split.unlabelled(), split.task, seed=seed, unseen=unseen, as_class=as_class)
    return (yield from work)


def _unseen(split: Split, model: Net) -> Work[Images]:
    """Return the test images that no training saw, without labels, to compare D_f with.

    After earlier requests those are left out to which the chain's first original gives answers that hardly any image that is left has: the
    model has forgotten such images, and is less sure of them for that reason alone.
    """
    images, made = split.test.unlabelled(), model.provenance
    if split.earlier_rows is None or split.task == "noise" or made is None or made.given:
        return images
    device = str(device_of(model))
    first = yield from original(at_once(split), seed=made.seed, device=device, config=made.config)
    left = split.unlabelled().train
    some = left.take(torch.arange(0, len(left), max(1, len(left) // ANSWERED)))
    here, there = (outputs(first, part).predictions.cpu() for part in (some, images))
    classes = len(split.dataset.classes)
    gone = here.bincount(minlength=classes) / len(here) < GONE * there.bincount(minlength=classes) / len(
        there
    )
    return images.take(~gone[there])


def _recipe_dict(found: Recipe) -> dict[str, Any]:
    return {
        "config": as_dict(found.config),
        "tried": [list(pair) for pair in found.tried],
        "expected_s": found.expected_s,
        "reason": found.reason,
    }


def _recipe_from(values: dict[str, Any] | None) -> Recipe | None:
    """Return the Recipe of what ``_recipe_dict`` gave; None for anything else."""
    try:
        assert values is not None
        tried = tuple((int(epochs), float(accuracy)) for epochs, accuracy in values["tried"])
        return Recipe(
            TrainConfig(**values["config"]), tried, float(values["expected_s"]), str(values["reason"])
        )
    except (AssertionError, KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class AutomaticRecord:
    """The settings that were found, with the training of their original, for reports and JSON."""

    settings: AutomaticSettings
    recipe: Recipe | None

    def describe(self) -> str:
        """Return in one line why these settings were taken."""
        training = f"; original: {self.recipe.reason}" if self.recipe is not None else ""
        return f"found without labels or retrained models: {self.settings.reason}{training}"

    def without_models(self) -> AutomaticRecord:
        """Return the same record without the trials' models, which take memory."""
        trials = tuple(replace(trial, model_state=None) for trial in self.settings.trials)
        return replace(self, settings=replace(self.settings, trials=trials))

    def end(self, run: Run) -> None:
        """Have ``run`` say why it stops where it does, where it has the settings that were found."""
        config = self.settings.config
        if run.config == config:
            run.history.stop = Mark(run.total_steps, f"LAF stopped here: {self.stop_reason}")

    @property
    def stop_reason(self) -> str:
        """The sentence that says why the chosen trial stopped where it did."""
        return self.settings.trials[self.settings.chosen].reason

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the training, and each trial with its signals."""
        found = self.settings
        training = None if self.recipe is None else _recipe_dict(self.recipe)
        return {
            "config": as_dict(found.config),
            "reason": found.reason,
            "description": self.describe(),
            "met": found.met,
            "nothing_to_do": found.nothing_to_do,
            "chosen": found.chosen,
            "stop_reason": self.stop_reason,
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
