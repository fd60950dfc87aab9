"""Forward and backward pass of a VAE in closed form, without autograd, whose overhead exceeds the arithmetic of small layers.

Part of the saving in fitting both VAEs on MNIST, from 212.9 to 23.8 s (docs/performance.md).
``core.models.vae.VAE.forward`` is the definition. Tests compare these functions with autograd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from core.models.vae import VAE

_relu_gradient: Any = (
    torch.ops.aten.threshold_backward
)  # zeroes a gradient where ReLU's output is not above 0


@dataclass(frozen=True, eq=False)
class Tape:
    """Values of a forward pass of B rows that the backward pass needs."""

    e: Tensor  # (B, width)
    encoded: tuple[Tensor, Tensor]  # the encoder's hidden layers: (B, width/2), (B, 32)
    mu: Tensor  # (B, latent)
    log_var: Tensor  # (B, latent)
    var: Tensor  # (B, latent)
    scaled_noise: Tensor  # noise · σ, (B, latent)
    z: Tensor  # (B, latent)
    decoded: tuple[Tensor, Tensor]  # the decoder's hidden layers: (B, 32), (B, width/2)
    e_hat: Tensor  # (B, width)


@torch.no_grad()
def forward(vae: VAE, e: Tensor, generator: torch.Generator) -> Tape:
    """Compute ``VAE.forward`` for e (B, width) with the same noise, and return the values for the backward pass."""
    encoder_1, encoder_2, to_mu, to_log_var, decoder_1, decoder_2, decoder_3 = vae.linears
    a = linear(e, encoder_1.weight, encoder_1.bias).relu_()
    b = linear(a, encoder_2.weight, encoder_2.bias).relu_()
    mu, log_var = linear(b, to_mu.weight, to_mu.bias), linear(b, to_log_var.weight, to_log_var.bias)
    scaled_noise = torch.randn(mu.shape, generator=generator, device=generator.device).to(mu.device)
    var = log_var.exp()
    scaled_noise.mul_((0.5 * log_var).exp_())
    z = mu + scaled_noise
    c = linear(z, decoder_1.weight, decoder_1.bias).relu_()
    d = linear(c, decoder_2.weight, decoder_2.bias).relu_()
    e_hat = linear(d, decoder_3.weight, decoder_3.bias)
    if vae.bounded:
        e_hat.sigmoid_()
    return Tape(e, (a, b), mu, log_var, var, scaled_noise, z, (c, d), e_hat)


@torch.no_grad()
def fit_gradients(vae: VAE, tape: Tape, kl_weight: float, into: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return reconstruction and KL of ``core.methods.laf.losses.vae_terms``, and write the gradient to ``into``.

    The gradient is that of reconstruction + kl_weight · KL. The tensors ``into`` have the shapes of ``vae.parameters()``.
    """
    n = len(tape.e)
    error = tape.e_hat - tape.e
    reconstruction = error.square().sum() / n
    kl = -0.5 * (tape.log_var + 1 - tape.mu.square() - tape.var).sum() / n
    encoder_1, encoder_2, to_mu, to_log_var, decoder_1, decoder_2, decoder_3 = _by_layer(into)
    (a, b), (c, d) = tape.encoded, tape.decoded
    weights = [layer.weight for layer in vae.linears]
    g = _write_gradients(decoder_3, _output_gradient(vae, tape, error.mul_(2 / n)), d)
    g = _write_gradients(decoder_2, _relu_gradient(g @ weights[6], d, 0), c)
    g = _write_gradients(decoder_1, _relu_gradient(g @ weights[5], c, 0), tape.z)
    g_z = g @ weights[4]
    g_mu = _write_gradients(to_mu, torch.add(g_z, tape.mu, alpha=kl_weight / n), b)
    g_log_var = 0.5 * g_z * tape.scaled_noise + (0.5 * kl_weight / n) * (tape.var - 1)
    g_log_var = _write_gradients(to_log_var, g_log_var, b)
    g_b = torch.addmm(g_mu @ weights[2], g_log_var, weights[3])
    g = _write_gradients(encoder_2, _relu_gradient(g_b, b, 0), a)
    _write_gradients(encoder_1, _relu_gradient(g @ weights[1], a, 0), tape.e)
    return reconstruction, kl


@torch.no_grad()
def input_gradient(vae: VAE, tape: Tape, slope: Tensor) -> Tensor:
    """Return Σ slope · ∂ê/∂e, (B, width): the gradient through ê of a loss with ∂loss/∂ê = ``slope`` (B, width)."""
    (a, b), (c, d) = tape.encoded, tape.decoded
    encoder_1, encoder_2, to_mu, to_log_var, decoder_1, decoder_2, decoder_3 = (
        layer.weight for layer in vae.linears
    )
    g = _relu_gradient(_output_gradient(vae, tape, slope) @ decoder_3, d, 0)
    g = _relu_gradient(g @ decoder_2, c, 0) @ decoder_1
    g = _relu_gradient(torch.addmm(g @ to_mu, 0.5 * g * tape.scaled_noise, to_log_var), b, 0)
    found: Tensor = _relu_gradient(g @ encoder_2, a, 0) @ encoder_1
    return found


def _output_gradient(vae: VAE, tape: Tape, slope: Tensor) -> Tensor:
    """Return the gradient of the last layer's output before the sigmoid, if any, from ∂loss/∂ê = ``slope``."""
    return slope * tape.e_hat * (1 - tape.e_hat) if vae.bounded else slope


def _by_layer(into: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return pairs (weight, bias) in the order of ``VAE.linears``, which is that of ``vae.parameters()``."""
    return list(zip(into[::2], into[1::2], strict=True))


def _write_gradients(into: tuple[Tensor, Tensor], g: Tensor, x: Tensor) -> Tensor:
    """Write a layer's gradients from that of its output, g (B, out), and its input x (B, in); return g."""
    torch.mm(g.T, x, out=into[0])
    torch.sum(g, 0, out=into[1])
    return g
