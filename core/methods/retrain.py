"""The gold standard: the same net trained from scratch on D_r."""

from __future__ import annotations

import time
from dataclasses import replace

from core.config import TrainConfig
from core.data.split import Split
from core.methods.base import IMAGES_R, LABELS_R
from core.methods.step import Stage, Step
from core.models.base import Net, device_of, training_of
from core.models.own_modules import PREFIX
from core.models.registry import build
from core.runtime.progress import Progress
from core.training.federated import FederatedTrainer, start_trainer, step_count
from core.training.trainer import SupervisedTrainer


class Retrain:
    """Supervised training on D_r from the original's initial weights, so that their representations are comparable.

    Where D has clients, they train it by federated averaging, as they trained the original.
    """

    name = "retrain"
    title = "Retrained from scratch"
    needs_labels = True
    Config = TrainConfig
    reads = (IMAGES_R, LABELS_R)

    def __init__(self, config: TrainConfig | None = None, *, begin: int | None = None) -> None:
        self.config = config
        self._begin = begin  # seed of the initial weights; None: the original's

    def configure(self, model: Net | None, split: Split) -> None:
        """Choose the settings that trained the original, unless the caller gave a config; a wrapped module keeps its net.

        An estimate of the time has a config and no model. Raises RequestError when it is not known how the original was trained.
        """
        if model is None:
            return
        if self.config is None:
            self.config = training_of(model)
        elif model.provenance is not None and model.provenance.net.startswith(PREFIX):
            self.config = replace(self.config, net=model.provenance.net)

    def stages(self, split: Split, config: TrainConfig) -> tuple[Stage, ...]:
        """Return one stage with a step for each minibatch of D_r."""
        return (Stage("retrain", "retraining", step_count(split, config, remaining=True)),)

    def start(self, model: Net, split: Split, *, seed: int) -> SupervisedTrainer | FederatedTrainer:
        """Start from the original's initial weights, from those of ``begin``, or from those of ``seed`` where neither is known."""
        config = self.config
        assert config is not None
        provenance = model.provenance
        if self._begin is not None:
            weight_seed = self._begin
        elif provenance and provenance.net == config.net and provenance.given is None:
            weight_seed = provenance.seed
        else:
            weight_seed = seed
        fresh = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=weight_seed)
        return start_trainer(
            fresh.to(device_of(model)), split, config, seed=seed, stage="retrain", remaining=True
        )

    def prepare(self, state: SupervisedTrainer | FederatedTrainer, config: TrainConfig) -> Progress | None:
        """Return None: there is nothing to prepare."""
        return None

    def step(self, state: SupervisedTrainer | FederatedTrainer, config: TrainConfig) -> Step:
        """Train on one minibatch of D_r."""
        start = time.perf_counter()
        loss = state.step()
        epoch = (state.number - 1) // state.epoch_steps + 1  # or round, of federated averaging
        seconds = time.perf_counter() - start
        return Step(state.number, state.total, epoch, "retrain", {"cross_entropy": loss}, {}, seconds=seconds)

    def result(self, state: SupervisedTrainer | FederatedTrainer) -> Net:
        """Return the model in eval mode; not a copy."""
        return state.model.eval()
