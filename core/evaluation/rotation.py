"""The angle between representations and the original's, independent of the coordinate system of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.evaluation.metrics import angles
from core.evaluation.similarity import narrow

MIN_FLOOR = 0.05  # degrees; smaller angles are rounding errors


def rotation_from_original(
    forget: Tensor, remain: Tensor, forget0: Tensor, remain0: Tensor
) -> tuple[float | None, float | None]:
    """Return the median angle in degrees between representations of D_f (n, d) and the original's (n, d0), and its ratio to that of D_r.

    Models from other initial weights have other coordinates. An orthogonal Procrustes fit on one half of ``remain`` first
    rotates the representations into the original's coordinates. The other half gives the angle of D_r, the noise floor.
    The ratio is None for a noise floor below MIN_FLOOR. Both are None for too few images.
    """
    n, m = len(forget), len(remain)
    if n == 0 or m < 4:
        return None, None
    e, e0 = (narrow(torch.cat(pair)).double() for pair in ((forget, remain), (forget0, remain0)))
    rows = torch.arange(n, n + m)
    aligned = e @ _rotation(e[rows[::2]], e0[rows[::2]])
    moved = angles(aligned, e0)
    angle, floor = float(moved[:n].median()), float(moved[rows[1::2]].median())
    return angle, angle / floor if floor > MIN_FLOOR else None


def _rotation(e: Tensor, e0: Tensor) -> Tensor:
    """Return the rotation (d, d0) that best maps unit rows of e (n, d) onto those of e0 (n, d0).

    Directions that no row spans stay unchanged.
    """
    a, b = (nn.functional.normalize(x, dim=1) for x in (e, e0))
    product = a.T @ b
    least = 1e-6 * float(product.norm())
    u, _, vt = torch.linalg.svd(
        product + least * torch.eye(*product.shape, dtype=product.dtype), full_matrices=False
    )
    rotation: Tensor = u @ vt
    return rotation
