"""Training of a VAE on representations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core.config import VAEConfig
from core.errors import DivergedError
from core.models.vae import VAE
from core.models.vae import gradients as vae_gradients
from core.runtime import seeding
from core.training.batches import Batches
from core.training.flat_parameters import FlatParameters, FlatVector
from core.training.optimizer import FlatAdam


@dataclass
class VAETrainer:
    """State of fitting one VAE to representations (N, width), which can be saved at any step and continued to the bit."""

    vae: VAE
    config: VAEConfig
    batches: Batches
    optimiser: FlatAdam
    noise: torch.Generator
    stage: str
    title: str
    number: int = 0
    seconds: float = 0.0
    curve: list[float] = field(default_factory=list)  # mean loss of each finished epoch
    summed: float = 0.0  # losses of this epoch's minibatches so far

    def __post_init__(self) -> None:
        self._gradient: FlatVector = self.optimiser.flat.gradient()

    @classmethod
    def start(
        cls, n: int, width: int, config: VAEConfig, device: torch.device, *, seed: int, stage: str, title: str
    ) -> VAETrainer:
        """Return the state before step 1, for ``n`` representations of ``width`` numbers."""
        vae = VAE.build(width, config.latent, config.output, seed=seed, name=stage).to(device)
        batches = Batches(n, config.batch_size, seeding.derive_seed(seed, stage), "order")
        noise = seeding.generator(seed, stage, "noise")
        optimiser = FlatAdam(FlatParameters(vae.parameters()), config.lr)
        return cls(vae, config, batches, optimiser, noise, stage, title)

    @property
    def total(self) -> int:
        """Number of steps of the whole fit."""
        return self.config.epochs * len(self.batches)

    def step(self, e: Tensor, at: Tensor | None = None) -> None:
        """Fit one minibatch of representations ``e`` (N, width), or of those ``at`` (n,) places in it, which are not copied first.

        Raises DivergedError when the loss is NaN or infinite.
        """
        rows = self.batches.draw().to(e.device)
        batch = e.index_select(0, rows if at is None else at[rows])
        tape = vae_gradients.forward(self.vae, batch, self.noise)
        weight = self.config.kl_weight
        reconstruction, kl = vae_gradients.fit_gradients(self.vae, tape, weight, self._gradient.views)
        self.number += 1
        value = float(reconstruction + weight * kl)
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss of the {self.title}",
                stage=self.stage,
                step=self.number,
                advice="lower the VAE's lr",
            )
        self.optimiser.step(self._gradient)
        self.summed += value
        if self.number % len(self.batches) == 0:
            self.curve.append(self.summed / len(self.batches))
            self.summed = 0.0
        if self.number == self.total:
            self.vae.eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        return {
            "vae": self.vae.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "batches": self.batches.state_dict(),
            "noise": self.noise.get_state(),
            "number": self.number,
            "seconds": self.seconds,
            "curve": list(self.curve),
            "summed": self.summed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.vae.load_state_dict(state["vae"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.batches.load_state_dict(state["batches"])
        self.noise.set_state(state["noise"])
        self.number = state["number"]
        self.seconds = state["seconds"]
        self.curve, self.summed = list(state["curve"]), state["summed"]
        if self.number == self.total:
            self.vae.eval().requires_grad_(False)
