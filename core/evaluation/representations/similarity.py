"""The similarity of two models' representations of the same images: linear CKA by layer (Kornblith et al., 2019), and an angle.

CKA(X, Y) = <K, L>_F / (|K|_F |L|_F) with K and L the centred Gram matrices of the layers' features.
It is invariant to rotation and scale, so models from other initial weights can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.data.images import Images
from core.evaluation.metrics import angles
from core.models.base import Net, device_of
from core.runtime import seeding

T = TypeVar("T")
Part = Callable[[Tensor], Tensor]  # of a layer's output
MAX_WIDTH = 1024  # features of a layer; wider features are pooled over the image, then projected
MAX_LAYERS = 6
REPRESENTATION = "representation"
MIN_FLOOR = 0.05  # degrees; smaller angles are rounding errors


def gram(x: Tensor) -> Tensor:
    """Return the (n, n) float64 centred Gram matrix, of Frobenius norm 1, of (n, p) features; zeros for equal features."""
    x = x.double()
    x = x - x.mean(0)
    k = x @ x.T
    norm = k.norm()
    return k / norm if norm > 1e-12 * len(x) else torch.zeros_like(k)


def cka_of(k: Tensor, other: Tensor) -> float:
    """Return the linear CKA, in [0, 1], of two matrices from ``gram``; 0 where a layer has equal features for all images."""
    return min(1.0, max(0.0, float((k * other).sum())))


def layer_grams(model: Net, images: Images, *, batch_size: int = 256) -> dict[str, Tensor]:
    """Return ``gram`` of each of ``layer_features``."""
    return {name: gram(x) for name, x in layer_features(model, images, batch_size=batch_size).items()}


@torch.no_grad()
def layer_features(model: Net, images: Images, *, batch_size: int = 256) -> dict[str, Tensor]:
    """Return features (n, p) of the layers of the extractor, in the order of the forward pass, and of the representation, the last.

    Layers are those that the extractor names by ``watched_layers``, else its modules with weights, at most MAX_LAYERS of
    them, spread evenly. The first use of a layer counts. ``narrow`` limits the width of the features.
    """
    features: dict[str, list[Tensor]] = {}
    seen: set[str] = set()  # layers of the current batch

    def record(name: str, out: object, part: Part) -> None:
        if name not in seen and isinstance(out, Tensor) and len(out) == batch:
            seen.add(name)
            features.setdefault(name, []).append(narrow(part(out)).float().cpu())

    hooks = [
        m.register_forward_hook(lambda _m, _i, out, name=name, part=part: record(name, out, part))
        for name, m, part in _layers(model)
    ]
    was_training = model.training
    model.eval()
    try:
        device = device_of(model)
        last = []
        # nets that enlarge images split a larger batch, and their layers would see only a part
        step = min(batch_size, 64)
        for start in range(0, len(images), step):
            seen.clear()
            x = images.floats(slice(start, start + step)).to(device)
            batch = len(x)
            last.append(narrow(model.extract(x)).float().cpu())
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    whole = {n: torch.cat(parts) for n, parts in features.items() if sum(map(len, parts)) == len(images)}
    keep = _spread(list(whole), MAX_LAYERS - 1)
    return {**{name: whole[name] for name in keep}, REPRESENTATION: torch.cat(last)}


def narrow(x: Tensor) -> Tensor:
    """Return (B, C, H, W), (B, T, D) or (B, D) features as (B, at most MAX_WIDTH).

    Wide features are averaged over the image to a coarser grid. Features that are still wider are projected on MAX_WIDTH
    fixed random directions, the same for every model.
    """
    if x.ndim == 4 and x[0].numel() > MAX_WIDTH:
        side = max(1, math.isqrt(MAX_WIDTH // x.shape[1])) if x.shape[1] <= MAX_WIDTH else 1
        x = functional.adaptive_avg_pool2d(x, (min(side, x.shape[2]), min(side, x.shape[3])))
    elif x.ndim == 3 and x[0].numel() > MAX_WIDTH:
        x = x.mean(1)
    flat = x.flatten(1)
    if flat.shape[1] <= MAX_WIDTH:
        return flat.clone()  # a later in-place activation would change it
    g = seeding.generator(0, "similarity", flat.shape[1])
    directions = torch.randn(flat.shape[1], MAX_WIDTH, generator=g) / math.sqrt(MAX_WIDTH)
    return flat.float() @ directions.to(flat.device)


def _layers(model: Net) -> list[tuple[str, nn.Module, Part]]:
    """Return the layers that the extractor names, each with the part of its output to take.

    Of other extractors they are the convolutional and linear layers, without the layer that outputs the representation.
    """
    watched: Any = getattr(model.extractor, "watched_layers", None)
    if watched is not None:
        return _spread([(name, m, part) for name, (m, part) in watched().items()], MAX_LAYERS - 1)
    leaves: list[tuple[str, nn.Module]] = [
        (name, m)
        for name, m in model.extractor.named_modules()
        if name and not any(True for _ in m.children()) and isinstance(m, (nn.Conv1d, nn.Conv2d, nn.Linear))
    ]
    if leaves and isinstance(leaves[-1][1], nn.Linear) and leaves[-1][1].out_features == model.width:
        leaves = leaves[:-1]
    return [
        (name, m, _over_time if isinstance(m, nn.Conv1d) else _whole)
        for name, m in _spread(leaves, MAX_LAYERS - 1)
    ]


def _whole(out: Tensor) -> Tensor:
    return out


def _over_time(out: Tensor) -> Tensor:
    """Return features (B, C, L) of a series as (B, C · at most L), averaged over time to about MAX_WIDTH of them."""
    return functional.adaptive_avg_pool1d(out, max(1, min(out.shape[2], MAX_WIDTH // out.shape[1]))).flatten(
        1
    )


def _spread(items: list[T], most: int) -> list[T]:
    """Return at most ``most`` items, spread evenly, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


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
