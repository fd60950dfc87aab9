"""How far representations turned from the original's, whatever coordinate system a model has them in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.evaluation.metrics import angles
from core.evaluation.similarity import narrow

STILL = 0.05  # degrees: less is rounding


def turned(
    forget: Tensor, remain: Tensor, forget0: Tensor, remain0: Tensor
) -> tuple[float | None, float | None]:
    """Median angle in degrees between representations of D_f (n, d) and the original's (n, d0), and its ratio to that of D_r.

    Another initialisation is another coordinate system, so every model is first turned into the original's by an orthogonal
    Procrustes fit on one half of ``remain``; the other half is the noise floor, which moved although nothing asked it to.
    The ratio is None where that half lies still, both are where there are too few images.
    """
    n, m = len(forget), len(remain)
    if n == 0 or m < 4:
        return None, None
    e, e0 = (narrow(torch.cat(pair)).double() for pair in ((forget, remain), (forget0, remain0)))
    rows = torch.arange(n, n + m)
    aligned = e @ _rotation(e[rows[::2]], e0[rows[::2]])
    moved = angles(aligned, e0)
    angle, floor = float(moved[:n].median()), float(moved[rows[1::2]].median())
    return angle, angle / floor if floor > STILL else None


def _rotation(e: Tensor, e0: Tensor) -> Tensor:
    """(d, d0): the rotation that turns unit rows of e (n, d) best into those of e0 (n, d0), and leaves directions alone that
    none of them shows."""
    a, b = (nn.functional.normalize(x, dim=1) for x in (e, e0))
    product = a.T @ b
    least = 1e-6 * float(product.norm())
    u, _, vt = torch.linalg.svd(
        product + least * torch.eye(*product.shape, dtype=product.dtype), full_matrices=False
    )
    found: Tensor = u @ vt
    return found
