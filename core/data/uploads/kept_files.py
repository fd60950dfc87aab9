"""Files of uploaded datasets: one folder under ``$LAF_HOME/datasets`` for each, named by a hash of its content."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from core.data.images import Dataset, LabelledImages, Norm, kind_of, size_text
from core.data.mapped import map_pixels
from core.data.uploads.preview import UploadPreview, uploaded_dataset
from core.errors import DataError, RequestError, StoreError
from core.runtime.ownership import Claims
from core.runtime.storage import home, load_state, save_state

log = logging.getLogger(__name__)

KEY = re.compile(r"own-[0-9a-f]{12}")
IMAGES = "images.safetensors"
PIXELS = "pixels*.npy"  # of a dataset that is mapped from disk: (N, C, H, W) uint8, training images before test images
ABOUT = "about.safetensors"  # a file of its own, so that a list or a new title does not touch the pixels
_STALE_S = 3600.0  # an unfinished folder of this age belongs to an upload that was killed


@dataclass(frozen=True)
class UploadedDataset:
    """Facts about a kept dataset that are read without its images."""

    key: str
    title: str
    images: int  # training and test images
    classes: int
    shape: tuple[int, ...]  # as Dataset.shape
    bytes: int  # on disk
    imported: datetime
    claims: Claims = field(default_factory=lambda: Claims(terminal=True))

    @property
    def note(self) -> str:
        """A short description, such as "12,000 images, 32x32 in colour, 10 classes"."""
        return f"{self.images:,} {kind_of(self.shape)}, {size_text(self.shape)}, {self.classes} classes"


def datasets_folder() -> Path:
    """Return the folder of all kept datasets."""
    return home() / "datasets"


def folder_of(key: str) -> Path:
    """Return the folder of ``key``, which is checked before it becomes part of a path.

    Raises RequestError when there is none.
    """
    place = datasets_folder() / key
    if not KEY.fullmatch(key) or not place.is_dir():
        raise RequestError(no_data(key))
    return place


def no_data(key: str) -> str:
    """Return the message for a missing key.

    A key of another browser gets the same message, which does not reveal it.
    """
    return f"no data is kept as {key[:60]!r} that is yours or shared; import it again"


def kept_keys() -> list[str]:
    """Return the sorted keys of all kept datasets, including those that cannot be read."""
    folder = datasets_folder()
    return sorted(p.name for p in folder.iterdir() if KEY.fullmatch(p.name)) if folder.is_dir() else []


def read_info(place: Path, token: str | None = None) -> UploadedDataset:
    """Return the facts about the dataset in a folder, with its title for the browser with ``token``.

    Raises StoreError.
    """
    state = load_state(place / ABOUT)
    try:
        shape = tuple(map(int, state["shape"]))
        size_text(shape)  # fails for a shape of no kind
        claims = Claims.read(state.get("claims"))
        return UploadedDataset(
            key=place.name,
            title=claims.title(token, str(state["title"])),
            images=int(state["images"]),
            classes=int(state["classes"]),
            shape=shape,
            bytes=int(state["bytes"]),
            imported=datetime.fromisoformat(state["imported"]),
            claims=claims,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{place} is broken; remove it and upload the data again") from error


def read_dataset(place: Path, title: str) -> Dataset:
    """Return the dataset in a folder. Raises StoreError."""
    state = load_state(place / IMAGES)
    try:
        parts, scale = (state["train"], state["test"]), state.get("scale")
        white = 255 if scale is None else 1
        if "pixels" in state:
            x = map_pixels(place / Path(state["pixels"]).name)
            n = len(parts[0]["y"])
            parts = ({**parts[0], "x": x[:n]}, {**parts[1], "x": x[n:]})
        train, test = (LabelledImages(p["x"], p["ids"], white, p["y"]) for p in parts)
        if scale is None and train.x.shape[1] == 3:
            norm = Norm(*map(tuple, state["norm"])) if "norm" in state else Norm.of(train.x)
            train, test = (LabelledImages(p.x, p.ids, 255, p.y, norm=norm) for p in (train, test))
        subject_of: Tensor | None = state["subject_of"]
        test_subject_of: Tensor | None = state.get("test_subject_of")  # missing in older files
        classes, subjects = tuple(state["classes"]), tuple(state["subjects"])
        return uploaded_dataset(
            place.name,
            title,
            classes,
            train,
            test,
            subjects,
            subject_of,
            test_subject_of,
            scale=None if scale is None else Norm(*(tuple(v) for v in scale)),
            features=tuple(state.get("features", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        raise StoreError(f"{place} is broken; remove it and upload the data again") from error


def state_of(preview: UploadPreview, pixels: str = "") -> dict[str, Any]:
    """Return the state that ``read_dataset`` reads. With the name of a file of ``pixels``, the state holds none itself."""
    parts = {"train": preview.train, "test": preview.test}
    norm = preview.train.norm
    return {
        **{
            name: {"y": p.y, "ids": p.ids} if pixels else {"x": p.x, "y": p.y, "ids": p.ids}
            for name, p in parts.items()
        },
        **({"pixels": pixels} if pixels else {}),
        **({"norm": [list(v) for v in norm]} if pixels and norm is not None else {}),
        "classes": list(preview.classes),
        "subjects": list(preview.subjects),
        "subject_of": preview.subject_of,
        "test_subject_of": preview.test_subject_of,
        **_values_of(preview),
    }


def _values_of(preview: UploadPreview) -> dict[str, Any]:
    """Return what the state of vectors and series has besides that of images."""
    if preview.scale is None:
        return {}
    return {"scale": [list(v) for v in preview.scale], "features": list(preview.features)}


def update_info(key: str, **values: Any) -> None:
    """Overwrite ``values`` in the facts about ``key``."""
    path = folder_of(key) / ABOUT
    save_state(path, {**load_state(path), **values})


def is_complete(place: Path) -> bool:
    """Return whether a folder holds a dataset whose files have the recorded size.

    The images are not read.
    """
    try:
        return read_info(place).bytes == data_bytes(place)
    except (DataError, OSError):
        return False


def data_bytes(place: Path) -> int:
    """Return the bytes of the images, labels and ids in a folder. Raises OSError where a file is missing."""
    return sum(path.stat().st_size for path in (place / IMAGES, *place.glob(PIXELS)))


def write_pixels(path: Path, shape: tuple[int, ...], blocks: Iterable[Tensor]) -> None:
    """Write ``blocks`` of images as one array (N, C, H, W) uint8 of ``shape``, through to the disk; only this user may read it."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
        )
        for block in blocks:
            file.write(block.contiguous().numpy().data)
        file.flush()
        os.fsync(file.fileno())


def discard(place: Path) -> None:
    """Rename a dataset's folder to a hidden name, then delete it.

    Raises StoreError when it cannot be renamed.
    """
    gone = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
    try:
        place.rename(gone)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be removed ({error.strerror}); allow it, or delete it by hand"
        ) from error
    shutil.rmtree(gone, ignore_errors=True)


def remove_unfinished() -> None:
    """Delete the unfinished folders of imports that were killed."""
    folder = datasets_folder()
    for part in folder.glob(".own-*") if folder.is_dir() else ():
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                shutil.rmtree(part, ignore_errors=True)
        except OSError:  # another process deleted the folder
            continue


def sync_folder(folder: Path) -> None:
    """Write a rename in ``folder`` through to the disk, on systems that can open folders."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError as error:
        log.debug("%s cannot be synced: %s", folder, error)
    finally:
        os.close(number)
