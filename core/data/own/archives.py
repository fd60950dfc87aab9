"""Archives that people bring, read in memory and never trusted: nothing of one is ever written to disk."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, RequestError

MB = 2**20
UPLOAD_BYTES = 200 * MB  # of an archive; server.maxUploadSize in streamlit.toml is the same
ENTRIES = 150_000  # files and folders: 100,000 images with room for what systems add
TOTAL_BYTES = 1024 * MB  # unpacked, in all: an npz is held in memory whole
FILE_BYTES = 64 * MB  # unpacked, of one file of a zip of images: a 20-megapixel bitmap
RATIO = 100  # unpacked to packed; pixels that say anything stay below 20
RATIO_FREE = 16 * MB  # blank images may be as small as they like up to here

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA's header may ask for 4 GB before the first byte
_DRIVE = re.compile(r"[A-Za-z]:")
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: written where files have no kind
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")  # and all that begins with a dot


def shown(name: str) -> str:
    """``name`` as a sentence can hold it: printable, and not longer than a line."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 80 else f"{text[:38]}…{text[-38:]}"


def read_source(source: Path | bytes, name: str, limit: int = UPLOAD_BYTES) -> bytes:
    """The bytes of a file that somebody brings. Raises RequestError when there is no such file, DataError when it is too large or unreadable."""
    too_large = f"{shown(name)} is larger than {limit // MB} MB; leave images out, or make them smaller"
    if isinstance(source, bytes):
        if len(source) > limit:
            raise DataError(too_large)
        return source
    if os.path.isdir(source):  # unlike Path.is_dir, it takes a name that is too long
        raise RequestError(f"{source} is a folder; make a zip of it, and name that")
    if not os.path.exists(source):
        raise RequestError(f"there is no file {source}; name a zip of class folders or an npz")
    try:
        with open(source, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise DataError(
            f"{source} cannot be read ({error.strerror}); allow it, or copy it elsewhere"
        ) from error
    if len(data) > limit:
        raise DataError(too_large)
    return data


class Archive:
    """A zip whose every name and size was checked before anything in it is unpacked.

    ``files`` are the paths that matter, sorted, without what systems add (__MACOSX, .DS_Store, Thumbs.db); ``folders`` those that
    have an entry of their own. Raises DataError with a sentence that names the archive, and the file where there is one.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = shown(name)
        self._zip = self._open(data)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        seen: dict[str, str] = {}
        for info in self._zip.infolist():
            path = self._checked(info)
            same = unicodedata.normalize("NFC", path).casefold()
            if same in seen and not info.is_dir():
                raise DataError(
                    f"{self.name} has two files of one name, {shown(seen[same])} and {shown(path)}; rename one of them"
                )
            seen[same] = path
            if any(p.casefold() in _JUNK or p.startswith(".") for p in path.split("/")):
                continue
            if info.is_dir():
                folders.add(path)
            else:
                self._infos[path] = info
        self.files = tuple(sorted(self._infos))
        self.folders = tuple(sorted(folders))
        if not self.files and not self.folders:
            raise DataError(
                f"{self.name} is empty; wanted images in folders that are named by their class, or an npz"
            )
        self.is_npz = bool(self.files) and all("/" not in p and p.endswith(".npy") for p in self.files)
        self._check_sizes(len(data))

    def size(self, path: str) -> int:
        """Bytes of a file once unpacked, as the archive says; ``read`` never gives more."""
        return self._infos[path].file_size

    def read(self, path: str) -> bytes:
        """One file, unpacked in memory. Raises DataError when the archive is broken there."""
        try:
            with self._zip.open(self._infos[path]) as file:
                data = file.read()
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            raise DataError(
                f"{self.name} is broken at {shown(path)} ({_reason(error)}); zip it again, or fetch it again"
            ) from error
        if len(data) != self.size(path):
            raise DataError(f"{self.name} is cut off at {shown(path)}; zip it again, or fetch it again")
        return data

    def _open(self, data: bytes) -> zipfile.ZipFile:
        if not data:
            raise DataError(f"{self.name} is an empty file; the upload may have been cut off, try it again")
        if not data.startswith(_ZIP):
            raise DataError(
                f"{self.name} is neither a zip nor an npz; wanted a zip of class folders, or an npz"
            )
        # each entry of the table of contents begins like this: counted before zipfile makes an object of each
        if data.count(b"PK\x01\x02") > ENTRIES:
            raise DataError(f"{self.name} has more than {ENTRIES:,} entries; leave images out")
        try:
            return zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # hostile bytes: zipfile raises half a dozen kinds besides BadZipFile
            raise DataError(
                f"{self.name} is cut off or broken ({_reason(error)}); zip it again, or fetch it again"
            ) from error

    def _checked(self, info: zipfile.ZipInfo) -> str:
        """The path of an entry, without the last slash of a folder. Raises DataError for one that could lead or read elsewhere."""
        raw = info.orig_filename
        parts = raw.rstrip("/").split("/")
        where = f"{self.name} holds {shown(raw)!r}"
        if "\\" in raw or "\0" in raw or raw.startswith("/") or _DRIVE.match(raw) or ".." in parts:
            raise DataError(f"{where}, a path that leads out of the archive; zip the folder again without it")
        if "" in parts or "." in parts or not raw.isprintable():
            raise DataError(f"{where}, which is no usual path; zip the folder again without it")
        if stat.S_IFMT(info.external_attr >> 16) not in _KINDS:
            raise DataError(f"{where}, which is a link or device and no file; put the image itself there")
        if info.flag_bits & 0x1:
            raise DataError(f"{where}, which is encrypted; zip the folder again without a password")
        if info.compress_type not in _METHODS:
            raise DataError(
                f"{where}, which is packed in a rare way; zip the folder again in the usual way (deflate)"
            )
        return "/".join(parts)

    def _check_sizes(self, packed: int) -> None:
        infos = self._zip.infolist()
        total = sum(i.file_size for i in infos)
        if total > TOTAL_BYTES:
            raise DataError(
                f"{self.name} unpacks to {total // MB:,} MB, more than {TOTAL_BYTES // MB:,} MB; leave images out, or make them smaller"
            )
        if total > RATIO_FREE and total > RATIO * packed:
            raise DataError(
                f"{self.name} unpacks to {total // packed:,} times its size, as no real images do; it may be a zip bomb and is not read"
            )
        largest = max(infos, key=lambda i: i.file_size)
        if not self.is_npz and largest.file_size > FILE_BYTES:
            raise DataError(
                f"{self.name} holds {shown(largest.filename)}, which unpacks to more than {FILE_BYTES // MB} MB; make it smaller"
            )


def read_array(archive: Archive, path: str) -> NDArray[np.generic]:
    """One array of an npz, read-only, over the unpacked bytes: its header cannot make anything be allocated.

    Raises DataError for pickled objects, and for a header that does not fit the size of the file.
    """
    where = f"{archive.name} holds {shown(path)}"
    data = archive.read(path)
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = reader(file)
    except Exception as error:  # a hostile header is parsed as Python: what it raises is anybody's guess
        raise DataError(
            f"{where}, which is no array that can be read; write it with numpy.savez again"
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{where}, which has pickled objects; they can run code and are never read: save plain numbers, or fixed-length text"
        )
    start = file.tell()
    count = 1
    for side in shape:
        if not isinstance(side, int) or side < 0:
            raise DataError(f"{where}, whose shape {shape} is impossible; write it with numpy.savez again")
        count *= side
    if dtype.itemsize * count != len(data) - start:
        raise DataError(
            f"{where}, whose header promises {shape} of {dtype} and whose bytes are another number; write it again"
        )
    if not count:
        raise DataError(f"{where}, which is empty (shape {shape}); wanted one row for each image")
    flat = np.frombuffer(data, dtype, count, start)
    return flat.reshape(shape, order="F" if fortran else "C")


def _reason(error: BaseException) -> str:
    text = shown(str(error).splitlines()[0]) if str(error) else type(error).__name__
    return text[:1].lower() + text[1:]
