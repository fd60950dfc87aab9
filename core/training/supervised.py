"""The supervised training loop of original models, retrained models and every method that reads labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrainConfig
from core.data.images import LabelledImages, kind_of
from core.data.split import Split
from core.errors import CancelledError, DivergedError, RequestError
from core.models.base import Net, Provenance, device_of
from core.models.registry import build
from core.runtime import seeding
from core.runtime.bounds import require_config
from core.runtime.device import pick_device, torch_threads
from core.runtime.progress import Progress
from core.training.augment import crop_and_flip
from core.training.batches import Batches
from core.training.optimizer import adam


@dataclass
class SupervisedTrainer:
    """State of Adam on cross-entropy over ``images``, which can be saved at any step and continued to the bit."""

    model: Net
    images: LabelledImages
    config: TrainConfig
    batches: Batches
    optimiser: torch.optim.Adam
    stage: str
    chance: torch.Generator  # of crops, mirror images and dropout, on the images' device
    number: int = 0  # steps taken
    part: nn.Module | None = None  # the module to train; None: the whole model

    @classmethod
    def start(
        cls,
        model: Net,
        images: LabelledImages,
        config: TrainConfig,
        *,
        seed: int,
        stage: str,
        part: nn.Module | None = None,
    ) -> SupervisedTrainer:
        """Return the state before step 1. ``model`` is trained in place, so pass a copy.

        When only ``part`` is trained, the model stays in eval mode and its batch statistics do not change.
        Raises RequestError where ``config`` augments data that are no images.
        """
        kind = kind_of(images.x.shape[1:])
        if config.augment and kind != "images":
            raise RequestError(
                f"augment crops and mirrors images, and these data are {kind}; set it to false"
            )
        device = device_of(model)
        return cls(
            model,
            images.to(device),
            config,
            Batches(len(images), config.batch_size, seeding.derive_seed(seed, stage), "order"),
            adam((part or model).parameters(), config.lr, device, config.weight_decay),
            stage,
            seeding.generator(seed, stage, "chance", device=device),
            part=part,
        )

    @property
    def total(self) -> int:
        """Number of steps of the whole training."""
        return self.config.epochs * len(self.batches)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.number // len(self.batches)

    def step(self) -> float:
        """Train on one minibatch and return the mean cross-entropy before the update.

        Raises DivergedError when the cross-entropy, or a weight at the end of an epoch, is NaN or infinite.
        """
        rows = self.batches.draw().to(self.images.x.device)
        self.model.train(self.part is None and len(rows) > 1)  # one image has no batch statistics
        x = self.images.floats(rows)
        if self.config.augment:
            x = crop_and_flip(x, self.chance, mirrors=self.config.mirrors)
        with seeding.SeededDraws(self.chance) if self.model.draws else nullcontext():
            logits = self.model(x)
        loss = functional.cross_entropy(logits, self.images.y[rows])
        value = float(loss.detach())
        self.number += 1
        if not value < float("inf"):
            raise DivergedError("the cross-entropy", stage=self.stage, step=self.number, advice="lower lr")
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.optimiser.zero_grad(set_to_none=True)
        learning = None if self.part is None else list(self.part.parameters())
        loss.backward(inputs=learning)  # type: ignore[no-untyped-call]
        self.optimiser.step()
        ends_epoch = self.number % len(self.batches) == 0
        if ends_epoch and not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise DivergedError("a weight", stage=self.stage, step=self.number, advice="lower lr")
        return value

    def _rate(self) -> float:
        """Return the rate of step ``number``: constant, or lr · (1 + cos(π · (number − 1) / total)) / 2.

        In the first warmup · total steps it is multiplied by number / (warmup · total).
        """
        rate = self.config.lr
        if self.config.decays:
            rate *= (1 + math.cos(math.pi * (self.number - 1) / self.total)) / 2
        rising = self.config.warmup * self.total  # steps
        return rate * self.number / rising if self.number < rising else rate

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "batches": self.batches.state_dict(),
            "chance": self.chance.get_state(),
            "number": self.number,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        load_optimiser(self.optimiser, state["optimiser"])
        self.batches.load_state_dict(state["batches"])
        self.chance.set_state(state["chance"])
        self.number = state["number"]


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load copies of all tensors of ``state`` into ``optimiser``, each moment in the memory layout of its parameter.

    Files hold contiguous tensors. Fused Adam reads the memory of a parameter and its moments in parallel, so
    both need the same layout.
    """
    optimiser.load_state_dict(state)
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
            elif isinstance(value, Tensor):  # a step count, which the optimiser changes in place
                moments[name] = value.clone()


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
        self._state = SupervisedTrainer.start(
            model.to(pick_device(device)), split.train, self.config, seed=seed, stage="train"
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
