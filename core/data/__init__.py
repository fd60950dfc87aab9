"""Datasets in memory or mapped from disk, their sources, and the split into images that stay and images to forget.

A name is imported at its first use, so that the process that reads uploads does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.data.images import Dataset, Images, LabelledImages
    from core.data.planted import PLANTS, plant
    from core.data.registry import DATASETS, load
    from core.data.split import (
        ForgetRequest,
        Split,
        UnlabelledSplit,
        forget_classes,
        forget_fraction,
        forget_indices,
        forget_noisy,
    )

_NAMES_OF = {
    "registry": ("DATASETS", "load"),
    "images": ("Dataset", "Images", "LabelledImages"),
    "planted": ("PLANTS", "plant"),
    "split": (
        "ForgetRequest",
        "Split",
        "UnlabelledSplit",
        "forget_classes",
        "forget_fraction",
        "forget_indices",
        "forget_noisy",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"core.data.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'core.data' has no attribute {name!r}")


__all__ = [
    "DATASETS",
    "PLANTS",
    "Dataset",
    "ForgetRequest",
    "Images",
    "LabelledImages",
    "Split",
    "UnlabelledSplit",
    "forget_classes",
    "forget_fraction",
    "forget_indices",
    "forget_noisy",
    "load",
    "plant",
]
