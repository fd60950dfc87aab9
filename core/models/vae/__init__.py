"""The VAE over representations."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from core.models.base import allocate, initialise
from core.runtime import seeding


class VAE(nn.Module):
    """A VAE: width -> width/2 -> 32 -> (mu, log var) -> latent -> 32 -> width/2 -> width, with ReLU between layers.

    ``output`` is "linear", which can reproduce unbounded representations, or "sigmoid", as in the reference implementation.
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
        # kept as a tuple, since the lookup takes as long as a product of these small layers
        self.linears = cast(tuple[nn.Linear, ...], found)

    @classmethod
    def build(cls, width: int, latent: int, output: str, *, seed: int, name: str) -> VAE:
        """Return a VAE with the initial weights of (seed, name).

        Torch's global random state is neither read nor changed.
        """
        with torch.device("meta"):
            vae = cls(width, latent, output)
        initialise(allocate(vae), seeding.generator(seed, "init", name))
        return vae

    def forward(self, e: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction (B, width), mu (B, latent) and log var (B, latent) of e (B, width).

        z is sampled from ``generator``, in eval mode too.
        """
        hidden = self.encoder(e)
        mu, log_var = self.mu(hidden), self.log_var(hidden)
        noise = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
        return self.decoder(mu + noise * (0.5 * log_var).exp()), mu, log_var
