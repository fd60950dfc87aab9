"""Names of what a dataset holds: images, vectors or series."""

from __future__ import annotations

from core.data.images import Dataset

IMAGES = "images"
ONE = {IMAGES: "image", "vectors": "vector", "series": "series"}


def kind_of(dataset: Dataset | None) -> str:
    """Return what ``dataset`` holds, in the plural; "images" while no dataset has been read."""
    return IMAGES if dataset is None else dataset.kind


def one(kind: str) -> str:
    """Return the singular of a kind."""
    return ONE.get(kind, "image")


def counted(number: int, kind: str) -> str:
    """Return a number of images, vectors or series, such as "1 image" or "1,437 vectors"."""
    return f"{number:,} {one(kind) if number == 1 else kind}"
