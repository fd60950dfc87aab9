"""The gold standard: the same net trained from scratch on what remains."""

from __future__ import annotations

import math
import time

from core.config import TrainConfig
from core.data.split import Split
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.models.registry import build
from core.runtime.progress import Progress
from core.training.supervised import SupervisedTrainer


class Retrain:
    """Supervised training on D_r from the original's initial weights, so that its map is comparable (trap 5)."""

    name = "retrain"
    title = "Retrained from scratch"
    needs_labels = True

    def __init__(self, config: TrainConfig | None = None, *, begin: int | None = None) -> None:
        self.config = config
        self._begin = begin  # seed of the initial weights; None: the original's

    def configure(self, model: Net, split: Split) -> None:
        """Train as the original was trained; by the dataset's preset where that is not known."""
        if self.config is None:
            known = model.provenance
            self.config = known.config if known else TrainConfig.preset(split.dataset.family, split.task)

    def stages(self, split: Split, config: TrainConfig) -> tuple[Stage, ...]:
        """One step a minibatch of D_r."""
        batches = math.ceil(len(split.remain_rows) / config.batch_size)
        return (Stage("retrain", "retraining", config.epochs * batches),)

    def start(self, model: Net, split: Split, *, seed: int) -> SupervisedTrainer:
        """Fresh weights: those the original began with, or those of ``seed`` where its beginning is not known or ``begin`` says
        otherwise."""
        config = self.config
        assert config is not None
        made = model.provenance
        known = self._begin is None and made and made.net == config.net and made.given is None
        begin = made.seed if made and known else seed if self._begin is None else self._begin
        fresh = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=begin)
        return SupervisedTrainer.start(
            fresh.to(device_of(model)), split.remain, config, seed=seed, stage="retrain"
        )

    def prepare(self, state: SupervisedTrainer, config: TrainConfig) -> Progress | None:
        """Nothing to prepare."""
        return None

    def step(self, state: SupervisedTrainer, config: TrainConfig) -> Step:
        """One minibatch of D_r."""
        start = time.perf_counter()
        loss = state.step()
        epoch = (state.number - 1) // len(state.batches) + 1
        seconds = time.perf_counter() - start
        return Step(state.number, state.total, epoch, "retrain", {"cross_entropy": loss}, {}, seconds=seconds)

    def result(self, state: SupervisedTrainer) -> Net:
        """The model so far, in eval mode."""
        return state.model.eval()
