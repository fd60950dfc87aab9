"""Archives that users bring, read piece by piece and never trusted: no name of one ever becomes a path."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.uploads.limits import MB
from core.errors import DataError, RequestError

UPLOAD_BYTES = 200 * MB  # of an archive; server.maxUploadSize in streamlit.toml is the same
ENTRIES = 150_000  # files and folders: 100,000 images with room for what systems add
PATH = 1000  # characters of a path within an archive
TOTAL_BYTES = 1024 * MB  # unpacked, in all
FILE_BYTES = 64 * MB  # unpacked, of one file of a zip of images: a 20-megapixel bitmap
RATIO = 100  # unpacked to packed; pixels that say anything stay below 20
RATIO_FREE = 16 * MB  # blank images may be as small as they like up to here

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA's header may ask for 4 GB before the first byte
_PIECE = MB  # unpacked at a time: an entry that states less than it holds is never unpacked whole
_HEADER = 16 * 1024  # of an array; numpy itself reads none above 10,000
_DRIVE = re.compile(r"[A-Za-z]:")
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: written where files have no kind
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")  # and all that begins with a dot


def shown(name: str) -> str:
    """``name`` as a sentence can hold it: printable, and not longer than a line."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 80 else f"{text[:38]}…{text[-38:]}"


def read_source(source: Path | bytes, name: str, limit: int = UPLOAD_BYTES) -> bytes:
    """Return the bytes of a file that a user brings. Raises as ``check_source``."""
    check_source(source, name, limit)
    if isinstance(source, bytes):
        return source
    with open_source(source) as file:
        data = file.read(limit + 1)
    if len(data) > limit:  # it grew meanwhile
        raise DataError(
            f"{shown(name)} is larger than {limit // MB} MB; leave images out, or make them smaller"
        )
    return data


def check_source(source: Path | bytes, name: str, limit: int = UPLOAD_BYTES) -> None:
    """Raise RequestError when there is no such file, DataError when it is too large or unreadable."""
    if isinstance(source, Path):
        if os.path.isdir(source):  # unlike Path.is_dir, it takes a name that is too long
            raise RequestError(f"{source} is a folder; make a zip of it, and name that")
        if not os.path.exists(source):
            raise RequestError(f"there is no file {source}; name a zip of class folders or an npz")
        if not source.is_file():
            raise RequestError(f"{source} is a pipe or device; name a zip of class folders or an npz")
        with open_source(source):
            size = source.stat().st_size
    else:
        size = len(source)
    if size > limit:
        raise DataError(
            f"{shown(name)} is larger than {limit // MB} MB; leave images out, or make them smaller"
        )


def open_source(source: Path) -> BinaryIO:
    """Open a file that a user brings. Raises DataError when it cannot be read."""
    try:
        return open(source, "rb")
    except OSError as error:
        raise DataError(
            f"{source} cannot be read ({error.strerror}); allow it, or copy it elsewhere"
        ) from error


_T = TypeVar("_T")


