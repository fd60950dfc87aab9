"""Names of what a dataset holds: images, vectors or series."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.data.images import Dataset
from core.data.images import kind_of as kind_of_shape

IMAGES = "images"
ONE = {IMAGES: "image", "vectors": "vector", "series": "series"}
_IMAGE = re.compile(r"\b([Aa]n )?([Ii]mages?)\b(?![/=-])")


def kind_of(dataset: Dataset | None) -> str:
    """Return what ``dataset`` holds, in the plural; "images" while no dataset has been read."""
    return IMAGES if dataset is None else dataset.kind


def kind_of_run(about: Mapping[str, Any]) -> str:
    """Return the kind of a kept run's samples. ``about``: the contents of its run.json."""
    shape = about.get("images", {}).get("shape")
    return kind_of_shape(shape) if shape else IMAGES


def one(kind: str) -> str:
    """Return the singular of a kind."""
    return ONE.get(kind, "image")


def counted(number: int, kind: str) -> str:
    """Return a number of images, vectors or series, such as "1 image" or "1,437 vectors"."""
    return f"{number:,} {one(kind) if number == 1 else kind}"


def in_kind(value: Any, kind: str) -> Any:
    """Return texts that were written for images with the nouns of ``kind``: a text, or all texts in lists and values of dicts.

    The library writes about images, whatever a dataset holds. Addresses such as "image/png" stay.
    """
    if kind == IMAGES:
        return value
    if isinstance(value, str):
        return _IMAGE.sub(lambda found: _as(found, kind), value)
    if isinstance(value, dict):
        return {key: in_kind(each, kind) for key, each in value.items()}
    return [in_kind(each, kind) for each in value] if isinstance(value, (list, tuple)) else value


def _as(found: re.Match[str], kind: str) -> str:
    article, noun = found[1] or "", found[2]
    word = kind if noun.endswith("s") else one(kind)
    article = {"an ": "a ", "An ": "A "}.get(article, article)
    return article + (word.capitalize() if noun[0] == "I" else word)
