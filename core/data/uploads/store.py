"""Data that people bring: looked at by ``inspect``, then kept under ``$LAF_HOME/datasets``, each under a hash of its content."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.data.images import Dataset, LabelledImages, Norm
from core.data.uploads.archives import UPLOAD_BYTES
from core.data.uploads.preview import UploadPreview, inspect, own_dataset, titled
from core.errors import DataError, RequestError, StoreError
from core.runtime.ownership import LOCK, Claims
from core.runtime.purge_watch import PurgeWatch
from core.runtime.storage import home, load_state, save_state

log = logging.getLogger(__name__)

_KEY = re.compile(r"own-[0-9a-f]{12}")
_IMAGES, _ABOUT = (
    "images.safetensors",
    "about.safetensors",
)  # apart: a list or a new title must not touch the pixels
_PURGED = PurgeWatch()  # by another process, perhaps
_STALE_S = 3600.0  # a half-made folder this old belongs to an import that was killed

__all__ = [
    "UPLOAD_BYTES",
    "UploadPreview",
    "UploadedDataset",
    "inspect",
    "keep",
    "kept",
    "kept_keys",
    "load_own",
    "read_own",
    "remove",
    "remove_images",
    "rename",
    "share",
]


@dataclass(frozen=True)
class UploadedDataset:
    """What is known of kept data without reading its images."""

    key: str
    title: str
    images: int  # training and test
    classes: int
    shape: tuple[int, int, int]  # (C, H, W)
    bytes: int  # on disk
    imported: datetime
    claims: Claims = field(default_factory=lambda: Claims(terminal=True))

    @property
    def note(self) -> str:
        """A few words: "12,000 images, 32x32 in colour, 10 classes"."""
        c, h, w = self.shape
        return f"{self.images:,} images, {w}x{h} {'in colour' if c == 3 else 'grey'}, {self.classes} classes"


def keep(proposal: UploadPreview, token: str | None = None) -> str:
    """Keep it for the browser with ``token`` (None: a terminal); its key, under which ``load`` finds it.

    The same content again is there already: it gets one more owner, and each owner has a title of its own. What is half-written is
    never seen under a key. Raises DataError when the folder cannot be written or the disk is full.
    """
    place = _folder() / proposal.key
    with LOCK:
        if _is_whole(place):
            _claim(place, proposal.title, token)
            return proposal.key
    _sweep()
    try:
        claims = _about(place).claims  # of data whose images are damaged: its owners stay
    except DataError:
        claims = Claims()
    part = place.with_name(f".{proposal.key}-{secrets.token_hex(4)}")
    try:
        save_state(part / _IMAGES, _state(proposal))
        about = {
            "title": proposal.title,
            "images": len(proposal.train) + len(proposal.test),
            "classes": len(proposal.classes),
            "shape": proposal.shape,
            "bytes": (part / _IMAGES).stat().st_size,
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "claims": claims.claimed(token, proposal.title).as_dict(),
        }
        save_state(part / _ABOUT, about)
        if place.exists():  # damaged, or it would have been found above
            _discard(place)
        try:
            part.rename(place)
        except OSError:
            if not _is_whole(place):  # else another browser kept the same just now
                raise
            with LOCK:
                _claim(place, proposal.title, token)
        _sync(place.parent)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written ({error.strerror}); allow it, or set LAF_HOME to another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return proposal.key


def kept(token: str | None = None) -> list[UploadedDataset]:
    """All that the browser with ``token`` may see (None: all), newest first; what cannot be read is left out."""
    folder = _folder()
    if not folder.is_dir():
        return []
    found = []
    for place in folder.iterdir():
        if _KEY.fullmatch(place.name):
            try:
                data = _about(place, token)
            except DataError as error:
                log.warning("%s", error)
                continue
            if data.claims.may_see(token):
                found.append(data)
    return sorted(found, key=lambda d: (d.imported, d.key), reverse=True)


def about(key: str, token: str | None = None) -> UploadedDataset:
    """Return what is known of ``key``, as the browser with ``token`` sees it.

    Raises RequestError where nothing is kept under it that this browser may see, DataError where it is broken.
    """
    data = _about(_place(key), token)
    if not data.claims.may_see(token):
        raise RequestError(_no_data(key))
    return data


def rename(key: str, title: str, token: str | None = None) -> None:
    """Give kept data another title. Raises RequestError for an empty one, or data of another owner."""
    with LOCK:
        data = _changeable(key, token)
        short = titled(title)
        if not short:
            raise RequestError("a title needs at least one letter or digit")
        if token is None:
            _tell(key, title=short)
        else:
            _tell(key, claims=data.claims.changed(token, title=short).as_dict())


def share(key: str, shared: bool, token: str) -> None:
    """Let every browser see kept data, or only its owners. Raises RequestError for data of another owner."""
    with LOCK:
        data = _changeable(key, token)
        _tell(key, claims=data.claims.changed(token, shared=shared).as_dict())


def remove(key: str, token: str | None = None) -> None:
    """Drop the claim of ``token``, and delete the data for good with the last claim; a terminal deletes it at once.

    Models that were trained on it stay in ``$LAF_HOME/models``. Raises RequestError for data of another owner.
    """
    if token is None:
        _discard(_place(key))
        return
    with LOCK:
        left = _changeable(key, token).claims.dropped(token)
        if left.is_left:
            _tell(key, claims=left.as_dict())
        else:
            _discard(_place(key))


def remove_images(key: str, ids: Iterable[int], subjects: Iterable[str] = ()) -> None:
    """Delete these training and test images for good, and the names of ``subjects``; the other images keep their ids.

    Raises as ``about``, DataError when the disk is full.
    """
    place = _place(key)
    state = load_state(place / _IMAGES)
    gone = torch.tensor(sorted(set(ids)), dtype=torch.int64)
    for part, of in (("train", "subject_of"), ("test", "test_subject_of")):
        stays = ~torch.isin(state[part]["ids"], gone)
        state[part] = {name: tensor[stays] for name, tensor in state[part].items()}
        if state.get(of) is not None:
            state[of] = state[of][stays]
    left = [name for name in state["subjects"] if name not in set(subjects)]
    number = torch.tensor(
        [left.index(n) if n in left else -1 for n in state["subjects"]] + [-1]
    )  # -1: not known
    for of in ("subject_of", "test_subject_of"):
        if state.get(of) is not None:
            state[of] = number[state[of]]
    state["subjects"] = left
    save_state(place / _IMAGES, state)
    count = len(state["train"]["ids"]) + len(state["test"]["ids"])
    size = (place / _IMAGES).stat().st_size
    save_state(place / _ABOUT, {**load_state(place / _ABOUT), "images": count, "bytes": size})
    _loaded.cache_clear()


def load_own(key: str) -> Dataset:
    """Kept data as a Dataset; read once per process. Raises as ``about``."""
    place = _place(key)
    if _PURGED.changed():
        _loaded.cache_clear()
    return _loaded(place, _about(place).title or f"Own data {key[4:8]}")


@lru_cache(maxsize=2)
def _loaded(place: Path, title: str) -> Dataset:
    return _read(place, title)


def read_own(key: str) -> Dataset:
    """Return kept data, read anew and held in no cache. Raises as ``about``."""
    place = _place(key)
    return _read(place, _about(place).title)


def kept_keys() -> list[str]:
    """Return the keys of all kept data in order, also of data that cannot be read."""
    folder = _folder()
    return sorted(p.name for p in folder.iterdir() if _KEY.fullmatch(p.name)) if folder.is_dir() else []


def _read(place: Path, title: str) -> Dataset:
    state = load_state(place / _IMAGES)
    try:
        train, test = (LabelledImages(p["x"], p["ids"], 255, p["y"]) for p in (state["train"], state["test"]))
        if train.x.shape[1] == 3:
            norm = Norm.of(train.x)
            train, test = (LabelledImages(p.x, p.ids, 255, p.y, norm=norm) for p in (train, test))
        subject_of: Tensor | None = state["subject_of"]
        test_subject_of: Tensor | None = state.get("test_subject_of")  # imports of before do not have it
        return own_dataset(
            place.name, title, tuple(state["classes"]), train, test, tuple(state["subjects"]), subject_of,
            test_subject_of,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError(f"{place} is broken; remove it and import the data again") from error


def _state(proposal: UploadPreview) -> dict[str, Any]:
    parts = {"train": proposal.train, "test": proposal.test}
    return {
        **{name: {"x": p.x, "y": p.y, "ids": p.ids} for name, p in parts.items()},
        "classes": list(proposal.classes),
        "subjects": list(proposal.subjects),
        "subject_of": proposal.subject_of,
        "test_subject_of": proposal.test_subject_of,
    }


def _about(place: Path, token: str | None = None) -> UploadedDataset:
    state = load_state(place / _ABOUT)
    try:
        c, h, w = map(int, state["shape"])
        claims = Claims.read(state.get("claims"))
        return UploadedDataset(
            place.name, claims.title(token, str(state["title"])), int(state["images"]), int(state["classes"]), (c, h, w),
            int(state["bytes"]), datetime.fromisoformat(state["imported"]), claims,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{place} is broken; remove it and import the data again") from error


def _changeable(key: str, token: str | None) -> UploadedDataset:
    """What is known of ``key``. Raises RequestError where ``token`` may not change it."""
    data = about(key, token)
    data.claims.require_change(token, f"“{data.title}”")
    return data


def _claim(place: Path, title: str, token: str | None) -> None:
    """Add an owner to data that is kept already."""
    claims = _about(place).claims
    if not claims.is_of(token):
        told = {"title": title} if token is None else {}
        _tell(place.name, claims=claims.claimed(token, title).as_dict(), **told)


def _tell(key: str, **values: Any) -> None:
    path = _place(key) / _ABOUT
    save_state(path, {**load_state(path), **values})


def _is_whole(place: Path) -> bool:
    """Whether data is kept there, as far as a look without reading its images tells."""
    try:
        return _about(place).bytes == (place / _IMAGES).stat().st_size
    except (DataError, OSError):
        return False


def _folder() -> Path:
    return home() / "datasets"


def _place(key: str) -> Path:
    """The folder of ``key``. Raises RequestError when there is none; a key is checked before it is part of a path."""
    place = _folder() / key
    if not _KEY.fullmatch(key) or not place.is_dir():
        raise RequestError(_no_data(key))
    return place


def _no_data(key: str) -> str:
    """The sentence for what is not there, and for what is another browser's: neither tells of the other."""
    return f"no data is kept as {key[:60]!r} that is yours or shared; import it again"


def _discard(place: Path) -> None:
    """Out of sight at once, then deleted."""
    gone = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
    try:
        place.rename(gone)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be removed ({error.strerror}); allow it, or delete it by hand"
        ) from error
    shutil.rmtree(gone, ignore_errors=True)


def _sweep() -> None:
    """Delete what imports that were killed left behind."""
    folder = _folder()
    for part in folder.glob(".own-*") if folder.is_dir() else ():
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                shutil.rmtree(part, ignore_errors=True)
        except OSError:  # somebody else was faster
            continue


def _sync(folder: Path) -> None:
    """Make a rename last: on systems that let folders be opened."""
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
