"""MNIST and Fashion-MNIST from IDX files, whose headers and sizes are checked.

Torchvision downloads missing files.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from core.data.downloaded.torchvision_datasets import unavailable
from core.data.images import Dataset, LabelledImages
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
# as torchvision names them
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_mnist(folder: Path) -> Dataset:
    """Return MNIST from ``folder``/MNIST/raw.

    Ids 0 to 59,999 are the training images in order; test ids follow. Raises DataError that names file and
    folder when a file is broken, unreadable, or missing without a network. Raises StoreError when the disk is
    full.
    """
    train, test = _load("MNIST", folder, MNIST_RAW, "MNIST")
    return Dataset("mnist", "MNIST", tuple(map(str, range(10))), train, test)


def load_fashion_mnist(folder: Path) -> Dataset:
    """Return Fashion-MNIST from ``folder``/FashionMNIST/raw, with ids and errors as ``load_mnist``."""
    train, test = _load("FashionMNIST", folder, FASHION_RAW, "Fashion-MNIST")
    return Dataset("fashion_mnist", "Fashion-MNIST", FASHION_CLASSES, train, test)


def raw_folder(folder: Path, place: Path) -> Path | None:
    """Return the folder of all four files, compressed or not: ``folder``/``place``, ``folder`` itself, or one between or beside them.

    A folder in ``folder`` counts if it has the dataset's name, as MNIST, mnist or fashion-mnist. Return None when a file is missing.
    """
    mine = place.parts[0].casefold()
    other = next(p.parts[0].casefold() for p in (MNIST_RAW, FASHION_RAW) if p != place)
    usable = [folder / place]
    # the files of both datasets have the same names, so the other dataset's folder does not count
    if other not in [_plain(part) for part in folder.parts[-2:]]:
        usable += [folder, folder / place.name]
    with contextlib.suppress(OSError):  # a folder that cannot be listed
        named = sorted(p for p in folder.iterdir() if _plain(p.name) == mine)
        usable += [raw for p in named for raw in (p, p / place.name)]
    return next((raw for raw in usable if all(_file(raw, name) is not None for name in FILES)), None)


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).casefold()


def _file(raw: Path, name: str) -> Path | None:
    names = (name, name.replace("-idx", ".idx"))  # some copies of the files have a dot
    return next((path for n in names for path in (raw / n, raw / f"{n}.gz") if path.is_file()), None)


def _load(kind: str, folder: Path, place: Path, title: str) -> list[LabelledImages]:
    """Return training and test images; ``kind``, the name of one of torchvision's MNIST classes, downloads missing files."""
    raw = folder / place
    try:
        if (found := raw_folder(folder, place)) is None:
            for name in FILES:  # raises for a broken file before the download
                if (path := _file(raw, name)) is not None:
                    _read(path, name)
            from torchvision import datasets  # imported here, so that files that are there do not wait for it

            with _without_new_folders(raw, raw.parent, folder):
                getattr(datasets, kind)(str(folder), train=True, download=True)
            found = raw_folder(folder, place)
        if found is None:
            raise DataError(f"{title} is not in {raw}; put {WANTED} there")
        arrays = {name: _read(path, name) for name in FILES if (path := _file(found, name)) is not None}
    except (OSError, RuntimeError, ValueError, EOFError) as error:  # URLError and a full disk are OSErrors
        raise unavailable(title, raw, WANTED, error) from error
    return _labelled(arrays, found)


@contextlib.contextmanager
def _without_new_folders(*folders: Path) -> Iterator[None]:
    """Remove those of ``folders``, the innermost first, that a failed download made and left empty."""
    made = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds files, or was never made
                folder.rmdir()
        raise


def _labelled(arrays: dict[str, np.ndarray], found: Path) -> list[LabelledImages]:
    """Return training and test images from the arrays of the four files.

    Raises DataError when they do not fit.
    """
    sets, start = [], 0
    for part in ("train", "t10k"):
        name = f"{part}-labels-idx1-ubyte"
        images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[name]
        if len(images) != len(labels):
            raise DataError(
                f"{found / name} holds {len(labels)} labels for {len(images)} images; fetch both files again"
            )
        if not len(labels) or int(labels.max()) > 9:
            raise DataError(f"{found / name} is broken (a label is not 0 to 9); fetch it again")
        x, y = torch.from_numpy(images)[:, None], torch.from_numpy(labels.astype(np.int64))
        sets.append(LabelledImages(x, torch.arange(len(x)) + start, 255, y))
        start += len(x)
    return sets


def _read(path: Path, name: str) -> np.ndarray:
    """Return the items of an IDX file, compressed or not. Raises DataError when header and size do not agree."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is broken ({error}); fetch it again") from error
    magic, dimensions = FILES[name]
    header = 8 + 4 * len(dimensions)
    if len(data) >= header:
        found, count, *shape = struct.unpack(f">{header // 4}i", data[:header])
        items = count
        for size in dimensions:
            items *= size
        if found == magic and tuple(shape) == dimensions and len(data) == header + items:
            return np.frombuffer(data, np.uint8, offset=header).reshape(count, *dimensions).copy()
    raise DataError(f"{path} is broken (it is not a whole IDX file of the expected shape); fetch it again")
