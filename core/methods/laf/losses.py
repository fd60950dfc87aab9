"""The losses of Label-Agnostic Forgetting, one pure function per equation. Sums over the batch, as in the paper.

Symbols: e_U(x) and e_D(x) are the representations under the model being unlearned and under the frozen original.
h and h_f are the VAEs of D and of D_f. B_r and B_f are the two halves of a pair of batches.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import ConfigError


def bounded_error(m: Tensor) -> Tensor:
    """Return φ(m) = exp(m / (m + 1)) = exp(1 − 1 / (1 + m)), in [1, e] for m in [0, ∞]; it bounds an error that is maximised."""
    return torch.exp(1 - 1 / (1 + m))


def squared_error(e: Tensor, e_hat: Tensor) -> Tensor:
    """Return m(e, ê) = Σ_j (ê_j − e_j)²; (B, d), (B, d) -> (B,)."""
    return (e_hat - e).square().sum(1)


def extractor_unlearning_terms(
    e_r: Tensor, e_r_hat: Tensor, e_f: Tensor, e_f_hat: Tensor, *, bounded: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the remain and forget terms of L_UE = remain − forget (paper, section 3.1).

    remain = Σ_{x∈B_r} φ(m(e_U(x), h(e_U(x)))), forget = Σ_{x∈B_f} φ(m(e_U(x), h_f(e_U(x)))); φ = identity when not ``bounded``.
    Shapes (B_r, d), (B_r, d), (B_f, d), (B_f, d) -> () and (). Raises ConfigError when a pair of shapes differs.
    """
    _same_shape("e_r", e_r, "e_r_hat", e_r_hat)
    _same_shape("e_f", e_f, "e_f_hat", e_f_hat)
    remain, forget = squared_error(e_r, e_r_hat), squared_error(e_f, e_f_hat)
    if bounded:
        remain, forget = bounded_error(remain), bounded_error(forget)
    return remain.sum(), forget.sum()


def extractor_unlearning_loss(
    e_r: Tensor, e_r_hat: Tensor, e_f: Tensor, e_f_hat: Tensor, *, bounded: bool = True
) -> Tensor:
    """Return L_UE = remain − forget, see extractor_unlearning_terms; a () tensor."""
    remain, forget = extractor_unlearning_terms(e_r, e_r_hat, e_f, e_f_hat, bounded=bounded)
    return remain - forget


def cosine_distance(e: Tensor, e0: Tensor) -> Tensor:
    """Return d(x) = 1 − cos(e_U(x), e_D(x)); (B, d), (B, d) -> (B,) in [0, 2]."""
    return 1 - functional.cosine_similarity(_scaled(e), _scaled(e0), dim=1)


def _scaled(e: Tensor) -> Tensor:
    """Return rows divided by their largest entry: the same direction and gradient, without overflow or underflow of squares."""
    largest = e.detach().abs().amax(1, keepdim=True)
    return e / torch.where(largest > 0, largest, 1)


def representation_alignment_terms(
    e_r: Tensor, e_r0: Tensor, e_f: Tensor, e_f0: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the align and repel terms of L_RA = align − repel (paper, section 3.2), by logsumexp.

    align = Σ_{x∈B_r} d(x), repel = |B_r| · logsumexp_{x'∈B_f}(d(x') / τ).
    Shapes (B_r, d), (B_r, d), (B_f, d), (B_f, d) -> () and (). Raises ConfigError for τ <= 0 or when a pair of shapes differs.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be > 0, got {temperature!r}")
    _same_shape("e_r", e_r, "e_r0", e_r0)
    _same_shape("e_f", e_f, "e_f0", e_f0)
    align = cosine_distance(e_r, e_r0).sum()
    repel = len(e_r) * torch.logsumexp(cosine_distance(e_f, e_f0) / temperature, dim=0)
    return align, repel


def representation_alignment_loss(
    e_r: Tensor, e_r0: Tensor, e_f: Tensor, e_f0: Tensor, *, temperature: float
) -> Tensor:
    """Return L_RA = Σ_{x∈B_r} log(exp(d(x)) / Σ_{x'∈B_f} exp(d(x') / τ)), see representation_alignment_terms; a () tensor."""
    align, repel = representation_alignment_terms(e_r, e_r0, e_f, e_f0, temperature=temperature)
    return align - repel


def vae_terms(e: Tensor, e_hat: Tensor, mu: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    """Return the reconstruction Σ‖ê − e‖² / B and KL = −½ Σ(log σ² + 1 − μ² − σ²) / B; () and ()."""
    _same_shape("e", e, "e_hat", e_hat)
    reconstruction = squared_error(e, e_hat).mean()
    kl = -0.5 * (log_var + 1 - mu.square() - log_var.exp()).sum() / len(e)
    return reconstruction, kl


def _same_shape(name: str, a: Tensor, other: str, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ConfigError(
            f"{name} and {other} must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
