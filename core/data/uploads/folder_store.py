"""Datasets of the store whose pixels are mapped from disk: copied from a folder of arrays, and rewritten without deleted images."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from core.data.images import LabelledImages, Norm
from core.data.mapped import blocks, map_pixels
from core.data.uploads.array_folder import ArrayFolder, unpack
from core.data.uploads.keeping import claim, keep_new, write_files
from core.data.uploads.kept_files import PIXELS, datasets_folder, is_complete, write_pixels
from core.data.uploads.preview import UploadPreview
from core.errors import RequestError, StoreError
from core.runtime.ownership import LOCK, Claims


def keep_folder(
    folder: Path,
    token: str | None = None,
    *,
    name: str = "",
    note: Callable[[str], object] | None = None,
) -> str:
    """Keep the images of a folder of .npy files, which need not fit memory, and return their key as ``keep`` does.

    The pixels are copied into the Lab's folder in blocks, and mapped from there. ``name`` stands for the folder in messages and titles.
    ``note`` is called with each sentence about what was changed or left out.
    Raises RequestError when there is no such folder, DataError when it cannot be used, and as ``keep`` does.
    """
    if not folder.is_dir():
        raise RequestError(f"there is no folder {folder}; name one with images.npy and labels.npy")
    source = ArrayFolder(folder, name)
    if note is not None:
        for sentence in source.notes:
            note(sentence)
    key = source.key()
    place = datasets_folder() / key
    with LOCK:
        if is_complete(place):
            claim(place, source.title, token)
            return key
    _require_space(source.bytes)
    return keep_new(place, source.title, token, lambda part, claims: _copy_folder(part, source, claims))


def keep_large_npz(
    file: Path, token: str | None = None, *, note: Callable[[str], object] | None = None
) -> str:
    """Keep an npz that is too large for an upload, as ``keep_folder`` keeps it unpacked. Raises as that does."""
    with tempfile.TemporaryDirectory(prefix=".own-", dir=_made(datasets_folder())) as folder:
        try:
            unpack(file, Path(folder))
        except OSError as error:
            raise StoreError(
                f"{file} cannot be unpacked in {datasets_folder()} ({error.strerror}); free space there, or set LAF_HOME to another folder"
            ) from error
        return keep_folder(Path(folder), token, name=file.name, note=note)


def _copy_folder(part: Path, source: ArrayFolder, claims: Claims) -> None:
    """Write all files of a dataset from a folder of arrays to ``part``."""
    part.mkdir(parents=True)
    path = part / PIXELS.replace("*", "")
    pixels = itertools.chain(source.pixels(False), source.pixels(True))
    write_pixels(path, (len(source.y), *source.shape), pixels)
    x, n = map_pixels(path), int((~source.is_test).sum())
    norm = Norm.of(x[:n]) if source.shape[0] == 3 else None
    train, test = (
        LabelledImages(x[where], ids, 255, y, norm=norm)
        for where, (y, ids) in ((slice(n), source.part(False)), (slice(n, None), source.part(True)))
    )
    preview = UploadPreview(source.title, source.classes, train, test, (), source.notes)
    write_files(part, preview, claims, path.name)


def rewrite_pixels(place: Path, state: dict[str, Any], gone: torch.Tensor) -> None:
    """Write the images that are not ``gone`` to a new file of pixels, and name it in ``state``."""
    x = map_pixels(place / state["pixels"])
    stays = ~torch.isin(torch.cat([state["train"]["ids"], state["test"]["ids"]]), gone)
    state["pixels"] = PIXELS.replace("*", f"-{secrets.token_hex(4)}")

    def left() -> Iterator[torch.Tensor]:
        at = 0
        for block in blocks(x):
            yield block[stays[at : at + len(block)]]
            at += len(block)

    write_pixels(place / state["pixels"], (int(stays.sum()), *x.shape[1:]), left())
    state.pop("norm", None)


def _require_space(count: int) -> None:
    """Raise StoreError where the disk of the Lab's folder has less than ``count`` bytes free."""
    free = shutil.disk_usage(_made(datasets_folder())).free
    if free < count:
        raise StoreError(
            f"the images take {count / 2**30:.1f} GB and {datasets_folder()} has {free / 2**30:.1f} GB free; free space there, or set LAF_HOME to another folder"
        )


def _made(folder: Path) -> Path:
    """Make a folder and return it. Raises StoreError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}); allow it, or set LAF_HOME to another folder"
        ) from error
    return folder
