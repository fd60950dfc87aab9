"""The supervised training of original models, retrained models and every method that reads labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from core.config import TrainConfig
from core.data.split import Split, require_split
from core.errors import CancelledError
from core.models.base import Net, Provenance
from core.models.registry import build
from core.runtime.bounds import require_config, require_seed
from core.runtime.device import pick_device, torch_threads
from core.runtime.progress import Progress, require_listener
from core.training.federated import start_trainer
from core.training.trainer import SupervisedTrainer, load_optimiser


class Training:
    """Training of an original model in slices. Call ``tick`` until it returns None, then read ``result``."""

    def __init__(
        self, split: Split, *, seed: int = 0, config: TrainConfig | None = None, device: str = "cpu"
    ) -> None:
        self.config = TrainConfig.preset(split.dataset.family, split.task) if config is None else config
        require_config(self.config, TrainConfig, "training")
        self.seed = seed
        self.seconds = 0.0
        model = build(self.config.net, split.dataset.shape, len(split.dataset.classes), seed=seed)
        self._state = start_trainer(
            model.to(pick_device(device)), split, self.config, seed=seed, stage="train"
        )

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Train for about ``budget_s`` seconds and return the Progress.

        Return None when training is already finished.
        """
        state = self._state
        if state.number >= state.total:
            return None
        start = time.perf_counter()
        with torch_threads(self.config.threads):
            state.step()
            while state.number < state.total and time.perf_counter() - start < budget_s:
                state.step()
        self.seconds += time.perf_counter() - start
        return Progress("train", state.number, state.total, self.seconds)

    @property
    def result(self) -> Net:
        """Trained model in eval mode, with its Provenance.

        Raises CancelledError when training is not finished.
        """
        if self._state.number < self._state.total:
            raise CancelledError("training was stopped before it was finished")
        model = self._state.model.eval()
        model.provenance = Provenance(self.config.net, self.seed, self.config, self.seconds)
        return model


def train(
    split: Split,
    *,
    seed: int = 0,
    config: TrainConfig | None = None,
    net: str | None = None,
    device: str = "cpu",
    progress: Callable[[Progress], object] | None = None,
) -> Net:
    """Train the original model g_D on all training images of ``split`` and return it.

    ``config`` and ``net`` are those of the dataset's preset unless given; ``progress`` is called after each
    slice. Raises RequestError for an unknown net or device, DivergedError when training diverges.
    """
    require_split(split, "train")
    require_seed(seed)
    require_listener(progress)
    if net is not None:
        config = TrainConfig.preset(split.dataset.family, split.task) if config is None else config
        require_config(config, TrainConfig, "train")
        config = replace(config, net=net)
    training = Training(split, seed=seed, config=config, device=device)
    while (now := training.tick()) is not None:
        if progress is not None:
            progress(now)
    return training.result


def copy_of(model: nn.Module) -> Any:
    """Return a deep copy on the same device, whose parameters require gradients.

    A Net's ``memory``, never changed, is shared.
    """
    import copy

    memory = getattr(model, "memory", None)
    twin = copy.deepcopy(model, {id(memory): memory})
    for parameter in twin.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None
    return twin


__all__ = ["SupervisedTrainer", "Training", "copy_of", "load_optimiser", "train"]
