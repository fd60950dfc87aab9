"""Registry of the datasets: ``DATASETS`` has one line for each, and ``load`` returns one by name."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.data.downloaded.idx import (
    FASHION_RAW,
    MNIST_RAW,
    WANTED,
    load_fashion_mnist,
    load_mnist,
    raw_folder,
)
from core.data.downloaded.torchvision_datasets import (
    CIFAR10_FILES,
    SVHN_FILES,
    has_cifar10,
    has_svhn,
    load_cifar10,
    load_svhn,
)
from core.data.embedded.digits import load_digits
from core.data.embedded.examples import load_breast_cancer, load_generated_series, load_wine
from core.data.images import Dataset
from core.errors import DataError, RequestError
from core.runtime.bounds import quote_value
from core.runtime.storage import home

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Title of a dataset, and the function and files to load it."""

    title: str
    note: str
    load: Callable[[Path], Dataset]
    files: str = ""  # names of the files that the data folder must hold; "" when it needs none
    place: Path = Path()  # of the files, relative to the data folder
    form: str = ", unpacked,"  # after ``files``, where only unpacked files are read
    is_in: Callable[[Path], bool] = lambda _: True  # returns whether a folder holds all files
    family: str = ""  # of the presets; "" for the dataset's own name
    classes: int = 10

    @property
    def needs_files(self) -> bool:
        """True when the dataset is read from a folder."""
        return bool(self.files)


def load(
    name: str | Path,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    note: Callable[[str], object] | None = None,
) -> Dataset:
    """Return the dataset ``name`` in memory; each is read once per process.

    A zip, npz or csv, or a folder with images.npy and labels.npy, becomes an uploaded dataset first; the images of a folder stay
    on disk. ``note`` is called with each sentence about what of it was changed or left out. ``data_dir`` is the folder of downloaded files, by default
    ``$LAF_HOME/data``. It may also be the folder of the raw files themselves, or hold a folder with the dataset's name. Missing files are downloaded
    into it where there is a network. With ``download=False`` nothing is downloaded into a given ``data_dir``.
    Raises RequestError for an unknown name or a ``data_dir`` that is no folder, DataError for missing or
    broken files.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise RequestError(f"load takes the name of a dataset or a path, got {quote_value(name)}")
    name = _uploaded(name, note or log.info)
    if name.startswith(OWN):
        return source(name).load(Path())
    if name not in DATASETS:
        raise RequestError(
            f"unknown dataset {name!r}; there are: {', '.join(DATASETS)}; or give a path to a zip, npz, csv or folder"
        )
    found = DATASETS[name]
    if not found.needs_files:
        return _load(name, Path())
    folder = _folder(name, data_dir)
    if data_dir is not None and not download and not found.is_in(folder):
        raise DataError(
            f"{found.title} is not complete in {folder}; put {found.files}{found.form} there, "
            "or name no folder, and the Lab downloads the files into its own"
        )
    return _load(name, folder)


def require_name(name: str) -> None:
    """Check that ``name``, which the page or its URL gave, is a dataset of the Lab or the key of an uploaded one.

    Raises RequestError for any other text, such as a path. No file is checked, so that the message reveals none.
    """
    if name not in DATASETS and not _OWN_NAME.fullmatch(name):
        raise RequestError(
            f"unknown dataset {quote_value(name)}; there are: {', '.join(DATASETS)}, and uploaded data; "
            "only the command line takes a file"
        )


def source(name: str) -> Source:
    """Return the Source of a dataset of the Lab or an uploaded one. Raises RequestError for an unknown name."""
    if name.startswith(OWN):
        from core.data.uploads import store  # imported here, so that digits do not wait for PIL

        data = store.about(name)
        return Source(data.title, data.note, lambda _: store.load_uploaded(name))
    if name not in DATASETS:
        raise RequestError(f"unknown dataset {name!r}; there are: {', '.join(DATASETS)}")
    return DATASETS[name]


def _uploaded(name: str | Path, note: Callable[[str], object]) -> str:
    """Upload the file or folder when ``name`` is a path, and return its key; return any other name as it is."""
    path = Path(os.path.expanduser(name))
    is_path = (
        isinstance(name, Path) or len(path.parts) > 1 or path.suffix.casefold() in (".zip", ".npz", ".csv")
    )
    if str(name) in DATASETS or not (is_path or os.path.isfile(path) or os.path.isdir(path)):
        return str(name)
    from core.data.uploads import store

    if path.suffix == ".npy":
        path = path.parent
    if os.path.isdir(path):
        return store.keep_folder(path, note=note)
    if path.suffix.casefold() == ".npz" and os.path.isfile(path) and path.stat().st_size > store.UPLOAD_BYTES:
        return store.keep_large_npz(path, note=note)
    preview = store.inspect(path, name=path.name)
    key = store.keep(preview)
    for sentence in preview.notes:
        note(sentence)
    if (title := store.about(key).title) != preview.title:
        note(f"The same data are kept already, as “{title}”.")
    return key


@lru_cache(maxsize=4)
def _load(name: str, folder: Path) -> Dataset:
    return DATASETS[name].load(folder)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    """Return the data folder. Raises RequestError when ``data_dir`` is no readable folder."""
    if data_dir is None:
        return home() / "data"
    folder = Path(os.path.realpath(os.path.expanduser(data_dir)))
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        source = DATASETS[name]
        raise RequestError(
            f"the data folder {folder} {what}; make it, and put {source.files} in {folder / source.place}"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        raise RequestError(
            f"the data folder {folder} cannot be read; allow reading it, or name another with --data-dir"
        )
    return folder


OWN = "own-"  # prefix of the keys of uploaded datasets
_OWN_NAME = re.compile(r"own-[0-9a-f]{12}")

DATASETS: dict[str, Source] = {
    "digits": Source("Digits", "1,797 images, 8x8, ships with the Lab", load_digits),
    "mnist": Source(
        "MNIST",
        "70,000 images, 28x28, downloaded once (12 MB)",
        load_mnist,
        files=WANTED,
        place=MNIST_RAW,
        form="",
        is_in=lambda folder: raw_folder(folder, MNIST_RAW) is not None,
    ),
    "fashion_mnist": Source(
        "Fashion-MNIST",
        "70,000 images of clothes, 28x28, downloaded once (30 MB)",
        load_fashion_mnist,
        files=WANTED,
        place=FASHION_RAW,
        form="",
        is_in=lambda folder: raw_folder(folder, FASHION_RAW) is not None,
    ),
    "cifar10": Source(
        "CIFAR-10",
        "60,000 colour images, 32x32, downloaded once (170 MB)",
        load_cifar10,
        files=CIFAR10_FILES,
        is_in=has_cifar10,
    ),
    "svhn": Source(
        "SVHN",
        "99,289 house numbers in colour, 32x32, downloaded once (246 MB)",
        load_svhn,
        files=SVHN_FILES,
        is_in=has_svhn,
    ),
    "wine": Source(
        "Wine",
        "178 vectors of 13 chemical measures, ships with the Lab",
        load_wine,
        family="vectors",
        classes=3,
    ),
    "breast_cancer": Source(
        "Breast cancer",
        "569 vectors of 30 measures of cell nuclei, ships with the Lab",
        load_breast_cancer,
        family="vectors",
        classes=2,
    ),
    "generated_series": Source(
        "Generated series",
        "1,200 time series of 96 values, generated by the Lab and not measured anywhere",
        load_generated_series,
        family="series",
        classes=6,
    ),
}
