"""Keeping of a new dataset in the store: whole or not at all, with its owners."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from core.data.uploads.kept_files import (
    ABOUT,
    IMAGES,
    data_bytes,
    discard,
    is_complete,
    read_info,
    remove_unfinished,
    state_of,
    sync_folder,
    update_info,
)
from core.data.uploads.preview import UploadPreview
from core.errors import DataError, StoreError
from core.runtime.ownership import LOCK, Claims
from core.runtime.storage import save_state


def keep_new(place: Path, title: str, token: str | None, write: Callable[[Path, Claims], None]) -> str:
    """Let ``write`` make the files of a dataset in a hidden folder, and give it its name; return its key."""
    remove_unfinished()
    try:
        claims = read_info(place).claims  # the owners of a dataset with damaged images stay
    except DataError:
        claims = Claims()
    part = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
    try:
        write(part, claims.claimed(token, title))
        if place.exists():  # its images are damaged
            discard(place)
        try:
            part.rename(place)
        except OSError:
            if not is_complete(place):  # complete when another browser just kept the same content
                raise
            with LOCK:
                claim(place, title, token)
        sync_folder(place.parent)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written ({error.strerror}); allow it, or set LAF_HOME to another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place.name


def write_files(folder: Path, preview: UploadPreview, claims: Claims, pixels: str = "") -> None:
    """Write the state and the facts of a dataset to ``folder``; a file of ``pixels`` is there already."""
    save_state(folder / IMAGES, state_of(preview, pixels))
    info = {
        "title": preview.title,
        "images": len(preview.train) + len(preview.test),
        "classes": len(preview.classes),
        "shape": preview.shape,
        "bytes": data_bytes(folder),
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "claims": claims.as_dict(),
    }
    save_state(folder / ABOUT, info)


def claim(place: Path, title: str, token: str | None) -> None:
    """Add an owner to a dataset that is kept already."""
    claims = read_info(place).claims
    if not claims.is_of(token):
        own_title = {"title": title} if token is None else {}
        update_info(place.name, claims=claims.claimed(token, title).as_dict(), **own_title)
