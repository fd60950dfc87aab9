"""Fashion-MNIST, CIFAR-10 and SVHN from files written here in their on-disk formats; no network."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import CIFAR10, SVHN

from core.data import load
from core.data.images import Norm
from core.errors import DataError

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (80, 3, 32, 32), dtype=np.uint8)  # 60 train, 20 test
LABELS = np.arange(80) % 10


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    return head + array.tobytes()


@pytest.fixture
def fashion(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, rows in (("train", slice(0, 60)), ("t10k", slice(60, 80))):
        packed = gzip.compress(idx(np.ascontiguousarray(PIXELS[rows, 0, :28, :28])))
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(packed)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[rows].astype(np.uint8)))
    return tmp_path


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Six batches of the pickled dicts that the CIFAR-10 page describes, with their md5 in torchvision's table."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, value: dict[str, object]) -> str:
        data = pickle.dumps(value, protocol=2)
        (folder / name).write_bytes(data)
        return md5(data)

    def batch(name: str, rows: slice) -> list[str]:
        flat = PIXELS[rows].reshape(-1, 3072)
        return [name, write(name, {"data": flat, "labels": LABELS[rows].tolist(), "batch_label": name})]

    train = [batch(f"data_batch_{i + 1}", slice(12 * i, 12 * i + 12)) for i in range(5)]
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", slice(60, 80))])
    meta = {**CIFAR10.meta, "md5": write("batches.meta", {"label_names": CLASSES})}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return tmp_path


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    """Two .mat files: X (32, 32, 3, N) uint8, y (N, 1) in 1..10, where 10 stands for the digit 0."""
    table = {}
    for part, rows in (("train", slice(0, 60)), ("test", slice(60, 80))):
        file = tmp_path / f"{part}_32x32.mat"
        y = np.where(LABELS[rows] == 0, 10, LABELS[rows]).astype(np.uint8)[:, None]
        savemat(file, {"X": PIXELS[rows].transpose(2, 3, 1, 0), "y": y}, do_compression=True)
        table[part] = [SVHN.split_list[part][0], file.name, md5(file.read_bytes())]
    monkeypatch.setattr(SVHN, "split_list", table)
    return tmp_path


@pytest.mark.parametrize(("name", "title"), [("cifar10", "CIFAR-10"), ("svhn", "SVHN")])
def test_colour_images_are_read_from_their_files(request, name, title):
    folder = request.getfixturevalue(name.rstrip("10"))
    data = load(name, data_dir=folder)
    assert (data.name, data.title, data.family, data.shape) == (name, title, name, (3, 32, 32))
    assert data.classes == tuple(CLASSES if name == "cifar10" else "0123456789")
    for part, rows in ((data.train, slice(0, 60)), (data.test, slice(60, 80))):
        assert part.x.dtype == torch.uint8
        assert part.x.is_contiguous()
        assert np.array_equal(part.x.numpy(), PIXELS[rows])
        assert part.y.tolist() == LABELS[rows].tolist()
        assert part.ids.tolist() == list(range(rows.start, rows.stop))
        assert part.white == 255
        assert part.norm == Norm.of(data.train.x)
    assert load(name, data_dir=str(folder)) is data  # read once


def test_fashion_mnist_is_read_as_mnist_is(fashion):
    data = load("fashion_mnist", data_dir=fashion)
    assert data.shape == (1, 28, 28)
    assert (data.classes[0], data.classes[9]) == ("T-shirt/top", "Ankle boot")
    assert np.array_equal(data.train.x.numpy(), PIXELS[:60, :1, :28, :28])
    assert np.array_equal(data.test.x.numpy(), PIXELS[60:, :1, :28, :28])
    assert data.test.ids.tolist() == list(range(60, 80))
    assert data.train.y.tolist() == LABELS[:60].tolist()


def test_cifars_archive_put_there_by_hand_is_unpacked(cifar, monkeypatch):
    packed = cifar / "cifar-10-python.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(cifar / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(packed.read_bytes()))
    for file in (cifar / "cifar-10-batches-py").iterdir():
        file.unlink()
    assert len(load("cifar10", data_dir=cifar).train) == 60


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fashion_mnist", ["t10k-labels-idx1-ubyte", "FashionMNIST/raw"]),
        ("cifar10", ["cifar-10-python.tar.gz"]),
        ("svhn", ["train_32x32.mat and test_32x32.mat"]),
    ],
)
def test_without_files_and_network_the_sentence_says_which_file_goes_where(tmp_path, name, wanted):
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        load(name, data_dir=tmp_path)
    text = str(caught.value)
    assert all(word in text for word in [*wanted, str(tmp_path)]), text
    assert "\n" not in text


class Bomb:
    """Would leave a trace if anything unpickled it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_cifar_batch_that_is_not_the_published_one_is_named_and_never_unpickled(cifar, tmp_path, name):
    trace = tmp_path / "trace"
    (cifar / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(DataError, match="md5 is not the published one") as caught:
        load("cifar10", data_dir=cifar)
    assert name in str(caught.value)
    assert not trace.exists()


def test_a_cut_off_archive_or_matrix_is_named(cifar, svhn):
    (cifar / "cifar-10-batches-py" / "data_batch_1").unlink()
    (cifar / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b" + b"0" * 100)
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz is broken"):
        load("cifar10", data_dir=cifar)
    file = svhn / "test_32x32.mat"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"test_32x32.mat is broken"):
        load("svhn", data_dir=svhn)


def test_files_that_agree_with_their_md5_but_hold_something_else_are_refused(tmp_path, monkeypatch):
    table = {}
    for part in ("train", "test"):
        data = io.BytesIO()
        savemat(data, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.full((4, 1), 77, np.uint8)})
        (tmp_path / f"{part}.mat").write_bytes(data.getvalue())
        table[part] = ["", f"{part}.mat", md5(data.getvalue())]
    monkeypatch.setattr(SVHN, "split_list", table)
    with pytest.raises(DataError, match="are not those of SVHN"):
        load("svhn", data_dir=tmp_path)


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    import errno

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(urllib.request, "urlopen", full)
    with pytest.raises(DataError, match="is full; free some space"):
        load("cifar10", data_dir=tmp_path)
