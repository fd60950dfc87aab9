"""Small uploads for tests, and the fixture of a folder of their own."""

from __future__ import annotations

import io

import numpy as np
import pytest

from core.data.uploads import isolated_reader
from core.data.uploads.store import inspect
from tests.uploads import image, pack, read_here

DRAW = np.random.default_rng(0)


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """Set a LAF_HOME for the test and read archives in this process, where a test can lower the limits."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(isolated_reader, "read", read_here)
    return tmp_path / "home"


def tree(per_class=5, labels=("cat", "dog"), under="", **options) -> dict[str, bytes]:
    return {
        f"{under}{label}/{i}.png": image(seed=100 * k + i, **options)
        for k, label in enumerate(labels)
        for i in range(per_class)
    }


def halves(**options) -> dict[str, bytes]:
    """train/ and test/ with two classes each."""
    return tree(4, under="train/", **options) | tree(2, under="test/", **options)


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def pixels(n=20, size=9, seed=0, **shape) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape.get("shape", (n, size, size)), dtype=np.uint8)


def labels(n=20, classes=2) -> np.ndarray:
    return np.arange(n) % classes


def look(data: bytes, name="mine.zip", **options):
    return inspect(data, name=name, **options)


def csv_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def assert_one_sentence(error: BaseException) -> None:
    text = str(error)
    assert "\n" not in text
    assert 20 < len(text) < 400
    assert text.isprintable()


def raw_npz(**members: bytes) -> bytes:
    return pack({f"{name}.npy": data for name, data in members.items()})
