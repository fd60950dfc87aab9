"""Datasets that are no images and need no download: scikit-learn's wine and breast cancer, and series that are generated here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.images import Dataset, standardised_parts

TEST_SHARE = 0.2  # of each class
LENGTH = 96  # values of a generated series
EACH = 200  # generated series of each class
NOISE = 0.35  # standard deviation of the noise; the shapes have about 1
SHAPES = ("sine", "square", "sawtooth", "chirp", "pulse", "decay")

Floats = NDArray[np.float64]


def load_wine(_: Path) -> Dataset:
    """Return scikit-learn's wine: 13 chemical measures of 178 wines of three growers (Aeberhard and Forina, UCI, 1991)."""
    from sklearn.datasets import load_wine as load

    bunch = load()
    features = tuple(name.replace("_", " ") for name in bunch.feature_names)
    growers = tuple(f"grower {c + 1}" for c in range(len(bunch.target_names)))
    return _dataset("wine", "Wine", growers, bunch.data, bunch.target, "vectors", features)


def load_breast_cancer(_: Path) -> Dataset:
    """Return scikit-learn's breast cancer: 30 measures of the cell nuclei of 569 tumours (Wolberg et al., UCI, 1995)."""
    from sklearn.datasets import load_breast_cancer as load

    bunch = load()
    names = tuple(map(str, bunch.target_names))
    features = tuple(map(str, bunch.feature_names))
    return _dataset("breast_cancer", "Breast cancer", names, bunch.data, bunch.target, "vectors", features)


def load_generated_series(_: Path) -> Dataset:
    """Return the series of ``generate`` with seed 0: they are made up, and measured nowhere."""
    x, y = generate(EACH, seed=0)
    return _dataset("generated_series", "Generated series", SHAPES, x, y, "series")


def generate(each: int, *, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return ``each`` series of every class of SHAPES, (N, 1, LENGTH), and their classes (N,).

    A series has a random phase, one to three periods, a random strength, a part of the length that it fills, and noise.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(len(SHAPES)).repeat(each)
    x = np.empty((len(y), 1, LENGTH))
    for row, c in enumerate(y):
        filled = int(rng.integers(LENGTH * 3 // 4, LENGTH + 1))  # values from the start; noise alone follows
        turns = rng.uniform(1.5, 3) * np.arange(filled) / filled + rng.uniform()
        clean = np.zeros(LENGTH)
        clean[:filled] = rng.uniform(0.7, 1.3) * _shape(SHAPES[c], turns)
        x[row, 0] = clean + rng.normal(0, NOISE, LENGTH)
    return x, y.astype(np.int64)


def _shape(name: str, turns: Floats) -> Floats:
    """Return the clean values of the class ``name`` at times ``turns``, counted in periods."""
    part = turns % 1
    waves: dict[str, Any] = {
        "sine": lambda: np.sin(2 * np.pi * turns),
        "square": lambda: np.where(part < 0.5, 1.0, -1.0),
        "sawtooth": lambda: 2 * part - 1,
        "chirp": lambda: np.sin(2 * np.pi * (turns - turns[0]) ** 2 + 2 * np.pi * turns[0]),
        "pulse": lambda: 2.5 * np.exp(-(((part - 0.5) / 0.06) ** 2)) - 0.3,
        "decay": lambda: np.exp(-1.2 * (turns - turns[0])) * np.cos(6 * np.pi * turns),
    }
    values: Floats = waves[name]()
    return values


def _dataset(
    name: str,
    title: str,
    classes: tuple[str, ...],
    x: Floats,
    y: NDArray[Any],
    family: str,
    features: tuple[str, ...] = (),
) -> Dataset:
    """Return a Dataset with a stratified test set of TEST_SHARE. An id is the row of x."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(y))
    _, test = train_test_split(rows, test_size=TEST_SHARE, stratify=y, random_state=0)
    labels = torch.from_numpy(y.astype(np.int64))
    is_test = torch.zeros(len(y), dtype=torch.bool)
    is_test[torch.from_numpy(test)] = True
    train, held, scale = standardised_parts(torch.from_numpy(x), labels, is_test)
    return Dataset(name, title, classes, train, held, family, scale=scale, features=features)