class Archive:
    """A zip whose every name and size was checked before anything in it is unpacked.

    ``files`` are the paths that matter, sorted, without what systems add (__MACOSX, .DS_Store, Thumbs.db); ``folders`` those that
    have an entry of their own. Raises DataError with a sentence that names the archive, and the file where there is one.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = shown(name)
        self._zip = self._open(file)
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
        self._check_sizes(file.seek(0, io.SEEK_END))

    @property
    def unpacked(self) -> int:
        """Bytes of all files once unpacked, as the archive states; ``read`` never gives more."""
        return sum(info.file_size for info in self._infos.values())

    def size(self, path: str) -> int:
        """Bytes of a file once unpacked, as the archive says; ``read`` never gives more."""
        return self._infos[path].file_size

    def read(self, path: str) -> bytes:
        """Return one file, unpacked in memory. Raises DataError when the archive is broken there."""
        with self.stream(path) as stream:
            return bytes(stream.take(self.size(path)))

    def stream(self, path: str) -> Stream:
        """Return one file to be read in pieces."""
        return Stream(self, path, self._infos[path])

    def guarded(self, path: str, work: Callable[[], _T]) -> _T:
        """Return what ``work`` returns; its errors on a broken archive become a DataError that names ``path``."""
        try:
            return work()
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

    def _open(self, file: BinaryIO) -> zipfile.ZipFile:
        file.seek(0)
        start = file.read(4)
        if not start:
            raise DataError(f"{self.name} is an empty file; the upload may have been cut off, try it again")
        if start not in _ZIP:
            raise DataError(
                f"{self.name} is neither a zip nor an npz; wanted a zip of class folders, or an npz"
            )
        # each entry of the table of contents begins like this: counted before zipfile makes an object of each
        if _count(file, b"PK\x01\x02") > ENTRIES:
            raise DataError(f"{self.name} has more than {ENTRIES:,} entries; leave images out")
        try:
            return zipfile.ZipFile(file)
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
        if len(raw) > PATH:
            raise DataError(f"{where}, a path of {len(raw):,} characters; shorten it to {PATH:,} or fewer")
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


class Stream:
    """One file of an archive, read from its start to its end; leaving it checks that it has the size that the archive states."""

    def __init__(self, archive: Archive, path: str, info: zipfile.ZipInfo) -> None:
        self._archive, self._path = archive, path
        self._left = info.file_size
        longer = copy(info)
        longer.file_size += (
            1  # so that one byte too many shows, and the checksum is compared only at the true end
        )
        self._file = archive.guarded(path, lambda: archive._zip.open(longer))

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if (
                kind is None
                and not self._left
                and self._archive.guarded(self._path, lambda: self._file.read(1))
            ):
                raise DataError(
                    f"{self._archive.name} states a wrong size for {shown(self._path)}; zip it again, or fetch it again"
                )
        finally:
            self._file.close()

    def take(self, count: int) -> bytearray:
        """Return the next ``count`` bytes. Raises DataError when there are fewer, or the archive is broken."""
        data = bytearray()
        while len(data) < count:
            piece = self._archive.guarded(
                self._path, partial(self._file.read, min(_PIECE, count - len(data)))
            )
            if not piece:
                raise DataError(
                    f"{self._archive.name} is cut off at {shown(self._path)}; zip it again, or fetch it again"
                )
            data += piece
        self._left -= count
        return data


class ArrayFile:
    """One array of an npz: its header is read and checked first, its values when they are asked for.

    Raises DataError for pickled objects, and for a header that does not fit the size of the file.
    """

    def __init__(self, archive: Archive, path: str) -> None:
        self._archive, self._path = archive, path
        where = f"{archive.name} holds {shown(path)}"
        self._where = where
        size = archive.size(path)
        with archive.stream(path) as stream:
            file = io.BytesIO(bytes(stream.take(min(size, _HEADER))))
        try:
            version = np.lib.format.read_magic(file)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            self.shape, self._fortran, self.dtype = reader(file)
        except Exception as error:  # numpy parses a hostile header as Python, which can raise anything
            raise DataError(
                f"{where}, which is no array that can be read; write it with numpy.savez again"
            ) from error
        if self.dtype.hasobject:
            raise DataError(
                f"{where}, which has pickled objects; they can run code and are never read: save plain numbers, or fixed-length text"
            )
        if not self.dtype.itemsize or self.dtype.names is not None or self.dtype.subdtype is not None:
            raise DataError(
                f"{where} of type {shown(str(self.dtype))}, which is neither numbers nor text; wanted uint8 images and integer labels"
            )
        self._start = file.tell()
        self.count = 1
        for side in self.shape:
            if not isinstance(side, int) or side < 0 or len(self.shape) > 8:
                raise DataError(
                    f"{where}, whose shape {shown(str(self.shape))} is impossible; write it with numpy.savez again"
                )
            self.count *= side
        if self.dtype.itemsize * self.count != size - self._start:
            raise DataError(
                f"{where}, whose header promises {shown(str(self.shape))} of {shown(str(self.dtype))} and whose bytes are another number; write it again"
            )
        if not self.count:
            raise DataError(
                f"{where}, which is empty (shape {shown(str(self.shape))}); wanted one row for each image"
            )

    def whole(self, most: int) -> NDArray[np.generic]:
        """Return all values. Raises DataError when they take more than ``most`` bytes."""
        size = self.dtype.itemsize * self.count
        if size > most:
            raise DataError(f"{self._where} of {size // MB:,} MB; at most {most // MB} MB can be read of it")
        with self._archive.stream(self._path) as stream:
            stream.take(self._start)
            flat = np.frombuffer(stream.take(size), self.dtype)
        return flat.reshape(self.shape, order="F" if self._fortran else "C")

    def chunks(self, most: int) -> Iterator[NDArray[np.generic]]:
        """Yield the rows in their order, as many at once as fit ``most`` bytes, and one at least."""
        if self._fortran and len(self.shape) > 1:
            if self.dtype.itemsize * self.count > FILE_BYTES:
                raise DataError(
                    f"{self._where} in Fortran order, of more than {FILE_BYTES // MB} MB; save numpy.ascontiguousarray of it"
                )
            yield self.whole(FILE_BYTES)
            return
        row = self.dtype.itemsize * (self.count // self.shape[0])
        step = max(1, most // row)
        with self._archive.stream(self._path) as stream:
            stream.take(self._start)
            for first in range(0, self.shape[0], step):
                rows = min(step, self.shape[0] - first)
                yield np.frombuffer(stream.take(rows * row), self.dtype).reshape(rows, *self.shape[1:])


def _count(file: BinaryIO, what: bytes) -> int:
    """Return how often ``what`` stands in ``file``."""
    file.seek(0)
    found, tail = 0, b""
    while piece := file.read(_PIECE):
        piece = tail + piece
        found += piece.count(what)
        tail = piece[-(len(what) - 1) :]
    return found


def _reason(error: BaseException) -> str:
    text = shown(str(error).splitlines()[0]) if str(error) else type(error).__name__
    return text[:1].lower() + text[1:]
