"""A VAE's forward and backward pass written out, without a graph: its layers are so small that autograd's own work took most of the time.

``core.models.vae.VAE.forward`` is the definition; the tests hold these to what autograd makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from core.models.vae import VAE

_masked: Any = torch.ops.aten.threshold_backward  # a gradient where ReLU's output is above 0


@dataclass(frozen=True, eq=False)
class Tape:
    """What a forward pass leaves for the backward pass; B rows."""

    e: Tensor  # (B, width)
    hidden: tuple[Tensor, Tensor]  # of the encoder: (B, width/2), (B, 32)
    mu: Tensor  # (B, latent)
    log_var: Tensor
    var: Tensor
    spread: Tensor  # noise · σ
    z: Tensor
    opened: tuple[Tensor, Tensor]  # of the decoder: (B, 32), (B, width/2)
    e_hat: Tensor  # (B, width)


@torch.no_grad()
def forward(vae: VAE, e: Tensor, generator: torch.Generator) -> Tape:
    """The pass of ``VAE.forward`` for e (B, width), drawing the same noise."""
    first, second, mean, spread, open_1, open_2, last = vae.linears
    a = linear(e, first.weight, first.bias).relu_()
    b = linear(a, second.weight, second.bias).relu_()
    mu, log_var = linear(b, mean.weight, mean.bias), linear(b, spread.weight, spread.bias)
    noised = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
    var = log_var.exp()
    noised.mul_((0.5 * log_var).exp_())
    z = mu + noised
    c = linear(z, open_1.weight, open_1.bias).relu_()
    d = linear(c, open_2.weight, open_2.bias).relu_()
    e_hat = linear(d, last.weight, last.bias)
    if vae.bounded:
        e_hat.sigmoid_()
    return Tape(e, (a, b), mu, log_var, var, noised, z, (c, d), e_hat)


@torch.no_grad()
def fit_gradients(vae: VAE, tape: Tape, kl_weight: float, into: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL of ``core.methods.laf.losses.vae_terms``; the gradient of reconstruction + kl_weight · KL goes ``into`` tensors of
    the shape of ``vae.parameters()``."""
    n = len(tape.e)
    error = tape.e_hat - tape.e
    reconstruction = error.square().sum() / n
    kl = -0.5 * (tape.log_var + 1 - tape.mu.square() - tape.var).sum() / n
    first, second, mean, spread, open_1, open_2, last = _by_layer(into)
    (a, b), (c, d) = tape.hidden, tape.opened
    weights = [layer.weight for layer in vae.linears]
    g = _keep(last, _through_output(vae, tape, error.mul_(2 / n)), d)
    g = _keep(open_2, _masked(g @ weights[6], d, 0), c)
    g = _keep(open_1, _masked(g @ weights[5], c, 0), tape.z)
    g_z = g @ weights[4]
    g_mu = _keep(mean, torch.add(g_z, tape.mu, alpha=kl_weight / n), b)
    g_spread = _keep(spread, 0.5 * g_z * tape.spread + (0.5 * kl_weight / n) * (tape.var - 1), b)
    g = _keep(second, _masked(torch.addmm(g_mu @ weights[2], g_spread, weights[3]), b, 0), a)
    _keep(first, _masked(g @ weights[1], a, 0), tape.e)
    return reconstruction, kl


@torch.no_grad()
def input_gradient(vae: VAE, tape: Tape, slope: Tensor) -> Tensor:
    """Σ slope · ∂ê/∂e, (B, width): how a loss with ∂loss/∂ê = ``slope`` (B, width) depends on e by way of ê."""
    (a, b), (c, d) = tape.hidden, tape.opened
    first, second, mean, spread, open_1, open_2, last = (layer.weight for layer in vae.linears)
    g = _masked(_through_output(vae, tape, slope) @ last, d, 0)
    g = _masked(g @ open_2, c, 0) @ open_1
    g = _masked(torch.addmm(g @ mean, 0.5 * g * tape.spread, spread), b, 0)
    found: Tensor = _masked(g @ second, a, 0) @ first
    return found


def _through_output(vae: VAE, tape: Tape, slope: Tensor) -> Tensor:
    return slope * tape.e_hat * (1 - tape.e_hat) if vae.bounded else slope


def _by_layer(into: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Pairs (weight, bias), in the order of ``VAE.linears``: that of ``vae.parameters()``."""
    return list(zip(into[::2], into[1::2], strict=True))


def _keep(into: tuple[Tensor, Tensor], g: Tensor, x: Tensor) -> Tensor:
    """A layer's gradients from the one of its output g (B, out) and its input x (B, in); g again."""
    torch.mm(g.T, x, out=into[0])
    torch.sum(g, 0, out=into[1])
    return g
