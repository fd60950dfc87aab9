"""How alike two models represent the same images: linear CKA by layer (Kornblith et al., 2019).

CKA(X, Y) = <K, L>_F / (|K|_F |L|_F) with K and L the centred Gram matrices of the layers' features. It does not change when either is
rotated or scaled, so models from other initial weights can be compared.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.data.images import Images
from core.models.base import Net, device_of
from core.runtime import seeding

T = TypeVar("T")
WIDEST = 1024  # features of a layer; wider ones are pooled over the image, then projected
MOST_LAYERS = 6
REPRESENTATION = "representation"


def gram(x: Tensor) -> Tensor:
    """(n, p) features -> (n, n) centred Gram matrix of Frobenius norm 1, float64; zeros where all images look the same."""
    x = x.double()
    x = x - x.mean(0)
    k = x @ x.T
    norm = k.norm()
    return k / norm if norm > 1e-12 * len(x) else torch.zeros_like(k)


def cka_of(k: Tensor, other: Tensor) -> float:
    """Linear CKA, in [0, 1], of two matrices from ``gram``; 0 where a layer says the same of all images."""
    return min(1.0, max(0.0, float((k * other).sum())))


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear CKA, in [0, 1], of features (n, p) and (n, q) of the same n images."""
    return cka_of(gram(x), gram(y))


@torch.no_grad()
def layer_grams(model: Net, images: Images, *, batch_size: int = 256) -> dict[str, Tensor]:
    """``gram`` of the layers of the extractor, in the order of computing, and of the representation, which comes last.

    Layers are the modules of the extractor with weights, at most MOST_LAYERS of them spread evenly; where a net uses one more than
    once, its first use counts. Features wider than WIDEST are averaged over the image to a coarser grid, and what is still wider is
    projected on WIDEST fixed random directions, the same for every model.
    """
    wanted = _layers(model)
    found: dict[str, list[Tensor]] = {}
    seen: set[str] = set()

    def note(name: str, out: object) -> None:
        if name not in seen and isinstance(out, Tensor) and len(out) == batch:
            seen.add(name)
            found.setdefault(name, []).append(narrow(out).float().cpu())

    hooks = [m.register_forward_hook(lambda _m, _i, out, name=name: note(name, out)) for name, m in wanted]
    was_training = model.training
    model.eval()
    try:
        device = device_of(model)
        last = []
        # nets that enlarge images see at most CHUNK at once, so their layers must, too
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
    whole = {n: torch.cat(parts) for n, parts in found.items() if sum(map(len, parts)) == len(images)}
    keep = _spread(list(whole), MOST_LAYERS - 1)
    return {**{name: gram(whole[name]) for name in keep}, REPRESENTATION: gram(torch.cat(last))}


def narrow(x: Tensor) -> Tensor:
    """(B, C, H, W), (B, T, D) or (B, D) -> (B, at most WIDEST)."""
    if x.ndim == 4 and x[0].numel() > WIDEST:
        side = max(1, math.isqrt(WIDEST // x.shape[1])) if x.shape[1] <= WIDEST else 1
        x = functional.adaptive_avg_pool2d(x, (min(side, x.shape[2]), min(side, x.shape[3])))
    elif x.ndim == 3 and x[0].numel() > WIDEST:
        x = x.mean(1)
    flat = x.flatten(1)
    if flat.shape[1] <= WIDEST:
        return flat.clone()  # an activation in place would change it after it was noted
    g = seeding.generator(0, "similarity", flat.shape[1])
    directions = torch.randn(flat.shape[1], WIDEST, generator=g) / math.sqrt(WIDEST)
    return flat.float() @ directions.to(flat.device)


def _layers(model: Net) -> list[tuple[str, nn.Module]]:
    """Modules of the extractor with weights that hold no other module; all but the last, which gives the representation."""
    leaves: list[tuple[str, nn.Module]] = [
        (name, m)
        for name, m in model.extractor.named_modules()
        if name and not any(True for _ in m.children()) and isinstance(m, (nn.Conv2d, nn.Linear))
    ]
    if leaves and isinstance(leaves[-1][1], nn.Linear) and leaves[-1][1].out_features == model.width:
        leaves = leaves[:-1]
    return _spread(leaves, MOST_LAYERS - 1)


def _spread(items: list[T], most: int) -> list[T]:
    """At most ``most`` of them, the first and the last among these."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
