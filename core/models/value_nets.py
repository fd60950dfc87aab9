"""The nets for data that are no images: a perceptron for vectors, and one-dimensional convolutions for series."""

from __future__ import annotations

from torch import nn

from core.models.base import Net

SEGMENTS = (
    4  # parts of a series whose mean features reach the representation, so that a shifted shape looks alike
)


class MLP(Net):
    """A net for vectors (d,): two hidden layers of 128, a 64-d representation, a linear head."""

    width = 64

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.extractor = nn.Sequential(
            nn.Linear(shape[0], 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, self.width),
        )
        self.head = nn.Linear(self.width, classes)


class SeriesCNN(Net):
    """A net for series (channels, length): two convolutions over time, means of four parts, a 64-d representation, a linear head."""

    width = 64

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.extractor = nn.Sequential(
            nn.Conv1d(shape[0], 32, 7, stride=2, padding=3),
            nn.ReLU(),
            nn.Conv1d(32, 64, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(SEGMENTS),
            nn.Flatten(),
            nn.Linear(64 * SEGMENTS, self.width),
        )
        self.head = nn.Linear(self.width, classes)
