"""The store of uploaded datasets under ``$LAF_HOME/datasets``, each kept under a hash of its content.

``inspect`` returns a preview of an upload, and ``keep`` stores it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import torch

from core.data.images import Dataset
from core.data.uploads.folder_store import keep_folder, keep_large_npz, rewrite_pixels
from core.data.uploads.keeping import claim, keep_new, write_files
from core.data.uploads.kept_files import (
    ABOUT,
    IMAGES,
    KEY,
    PIXELS,
    UploadedDataset,
    data_bytes,
    datasets_folder,
    discard,
    folder_of,
    is_complete,
    kept_keys,
    no_data,
    read_dataset,
    read_info,
    update_info,
)
from core.data.uploads.preview import UploadPreview, clean_title, inspect
from core.data.uploads.reading.sources import UPLOAD_BYTES
from core.errors import DataError, RequestError
from core.runtime.ownership import LOCK
from core.runtime.purge_watch import PurgeWatch
from core.runtime.storage import load_state, save_state

log = logging.getLogger(__name__)

_PURGES = PurgeWatch()

__all__ = [
    "UPLOAD_BYTES",
    "UploadPreview",
    "UploadedDataset",
    "about",
    "inspect",
    "keep",
    "keep_folder",
    "keep_large_npz",
    "kept",
    "kept_keys",
    "load_uploaded",
    "read_uploaded",
    "remove",
    "remove_images",
    "rename",
    "share",
]


def keep(preview: UploadPreview, token: str | None = None) -> str:
    """Keep an upload for the browser with ``token`` (None: a terminal) and return its key, which ``core.load`` takes.

    When the same content is kept already, it gets one more owner. Each owner has its own title.
    A key only ever names a complete dataset.
    Raises StoreError when the folder cannot be written or the disk is full.
    """
    place = datasets_folder() / preview.key
    with LOCK:
        if is_complete(place):
            claim(place, preview.title, token)
            return preview.key
    return keep_new(place, preview.title, token, lambda part, claims: write_files(part, preview, claims))


def kept(token: str | None = None) -> list[UploadedDataset]:
    """Return the datasets that the browser with ``token`` may see (None: all), newest first.

    Unreadable ones are left out.
    """
    folder = datasets_folder()
    if not folder.is_dir():
        return []
    found = []
    for place in folder.iterdir():
        if KEY.fullmatch(place.name):
            try:
                data = read_info(place, token)
            except DataError as error:
                log.warning("%s", error)
                continue
            if data.claims.may_see(token):
                found.append(data)
    return sorted(found, key=lambda d: (d.imported, d.key), reverse=True)


def about(key: str, token: str | None = None) -> UploadedDataset:
    """Return the facts about ``key``, as the browser with ``token`` sees them.

    Raises RequestError when there is no such dataset that the browser may see, StoreError when its files are broken.
    """
    data = read_info(folder_of(key), token)
    if not data.claims.may_see(token):
        raise RequestError(no_data(key))
    return data


def rename(key: str, title: str, token: str | None = None) -> None:
    """Change the title of a dataset. Raises RequestError for an empty title, or a dataset of another owner."""
    with LOCK:
        data = _changeable(key, token)
        short = clean_title(title)
        if not short:
            raise RequestError("a title needs at least one letter or digit")
        if token is None:
            update_info(key, title=short)
        else:
            update_info(key, claims=data.claims.changed(token, title=short).as_dict())


def share(key: str, shared: bool, token: str) -> None:
    """Let every browser see a dataset, or only its owners.

    Raises RequestError for a dataset of another owner.
    """
    with LOCK:
        data = _changeable(key, token)
        update_info(key, claims=data.claims.changed(token, shared=shared).as_dict())


def remove(key: str, token: str | None = None) -> None:
    """Remove the claim of ``token``, and delete the dataset with its last claim.

    A terminal (None) deletes it at once. Models that were trained on it stay in ``$LAF_HOME/models``. Raises
    RequestError for a dataset of another owner.
    """
    if token is None:
        discard(folder_of(key))
        return
    with LOCK:
        left = _changeable(key, token).claims.dropped(token)
        if left.has_owner:
            update_info(key, claims=left.as_dict())
        else:
            discard(folder_of(key))


def remove_images(key: str, ids: Iterable[int], subjects: Iterable[str] = ()) -> None:
    """Delete the training and test images ``ids`` and the names ``subjects`` for good.

    Other images keep their ids.
    Raises as ``about`` does, and StoreError when the disk is full.
    """
    place = folder_of(key)
    state = load_state(place / IMAGES)
    gone = torch.tensor(sorted(set(ids)), dtype=torch.int64)
    if "pixels" in state:
        rewrite_pixels(place, state, gone)
    for part, of in (("train", "subject_of"), ("test", "test_subject_of")):
        stays = ~torch.isin(state[part]["ids"], gone)
        state[part] = {name: tensor[stays] for name, tensor in state[part].items()}
        if state.get(of) is not None:
            state[of] = state[of][stays]
    left = [name for name in state["subjects"] if name not in set(subjects)]
    # the new number of each old one; an unknown subject, -1, reads the last entry
    number = torch.tensor([left.index(n) if n in left else -1 for n in state["subjects"]] + [-1])
    for of in ("subject_of", "test_subject_of"):
        if state.get(of) is not None:
            state[of] = number[state[of]]
    state["subjects"] = left
    save_state(place / IMAGES, state)
    for file in place.glob(PIXELS):
        if file.name != state.get("pixels"):
            file.unlink(missing_ok=True)
    count = len(state["train"]["ids"]) + len(state["test"]["ids"])
    size = data_bytes(place)
    save_state(place / ABOUT, {**load_state(place / ABOUT), "images": count, "bytes": size})
    _loaded.cache_clear()


def load_uploaded(key: str) -> Dataset:
    """Return a kept dataset; each is read once per process. Raises as ``about`` does."""
    place = folder_of(key)
    if _PURGES.changed():
        _loaded.cache_clear()
    return _loaded(place, read_info(place).title or f"Own data {key[4:8]}")


@lru_cache(maxsize=2)
def _loaded(place: Path, title: str) -> Dataset:
    return read_dataset(place, title)


def read_uploaded(key: str) -> Dataset:
    """Return a kept dataset read from disk, without the cache. Raises as ``about`` does."""
    place = folder_of(key)
    return read_dataset(place, read_info(place).title)


def _changeable(key: str, token: str | None) -> UploadedDataset:
    """Return the facts about ``key``. Raises RequestError when the browser with ``token`` may not change it."""
    data = about(key, token)
    data.claims.require_change(token, f"“{data.title}”")
    return data
