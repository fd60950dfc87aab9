"""MNIST and Fashion-MNIST: their IDX files checked before anything trusts them, then read (or fetched) through torchvision."""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
from pathlib import Path

import torch

from core.data.images import Dataset, LabelledImages
from core.data.torchvision_files import not_there
from core.errors import DataError

FILES = {  # name -> IDX magic number, dimensions after the first
    "train-images-idx3-ubyte": (2051, (28, 28)),
    "train-labels-idx1-ubyte": (2049, ()),
    "t10k-images-idx3-ubyte": (2051, (28, 28)),
    "t10k-labels-idx1-ubyte": (2049, ()),
}
WANTED = ", ".join(FILES) + " (or the same names ending in .gz)"
MNIST_RAW = Path("MNIST/raw")
FASHION_RAW = Path("FashionMNIST/raw")


def load_mnist(folder: Path) -> Dataset:
    """MNIST from ``folder``/MNIST/raw; ids 0-59,999 in training order, then the test images.

    Raises DataError naming file and folder: missing where there is no network, broken, unreadable, or the disk full.
    """
    from torchvision.datasets import MNIST  # imported here: digits must not wait for torchvision

    train, test = _load(MNIST, folder, MNIST_RAW, "MNIST")
    return Dataset("mnist", "MNIST", tuple(map(str, range(10))), train, test)


def load_fashion_mnist(folder: Path) -> Dataset:
    """Fashion-MNIST from ``folder``/FashionMNIST/raw; ids and errors as MNIST's."""
    from torchvision.datasets import FashionMNIST

    train, test = _load(FashionMNIST, folder, FASHION_RAW, "Fashion-MNIST")
    return Dataset("fashion_mnist", "Fashion-MNIST", tuple(FashionMNIST.classes), train, test)


def _load(kind, folder: Path, place: Path, title: str) -> list[LabelledImages]:  # type: ignore[no-untyped-def]
    """Train and test images of one of torchvision's MNIST classes."""
    raw = folder / place
    try:
        _unpack(raw)
        counts = {name: _check(raw / name) for name in FILES if (raw / name).exists()}
        parts = [kind(str(folder), train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError, ValueError, EOFError) as error:  # URLError and a full disk are OSErrors
        raise not_there(title, raw, WANTED, error) from error
    for part in ("train", "t10k"):
        images, labels = (counts.get(name) for name in FILES if name.startswith(part))
        if images is not None and labels is not None and images != labels:
            raise DataError(
                f"{raw / f'{part}-labels-idx1-ubyte'} holds {labels} labels for {images} images; fetch both files again"
            )
    sets, start = [], 0
    for part, name in zip(parts, ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"), strict=True):
        x, y = part.data[:, None].contiguous(), part.targets.long()
        if not len(y) or int(y.max()) > 9:
            raise DataError(f"{raw / name} is broken (a label is not 0 to 9); fetch it again")
        sets.append(LabelledImages(x, torch.arange(len(x)) + start, 255, y))
        start += len(x)
    return sets


def _check(path: Path) -> int:
    """The number of items in an IDX file. Raises DataError when header and size do not agree."""
    magic, dimensions = FILES[path.name]
    header = 8 + 4 * len(dimensions)
    with open(path, "rb") as file:
        start = file.read(header)
    if len(start) == header:
        found, count, *shape = struct.unpack(f">{len(start) // 4}i", start)
        items = 1
        for size in dimensions:
            items *= size
        if found == magic and tuple(shape) == dimensions and path.stat().st_size == header + count * items:
            return int(count)
    raise DataError(f"{path} is broken (it is not a whole IDX file of the expected shape); fetch it again")


def _unpack(raw: Path) -> None:
    """Unpack .gz files that somebody put there by hand; torchvision itself only looks for the unpacked names."""
    for name in FILES:
        packed, target = raw / f"{name}.gz", raw / name
        if target.exists() or not packed.exists():
            continue
        with tempfile.NamedTemporaryFile(dir=raw, delete=False) as sink:  # two sessions may unpack at once
            part = Path(sink.name)
            try:
                with gzip.open(packed) as source:
                    shutil.copyfileobj(source, sink)
            except (gzip.BadGzipFile, EOFError) as error:
                part.unlink(missing_ok=True)
                raise DataError(f"{packed} is broken ({error}); fetch it again") from error
            except OSError:
                part.unlink(missing_ok=True)
                raise
        part.replace(target)
