"""What a reader of somebody's data found, and the size that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from core.data.own.archives import shown

IMAGES = 100_000  # 1.2 GB of memory at the largest size
LARGEST, SMALLEST = 64, 8  # pixels a side: what the Lab's nets are made for, and what they can still halve
Progress = Callable[[int, int], None]  # how much is done, of how much
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, eq=False)
class Found:
    """All images that somebody brings, at one size, in the order of their ids."""

    classes: tuple[str, ...]
    x: Tensor  # (N, C, H, W) uint8
    y: Tensor  # (N,) int64
    is_test: Tensor | None  # (N,) bool, the test images last; None where no test set was brought
    sizes: tuple[tuple[int, int, int], ...]  # width, height, images; commonest first
    notes: tuple[str, ...]  # sentences on what was changed or left out
    paths: tuple[str, ...] = ()  # (N,) in the zip; none for an npz
    left_out: tuple[str, ...] = ()  # paths that are not among the images


def target_size(common: Size) -> Size:
    """The commonest size, cut to what the nets take, its proportions kept where they can be."""
    shrink = min(1.0, LARGEST / max(common))
    width, height = (max(SMALLEST, round(side * shrink)) for side in common)
    return width, height


def size_text(size: Size) -> str:
    """ "28×28" """
    return f"{size[0]}×{size[1]}"


def resized(common: Size) -> str:
    """A sentence on what images of the commonest size become."""
    why = f"the nets take {SMALLEST} to {LARGEST} pixels a side"
    return f"Images of {size_text(common)} become {size_text(target_size(common))}: {why}."


def note(what: str, paths: Sequence[str], most: int = 3) -> str:
    """ "Left out, no image: a.txt." or "Left out, no image: 5 files (a.txt, b.txt, c.txt, …)." """
    named = ", ".join(shown(p) for p in paths[:most])
    if len(paths) > 1:
        named = f"{len(paths):,} files ({named}{', …' if len(paths) > most else ''})"
    return f"{what}: {named}."
