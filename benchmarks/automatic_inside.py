"""What a request changed inside the model: the CKA to the original by layer, and where the answers to D_f go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.data.images import Images
from core.data.split import Split
from core.evaluation.representations.similarity import cka_of, layer_grams
from core.models.base import Net, outputs

MOST = 300  # images of each part
PARTS = ("D_f", "D_r")


@dataclass(frozen=True)
class Inside:
    """CKA in [0, 1] to the original: by part and layer, of LAF's model and of a retrained one; and the answers to D_f as text."""

    cka: dict[str, dict[str, tuple[float, float]]]
    answers: str


def inside_of(split: Split, original: Net, unlearned: Net, retrained: Net) -> Inside:
    """Return the Inside of one request."""
    cka = {}
    for part, images in zip(PARTS, (split.forget, split.remain), strict=True):
        some = images.take(torch.arange(0, len(images), max(1, len(images) // MOST)))
        before, after, again = (layer_grams(model, some) for model in (original, unlearned, retrained))
        cka[part] = {name: (cka_of(after[name], g), cka_of(again[name], g)) for name, g in before.items()}
    said = [
        f"{who} {common(model, split.forget, split.dataset.classes)}"
        for who, model in (("LAF", unlearned), ("retrained", retrained))
    ]
    return Inside(cka, "; ".join(said))


def common(model: Net, images: Images, names: Sequence[str]) -> str:
    """Return the two most common answers to ``images`` with their shares in percent."""
    counts = torch.bincount(outputs(model, images, batch_size=128).predictions, minlength=len(names))
    top = counts.topk(2)
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return ", ".join(f"{names[c]} {100 * n / max(1, len(images)):.0f} %" for c, n in pairs)


def mean_of(found: Sequence[Inside]) -> str:
    """Return the mean CKA by part and layer as lines, of LAF and of retraining."""
    lines = []
    for part in PARTS:
        for name in found[0].cka[part]:
            pairs = [one.cka[part][name] for one in found]
            laf, retrained = (sum(p[i] for p in pairs) / len(pairs) for i in (0, 1))
            lines.append(
                f"  CKA to the original on {part}, {name:16} LAF {laf:.2f}  retrained {retrained:.2f}"
            )
    return "\n".join(lines)
