"""The one VAE of the library, over representations, not images; and fitting it as explicit state."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from core import seeds, vae_by_hand
from core.adam import FlatAdam
from core.batches import Batches
from core.config import VAEConfig
from core.errors import DivergedError
from core.flat import Flat, Vector
from core.models import allocated, initialise


class VAE(nn.Module):
    """width -> width/2 -> 32 -> (mu, log var) -> latent -> 32 -> width/2 -> width, ReLU between.

    ``output`` "linear" reproduces unbounded representations; "sigmoid" is the reference implementation's.
    """

    def __init__(self, width: int, latent: int, output: str = "linear") -> None:
        super().__init__()
        half = width // 2
        self.bounded = output == "sigmoid"
        self.encoder = nn.Sequential(nn.Linear(width, half), nn.ReLU(), nn.Linear(half, 32), nn.ReLU())
        self.mu = nn.Linear(32, latent)
        self.log_var = nn.Linear(32, latent)
        last: list[nn.Module] = [nn.Sigmoid()] if self.bounded else []
        self.decoder = nn.Sequential(
            nn.Linear(latent, 32), nn.ReLU(), nn.Linear(32, half), nn.ReLU(), nn.Linear(half, width), *last
        )
        found = (
            self.encoder[0],
            self.encoder[2],
            self.mu,
            self.log_var,
            *(self.decoder[i] for i in (0, 2, 4)),
        )
        # two of the encoder, mu, log var, three of the decoder; to look them up took as long as some of their products
        self.linears = cast(tuple[nn.Linear, ...], found)

    @classmethod
    def build(cls, width: int, latent: int, output: str, *, seed: int, name: str) -> VAE:
        """A VAE with the initial weights of (seed, name); the global random state stays untouched."""
        with torch.device("meta"):
            vae = cls(width, latent, output)
        initialise(allocated(vae), seeds.generator(seed, "init", name))
        return vae

    def forward(self, e: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """e (B, width) -> reconstruction (B, width), mu (B, latent), log var (B, latent); z is sampled in eval mode too."""
        hidden = self.encoder(e)
        mu, log_var = self.mu(hidden), self.log_var(hidden)
        noise = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
        return self.decoder(mu + noise * (0.5 * log_var).exp()), mu, log_var


@dataclass
class VAEFit:
    """Explicit state of fitting one VAE to representations (N, width)."""

    vae: VAE
    config: VAEConfig
    batches: Batches
    optimiser: FlatAdam
    noise: torch.Generator
    stage: str
    title: str
    number: int = 0
    seconds: float = 0.0
    curve: list[float] = field(default_factory=list)  # mean loss of each epoch that is over
    summed: float = 0.0  # of this epoch's minibatches so far

    def __post_init__(self) -> None:
        self._gradient: Vector = self.optimiser.flat.gradient()

    @classmethod
    def start(
        cls, n: int, width: int, config: VAEConfig, device: torch.device, *, seed: int, stage: str, title: str
    ) -> VAEFit:
        vae = VAE.build(width, config.latent, config.output, seed=seed, name=stage).to(device)
        batches = Batches(n, config.batch_size, seeds.derive(seed, stage), "order")
        noise = seeds.generator(seed, stage, "noise")
        optimiser = FlatAdam(Flat(vae.parameters()), config.lr)
        return cls(vae, config, batches, optimiser, noise, stage, title)

    @property
    def total(self) -> int:
        return self.config.epochs * len(self.batches)

    def step(self, e: Tensor) -> None:
        """One minibatch of representations ``e`` (N, width). Raises DivergedError."""
        tape = vae_by_hand.forward(self.vae, e.index_select(0, self.batches.draw().to(e.device)), self.noise)
        weight = self.config.kl_weight
        reconstruction, kl = vae_by_hand.fit_gradients(self.vae, tape, weight, self._gradient.views)
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
        self.vae.load_state_dict(state["vae"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.batches.load_state_dict(state["batches"])
        self.noise.set_state(state["noise"])
        self.number = state["number"]
        self.seconds = state["seconds"]
        self.curve, self.summed = list(state["curve"]), state["summed"]
        if self.number == self.total:
            self.vae.eval().requires_grad_(False)
