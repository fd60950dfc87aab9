"""Access to an uploaded file, given by path or as bytes, with checks of its kind and size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from core.data.uploads.names import printable_name
from core.data.uploads.reading.limits import MB
from core.errors import DataError, RequestError

UPLOAD_BYTES = 200 * MB  # of an archive; server.maxUploadSize in streamlit.toml is the same


def read_source(source: Path | bytes, name: str, limit: int = UPLOAD_BYTES) -> bytes:
    """Return the bytes of an uploaded file. Raises as ``check_source`` does."""
    check_source(source, name, limit)
    if isinstance(source, bytes):
        return source
    with open_source(source) as file:
        data = file.read(limit + 1)
    if len(data) > limit:  # the file grew after the check
        raise _too_large(name, limit)
    return data


def check_source(source: Path | bytes, name: str, limit: int = UPLOAD_BYTES) -> None:
    """Check that ``source`` is a readable file of at most ``limit`` bytes.

    Raises RequestError when there is no such file, DataError when it is too large or unreadable.
    """
    if isinstance(source, Path):
        if os.path.isdir(source):  # Path.is_dir raises for a name that is too long
            raise RequestError(f"{source} is a folder; make a zip of it, and name that")
        if not os.path.exists(source):
            raise RequestError(f"there is no file {source}; name a zip of class folders, an npz or a csv")
        if not source.is_file():
            raise RequestError(f"{source} is a pipe or device; name a zip of class folders, an npz or a csv")
        with open_source(source):
            size = source.stat().st_size
    else:
        size = len(source)
    if size > limit:
        raise _too_large(name, limit)


def open_source(source: Path) -> BinaryIO:
    """Open a file at a path that a user gave. Raises DataError when it cannot be read."""
    try:
        return open(source, "rb")
    except OSError as error:
        raise DataError(
            f"{source} cannot be read ({error.strerror}); allow it, or copy it elsewhere"
        ) from error


def _too_large(name: str, limit: int) -> DataError:
    return DataError(
        f"{printable_name(name)} is larger than {limit // MB} MB; leave images out, or make them smaller"
    )
