"""Images in memory, where they come from, and which of them must be forgotten."""

from core.data.datasets import DATASETS, load
from core.data.images import Dataset, Images, LabelledImages
from core.data.planted import PLANTS, plant
from core.data.split import (
    ForgetRequest,
    Split,
    UnlabelledSplit,
    forget_classes,
    forget_fraction,
    forget_indices,
    forget_noisy,
)

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
