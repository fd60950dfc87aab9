"""CIFAR-10 and SVHN through torchvision, which downloads missing files, and the error for an unavailable dataset.

CIFAR-10's batches are pickles. torchvision opens them only when the md5 of each is the published one.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data.images import Dataset, LabelledImages, Norm
from core.errors import DataError, StoreError

CIFAR10_FILES = "cifar-10-python.tar.gz"
SVHN_FILES = "train_32x32.mat and test_32x32.mat"


def load_cifar10(folder: Path) -> Dataset:
    """Return CIFAR-10 from ``folder``/cifar-10-batches-py.

    Ids 0 to 49,999 are the training images; test ids follow. Raises DataError that names file and folder when
    a file is broken, unreadable, or missing without a network. Raises StoreError when the disk is full.
    """
    from torchvision.datasets import CIFAR10  # imported here, so that digits do not wait for torchvision

    if (folder / CIFAR10.train_list[0][0]).is_file():  # ``folder`` itself holds the batches
        kind: Any = type("CIFAR10", (CIFAR10,), {"base_folder": folder.name})
        folder = folder.parent
    else:
        kind = CIFAR10

    def read(train: bool) -> Any:
        return kind(str(folder), train=train, download=True)

    batches = folder / kind.base_folder
    names = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    files = [(batches / name, md5) for name, md5 in names] + [(folder / CIFAR10.filename, CIFAR10.tgz_md5)]
    parts = _read(read, "CIFAR-10", folder, CIFAR10_FILES, files)
    images = [(p.data.transpose(0, 3, 1, 2), p.targets) for p in parts]
    return _dataset("cifar10", "CIFAR-10", tuple(parts[0].classes), images, batches)


def has_cifar10(folder: Path) -> bool:
    """Return whether ``folder``/cifar-10-batches-py or ``folder`` itself holds all batches of CIFAR-10, unbroken."""
    from torchvision.datasets import CIFAR10

    lists = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    return any(_whole(place, lists) for place in (folder / CIFAR10.base_folder, folder))


def has_svhn(folder: Path) -> bool:
    """Return whether ``folder`` holds both files of SVHN, unbroken."""
    from torchvision.datasets import SVHN

    return _whole(folder, [SVHN.split_list[part][1:3] for part in ("train", "test")])


def _whole(folder: Path, files: Sequence[Sequence[str]]) -> bool:
    """Return whether ``folder`` holds every file, given as name and md5."""
    from torchvision.datasets.utils import check_integrity

    return all(check_integrity(folder / name, md5) for name, md5 in files)


def load_svhn(folder: Path) -> Dataset:
    """Return SVHN (cropped digits, without its extra set) from ``folder``.

    Ids follow train_32x32.mat; test ids follow.
    Raises as ``load_cifar10`` does.
    """
    from torchvision.datasets import SVHN

    def read(train: bool) -> Any:
        return SVHN(str(folder), split="train" if train else "test", download=True)

    files = [(folder / name, md5) for _, name, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])]
    parts = _read(read, "SVHN", folder, SVHN_FILES, files)
    images = [(p.data, p.labels) for p in parts]
    return _dataset("svhn", "SVHN", tuple(map(str, range(10))), images, folder)


def _read(read: Any, title: str, folder: Path, wanted: str, files: list[tuple[Path, str]]) -> list[Any]:
    """Return the training and the test part.

    Raises DataError that names the broken file, or says which files are missing.
    """
    from torchvision.datasets.utils import check_md5

    try:
        return [read(True), read(False)]
    except Exception as error:  # readers raise different types for a damaged archive, .mat or batch
        try:
            broken = next((path for path, md5 in files if path.is_file() and not check_md5(path, md5)), None)
        except OSError:  # ``unavailable`` reports the unreadable file
            broken = None
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if broken is not None and not full:
            raise DataError(
                f"{broken} is broken (its md5 is not the published one); delete it and put {wanted} in {folder}"
            ) from error
        raise unavailable(title, folder, wanted, error) from error


def _dataset(
    name: str, title: str, classes: tuple[str, ...], parts: list[tuple[Any, Any]], place: Path
) -> Dataset:
    """Return a dataset of both parts, normalised by its training images.

    Raises DataError for images of another form.
    """
    sets: list[LabelledImages] = []
    start = 0
    norm = None
    for images, labels in parts:
        x = torch.from_numpy(np.ascontiguousarray(images))
        y = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
        right = x.dtype == torch.uint8 and x.ndim == 4 and x.shape[1] == 3 and y.shape == x.shape[:1]
        if not right or not len(y) or int(y.min()) < 0 or int(y.max()) >= len(classes):
            raise DataError(f"the files of {title} in {place} are not those of {title}; fetch them again")
        norm = norm or Norm.of(x)
        sets.append(LabelledImages(x, torch.arange(len(x)) + start, 255, y, norm=norm))
        start += len(x)
    return Dataset(name, title, classes, sets[0], sets[1])


def unavailable(title: str, folder: Path, wanted: str, error: BaseException) -> DataError:
    """Return the error for a dataset that can be neither read nor downloaded.

    A StoreError when the disk is full.
    """
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StoreError(
            f"the disk that holds {folder} is full; free some space, or name another folder with --data-dir"
        )
    if isinstance(error, PermissionError):
        return DataError(
            f"{error.filename or folder} cannot be read or written; allow it, or name another folder with --data-dir"
        )
    reason = str(error).splitlines()[0].rstrip(":") if str(error) else type(error).__name__
    return DataError(f"{title} is not in {folder} and could not be downloaded ({reason}); put {wanted} there")
