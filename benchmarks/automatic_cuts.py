"""Small datasets cut from the real images of MNIST, Fashion-MNIST and a zip of photographs, on which no setting was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from core import load
from core.data.images import Dataset, LabelledImages, Norm


@dataclass(frozen=True)
class Cut:
    """A small dataset cut from a large one."""

    source: str  # "mnist", "fashion_mnist" or "photos"
    classes: tuple[int, ...]
    counts: tuple[int, ...]  # training images of each class; one number for all
    seed: int
    grey: bool = False
    forget: tuple[int, ...] = ()  # classes to remove in turn, of the cut; all where empty
    size: int | None = None  # pixels a side to scale to; None: as they are


UNSEEN = {
    "clothes-4": Cut("fashion_mnist", (1, 2, 6, 9), (200,), 101),
    "clothes-10": Cut("fashion_mnist", tuple(range(10)), (250,), 102, forget=(0, 3, 7, 8)),
    "unequal-5": Cut("mnist", (0, 2, 5, 8, 9), (400, 100, 250, 100, 60), 103),
    "numbers-2": Cut("mnist", (3, 6), (1000,), 104),
    "numbers-10": Cut("mnist", tuple(range(10)), (120,), 105, forget=(1, 4, 5, 8, 9)),
    "photos-3": Cut("photos", (2, 8, 9), (300,), 106),
    "photos-1500": Cut("photos", (0, 3, 4), (500,), 115, forget=(0,)),
    "photos-grey-2": Cut("photos", (4, 8), (300,), 107, grey=True),
    "small-6": Cut("mnist", (0, 1, 4, 6, 7, 9), (150,), 108, size=8),
    "clothes-small-5": Cut("fashion_mnist", (1, 5, 7, 8, 9), (150,), 109, size=10),
    "clothes-unequal-6": Cut("fashion_mnist", (0, 2, 3, 5, 7, 8), (100, 200, 100, 150, 300, 120), 110),
    "photos-unequal-4": Cut("photos", (0, 1, 6, 7), (100, 200, 250, 120), 111),
    "photos-large-3": Cut("photos", (1, 6, 8), (120,), 112, size=64),
    "many-2": Cut("fashion_mnist", (0, 1), (5000,), 113, forget=(1,)),
    "numbers-enlarged-5": Cut("mnist", (1, 2, 3, 5, 8), (120,), 114, size=40, forget=(0, 1, 3)),
}


def cut_from(cut: Cut, data_dir: str | None, photos: str | None) -> Dataset:
    """Return the dataset of ``cut``, as an imported one: normalised, with names of its own."""
    if cut.source == "photos":
        if photos is None:
            raise SystemExit("name a zip of photographs with --photos")
        whole = load(photos)
    else:
        whole = load(cut.source, data_dir=data_dir)
    counts = cut.counts * len(cut.classes) if len(cut.counts) == 1 else cut.counts
    train_rows = drawn(whole.train.y, cut.classes, counts, cut.seed)
    test_rows = drawn(whole.test.y, cut.classes, [100] * len(cut.classes), cut.seed)
    numbered = torch.full((len(whole.classes),), -1)
    numbered[list(cut.classes)] = torch.arange(len(cut.classes))

    def part(images: LabelledImages, rows: torch.Tensor, first: int) -> LabelledImages:
        x = images.x[rows]
        if cut.grey:
            x = x.float().mean(1, keepdim=True).round().byte()
        if cut.size is not None:
            side = (cut.size, cut.size)
            x = functional.interpolate(x.float(), side, mode="bilinear", antialias=True).round().byte()
        return LabelledImages(x, first + torch.arange(len(rows)), 255, numbered[images.y[rows]])

    train_part = part(whole.train, train_rows, 0)
    norm = Norm.of(train_part.x)
    test_part = part(whole.test, test_rows, len(train_rows))
    names = tuple(whole.classes[c] for c in cut.classes)
    return Dataset(
        "cut", "Cut", names, replace(train_part, norm=norm), replace(test_part, norm=norm), family="own-grey"
    )


def drawn(y: torch.Tensor, classes: Sequence[int], counts: Sequence[int], seed: int) -> torch.Tensor:
    """Return rows of ``y``, ``counts`` of each class, in rising order."""
    chance = torch.Generator().manual_seed(seed)
    rows = []
    for c, count in zip(classes, counts, strict=True):
        there = (y == c).nonzero().flatten()
        rows.append(there[torch.randperm(len(there), generator=chance)[:count]])
    return torch.cat(rows).sort().values
