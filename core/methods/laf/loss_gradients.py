"""Closed-form gradients of the two losses with respect to representations, which need no autograd graph.

Symbols as in ``core.methods.laf.losses``, which defines the losses. Tests compare with autograd on those functions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.laf.losses import bounded_error

_TINY = 1e-8  # least length of a vector, as in torch.nn.functional.cosine_similarity


def squared_error_slope(error: Tensor, *, bounded: bool) -> tuple[Tensor, Tensor]:
    """Return φ(m) (B,) and dφ/dê = φ'(m) · 2 (ê − e) (B, d) for error = ê − e (B, d), where m = Σ_j error_j².

    φ'(m) = φ(m) / (1 + m)². Without ``bounded``, φ(m) = m, the plain squared error.
    """
    m = error.square().sum(1)
    if not bounded:
        return m, 2 * error
    value = bounded_error(m)
    return value, error * (2 * value / (1 + m).square())[:, None]


def cosine_distance_slope(e: Tensor, e0: Tensor) -> tuple[Tensor, Tensor]:
    """Return d = 1 − cos(e, e0) (B,) and dd/de = (cos · e/‖e‖ − e0/‖e0‖) / ‖e‖ (B, d), for (B, d) and (B, d)."""
    length, unit = _length(e)
    unit0 = _length(e0)[1]
    cosine = (unit * unit0).sum(1)
    return 1 - cosine, (cosine[:, None] * unit - unit0) / length


def alignment_gradient(
    e: Tensor,
    e0: Tensor,
    n_r: int,
    *,
    temperature: float,
    weight_align: float = 1.0,
    weight_repel: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the align and repel terms of L_RA and dL_RA/de (B_r + B_f, d) for e and e0, both (B_r + B_f, d).

    L_RA = weight_align · align − weight_repel · repel; d repel / d d_f = B_r · softmax(d_f / τ) / τ.
    """
    d, slope = cosine_distance_slope(e, e0)
    scaled = d[n_r:] / temperature
    factor = torch.full_like(d, weight_align)
    factor[n_r:] = scaled.softmax(0) * (-weight_repel * n_r / temperature)
    return d[:n_r].sum(), n_r * torch.logsumexp(scaled, dim=0), slope * factor[:, None]


def _length(e: Tensor) -> tuple[Tensor, Tensor]:
    """Return ‖e‖ (B, 1) and e/‖e‖ (B, d) of each row, without overflow or underflow; e/‖e‖ of a row of zeros is zeros."""
    largest = e.abs().amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1)
    scaled = e / scale
    length = scaled.square().sum(1, keepdim=True).sqrt().clamp_min(_TINY)
    return length * scale, scaled / length
