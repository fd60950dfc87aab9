"""The datasets by name: one loader each, and one line in DATASETS."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from core.data.images import Dataset, LabelledImages
from core.errors import DataError, RequestError
from core.store import home


@dataclass(frozen=True)
class Source:
    """How a dataset is called, and how it is read from a folder."""

    title: str
    note: str
    load: Callable[[Path], Dataset]
    needs_files: bool = True


def load(name: str, *, data_dir: str | Path | None = None) -> Dataset:
    """The dataset ``name``, in memory; read once per process.

    ``data_dir`` holds (or receives, where there is a network) downloaded files; default ``$LAF_HOME/data``.
    Raises RequestError for an unknown name or a ``data_dir`` that is no folder, DataError when files cannot be had.
    """
    if name not in DATASETS:
        raise RequestError(f"unknown dataset {name!r}; there are: {', '.join(DATASETS)}")
    return _load(name, _folder(name, data_dir) if DATASETS[name].needs_files else Path())


@lru_cache(maxsize=4)
def _load(name: str, folder: Path) -> Dataset:
    return DATASETS[name].load(folder)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    if data_dir is None:
        return home() / "data"
    folder = Path(data_dir).expanduser().resolve()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise RequestError(
            f"the data folder {folder} {what}; make it, and put {_FILES[name]} in {folder / _RAW[name]}"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        raise RequestError(
            f"the data folder {folder} cannot be read; allow reading it, or name another with --data-dir"
        )
    return folder


def _digits(_: Path) -> Dataset:
    """scikit-learn's 8x8 digits: 1,797 real images that ship with the package, stratified 80/20; id = row there."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    x = torch.from_numpy(bunch.images.astype(np.uint8))[:, None]
    y = torch.from_numpy(bunch.target.astype(np.int64))
    rows = np.arange(len(y))
    train, test = train_test_split(rows, test_size=0.2, stratify=bunch.target, random_state=0)

    def part(ids: np.ndarray) -> LabelledImages:
        index = torch.from_numpy(np.sort(ids))
        return LabelledImages(x[index], index, 16, y[index])

    return Dataset("digits", "Digits", tuple(map(str, range(10))), part(train), part(test))


_RAW = {"mnist": Path("MNIST/raw")}
_FILES = {
    "mnist": "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
    "(or the same names ending in .gz)"
}


def _mnist(folder: Path) -> Dataset:
    """MNIST through torchvision; ids 0-59,999 in training order, 60,000-69,999 in test order."""
    from torchvision.datasets import MNIST  # imported here: digits must not wait for torchvision

    raw = folder / _RAW["mnist"]
    _unpack(raw)
    try:
        parts = [MNIST(str(folder), train=train, download=True) for train in (True, False)]
    except OSError as error:  # URLError and a full disk are both OSErrors
        raise DataError(_unavailable("mnist", raw, error)) from error
    except (RuntimeError, ValueError, EOFError) as error:
        raise DataError(_unavailable("mnist", raw, error)) from error
    sizes = [len(part.data) for part in parts]
    sets = [
        LabelledImages(
            part.data[:, None].contiguous(), torch.arange(len(part.data)) + start, 255, part.targets.long()
        )
        for part, start in zip(parts, (0, sizes[0]), strict=True)
    ]
    return Dataset("mnist", "MNIST", tuple(map(str, range(10))), sets[0], sets[1])


def _unpack(raw: Path) -> None:
    """Unpack .gz files that somebody put there by hand; torchvision itself only looks for the unpacked names."""
    import gzip
    import shutil

    for packed in sorted(raw.glob("*-ubyte.gz")) if raw.is_dir() else ():
        target = packed.with_suffix("")
        if target.exists():
            continue
        part = target.with_suffix(".part")
        try:
            with gzip.open(packed) as source, open(part, "wb") as sink:
                shutil.copyfileobj(source, sink)
            part.replace(target)
        except (OSError, EOFError) as error:
            part.unlink(missing_ok=True)
            raise DataError(
                f"{packed} cannot be unpacked ({error}); fetch it again, or free space on the disk"
            ) from error


def _unavailable(name: str, raw: Path, error: BaseException) -> str:
    import errno

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk that holds {raw} is full; free some space, or name another folder with --data-dir"
    if isinstance(error, PermissionError):
        return f"{error.filename or raw} cannot be read or written; allow it, or name another folder with --data-dir"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{DATASETS[name].title} is not in {raw} and could not be downloaded ({reason}); put {_FILES[name]} there"


DATASETS: dict[str, Source] = {
    "digits": Source("Digits", "1,797 images, 8x8, ships with the Lab", _digits, needs_files=False),
    "mnist": Source("MNIST", "70,000 images, 28x28, downloaded once (12 MB)", _mnist),
}
