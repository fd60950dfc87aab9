"""Images in memory, where they come from, and which of them must be forgotten."""

from core.data.datasets import DATASETS, load
from core.data.images import Dataset, Images, LabelledImages
from core.data.split import ForgetRequest, Split, UnlabelledSplit, forget_classes, forget_fraction

__all__ = [
    "DATASETS",
    "Dataset",
    "ForgetRequest",
    "Images",
    "LabelledImages",
    "Split",
    "UnlabelledSplit",
    "forget_classes",
    "forget_fraction",
    "load",
]
