"""MNIST's IDX files, written by hand in their published format."""

from __future__ import annotations

import gzip
import os
import struct
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import load
from core.errors import DataError, RequestError

REAL_MNIST = Path(__file__).parents[5] / "shared" / "data" / "mnist"


def idx(array: np.ndarray) -> bytes:
    """Two zero bytes, 0x08 for unsigned bytes, the number of dimensions, each as a big-endian int32, the values."""
    return (
        struct.pack(">BBBB", 0, 0, 8, array.ndim)
        + struct.pack(f">{array.ndim}i", *array.shape)
        + array.tobytes()
    )


def mnist_files(n_train=30, n_test=20) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    made = {}
    for part, n in (("train", n_train), ("t10k", n_test)):
        made[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        made[f"{part}-labels-idx1-ubyte"] = idx((np.arange(n) % 10).astype(np.uint8))
    return made


@pytest.fixture
def no_network(monkeypatch):
    """Every attempt to download fails at once, as without a network."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def folder(tmp_path, no_network):
    """A data folder with a small MNIST in it."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, data in mnist_files().items():
        (raw / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_read_from_its_files_plain_or_packed(folder, packed):
    raw = folder / "MNIST" / "raw"
    if packed:
        for file in list(raw.iterdir()):
            (raw / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    mnist = load("mnist", data_dir=folder)
    for part, name, start in ((mnist.train, "train", 0), (mnist.test, "t10k", 30)):
        data = mnist_files()[f"{name}-images-idx3-ubyte"][16:]
        assert part.x.numpy().tobytes() == data
        assert part.y.tolist() == [i % 10 for i in range(len(part))]
        assert part.ids.tolist() == list(range(start, start + len(part)))
        assert part.white == 255
        assert part.x.dtype == torch.uint8
    assert (mnist.shape, mnist.name, len(mnist.classes)) == ((1, 28, 28), "mnist", 10)
    assert load("mnist", data_dir=str(folder)) is mnist  # read once


def test_without_files_and_network_the_sentence_says_which_file_goes_where(tmp_path, no_network):
    with pytest.raises(DataError) as caught:
        load("mnist", data_dir=tmp_path)
    text = str(caught.value)
    assert all(name in text for name in mnist_files())
    assert str(tmp_path / "MNIST" / "raw") in text
    assert "\n" not in text


BROKEN = {
    "half an image": ("train-images-idx3-ubyte", lambda b: b[: len(b) // 2]),
    "half a header": ("t10k-images-idx3-ubyte", lambda b: b[:7]),
    "nothing": ("train-labels-idx1-ubyte", lambda b: b""),
    "something else": ("t10k-labels-idx1-ubyte", lambda b: b"<html>not found</html>" * 9),
    "fewer labels than images": ("train-labels-idx1-ubyte", lambda b: idx(np.zeros(7, np.uint8))),
    "labels that are no digits": ("train-labels-idx1-ubyte", lambda b: idx(np.full(30, 77, np.uint8))),
    "images of another size": ("t10k-images-idx3-ubyte", lambda b: idx(np.zeros((20, 9, 9), np.uint8))),
}


@pytest.mark.parametrize(("name", "change"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_folder(folder, name, change):
    file = folder / "MNIST" / "raw" / name
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError) as caught:
        load("mnist", data_dir=folder)
    text = str(caught.value)
    assert name in text
    assert str(file.parent) in text
    assert "is not in" not in text, "the files are all there: one of them is broken"
    assert "\n" not in text


def test_a_packed_file_that_was_cut_off_is_named_and_leaves_nothing_half_unpacked(folder):
    raw = folder / "MNIST" / "raw"
    file = raw / "train-images-idx3-ubyte"
    packed = raw / f"{file.name}.gz"
    packed.write_bytes(gzip.compress(file.read_bytes())[:-50])
    file.unlink()
    with pytest.raises(DataError, match="is broken") as caught:
        load("mnist", data_dir=folder)
    assert str(packed) in str(caught.value)
    assert not file.exists()
    assert not list(raw.glob("*.part"))


def test_a_full_disk_says_so(tmp_path, no_network, monkeypatch):
    import errno

    import torchvision.datasets

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torchvision.datasets, "MNIST", full)
    with pytest.raises(DataError, match="is full; free some space"):
        load("mnist", data_dir=tmp_path)


def test_a_folder_that_is_missing_is_a_wrong_request(tmp_path):
    with pytest.raises(RequestError, match="does not exist") as caught:
        load("mnist", data_dir=tmp_path / "nowhere")
    assert "train-images-idx3-ubyte" in str(caught.value)


def test_a_folder_that_is_a_file_is_a_wrong_request(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="is not a folder"):
        load("mnist", data_dir=tmp_path / "file")


def test_a_folder_that_cannot_be_read_is_a_wrong_request(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # chmod would not stop root
    with pytest.raises(RequestError, match="cannot be read"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="needs MNIST's own files in ../shared/data/mnist")
def test_the_real_mnist_has_its_published_counts(tmp_path, no_network):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in REAL_MNIST.glob("*.gz"):
        (raw / file.name).symlink_to(file)
    mnist = load("mnist", data_dir=tmp_path)
    assert torch.bincount(mnist.train.y).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)


# where the files may lie


PLACES = ["MNIST/raw", "MNIST", "mnist", "mnist/raw", "raw", ""]


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_the_named_folder_may_be_the_files_own_or_hold_it(tmp_path, no_network, place, download):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, data in mnist_files().items():
        (tmp_path / place / name).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    assert len(load("mnist", data_dir=tmp_path, download=download).train) == 30
    assert len(load("mnist", data_dir=tmp_path / place, download=download).train) == 30
    assert sorted(tmp_path.rglob("*")) == before, "a folder is only read"


@pytest.mark.parametrize("place", ["FashionMNIST/raw", "fashion-mnist", "FashionMNIST"])
def test_fashion_mnists_files_are_not_taken_for_mnists(tmp_path, no_network, place):
    (tmp_path / place).mkdir(parents=True)
    for name, data in mnist_files().items():
        (tmp_path / place / name).write_bytes(data)
    for folder in (tmp_path, tmp_path / place):
        assert load("fashion_mnist", data_dir=folder, download=False).title == "Fashion-MNIST"
        with pytest.raises(DataError, match="MNIST is not complete in"):
            load("mnist", data_dir=folder, download=False)


def test_names_with_a_dot_are_the_same_files(tmp_path, no_network):
    for name, data in mnist_files().items():
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(data)
    assert len(load("mnist", data_dir=tmp_path).test) == 20


@pytest.mark.parametrize("files", [0, 3])
@pytest.mark.parametrize("download", [False, True])
def test_missing_files_are_told_in_one_sentence_and_no_folder_is_made(tmp_path, no_network, files, download):
    for name, data in list(mnist_files().items())[:files]:
        (tmp_path / name).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        load("mnist", data_dir=tmp_path, download=download)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
