"""The state of supervised training: Adam on cross-entropy, one minibatch a step."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrainConfig
from core.data.images import LabelledImages, kind_of
from core.errors import DivergedError, RequestError
from core.models.base import Net, device_of
from core.runtime import seeding
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
    def epoch_steps(self) -> int:
        """Number of steps of one epoch."""
        return len(self.batches)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.number // self.epoch_steps

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
