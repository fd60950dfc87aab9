"""Zip archives that users upload, with every name and size checked.

No name in an archive is ever used as a file path.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import BinaryIO, TypeVar

from core.data.uploads.names import printable_name
from core.data.uploads.reading.limits import MB
from core.errors import DataError

ENTRIES = 150_000  # files and folders; 100,000 images and the files that operating systems add
PATH = 1000  # characters of a path within an archive
TOTAL_BYTES = 1024 * MB  # of all files, unpacked
FILE_BYTES = 64 * MB  # of one file in a zip of images, unpacked; as large as a 20-megapixel bitmap
RATIO = 100  # most unpacked to packed bytes; real images stay below 20
RATIO_FREE = 16 * MB  # RATIO does not apply up to this size, so that blank images pass

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # an LZMA header can request 4 GB of memory
_PIECE = MB  # unpacked at a time, so that an entry that states a wrong size is never unpacked whole
_DRIVE = re.compile(r"[A-Za-z]:")
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: the system that wrote the zip has no file kinds
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")  # skipped, as are names that begin with a dot


_T = TypeVar("_T")


class Archive:
    """A zip whose names and sizes are all checked before any file in it is unpacked.

    ``files`` are the sorted paths of files, without those that operating systems add (__MACOSX, .DS_Store,
    Thumbs.db). ``folders`` are the sorted paths of folders that have their own entry. Raises DataError that
    names the archive, and the file where one is at fault.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = printable_name(name)
        self._zip = self._open(file)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        seen: dict[str, str] = {}
        for info in self._zip.infolist():
            path = self._check_entry(info)
            folded = unicodedata.normalize("NFC", path).casefold()
            is_folder = info.is_dir() or info.orig_filename.endswith("\\")
            if folded in seen and not is_folder:
                raise DataError(
                    f"{self.name} has two files of one name, {printable_name(seen[folded])} and {printable_name(path)}; rename one of them"
                )
            seen[folded] = path
            if any(p.casefold() in _JUNK or p.startswith(".") for p in path.split("/")):
                continue
            if is_folder:
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
        """Unpacked bytes of all files, as the archive states them; ``read`` never returns more."""
        return sum(info.file_size for info in self._infos.values())

    def size(self, path: str) -> int:
        """Return the unpacked bytes of a file, as the archive states them; ``read`` never returns more."""
        return self._infos[path].file_size

    def read(self, path: str) -> bytes:
        """Return one file, unpacked in memory. Raises DataError when the archive is broken at that file."""
        with self.stream(path) as stream:
            return bytes(stream.take(self.size(path)))

    def stream(self, path: str) -> Stream:
        """Open one file to read it in pieces."""
        return Stream(self, path, self._infos[path])

    def guarded(self, path: str, work: Callable[[], _T]) -> _T:
        """Call ``work`` and return its result.

        Raises DataError that names ``path`` when the archive is broken.
        """
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
                f"{self.name} is broken at {printable_name(path)} ({_reason(error)}); zip it again, or fetch it again"
            ) from error

    def _open(self, file: BinaryIO) -> zipfile.ZipFile:
        file.seek(0)
        start = file.read(4)
        if not start:
            raise DataError(f"{self.name} is an empty file; the upload may have been cut off, try it again")
        if start not in _ZIP:
            raise DataError(
                f"{self.name} is neither a zip nor an npz; wanted a zip of class folders, an npz, or a csv whose name ends with .csv"
            )
        # counts the entries of the table of contents before zipfile creates an object for each
        if _count(file, b"PK\x01\x02") > ENTRIES:
            raise DataError(f"{self.name} has more than {ENTRIES:,} entries; leave images out")
        try:
            return zipfile.ZipFile(file)
        except Exception as error:  # on hostile bytes zipfile raises many types besides BadZipFile
            raise DataError(
                f"{self.name} is cut off or broken ({_reason(error)}); zip it again, or fetch it again"
            ) from error

    def _check_entry(self, info: zipfile.ZipInfo) -> str:
        """Return the path of an entry, without a folder's last slash.

        Raises DataError for a path out of the archive, a link or device, or an entry that cannot be unpacked.
        """
        raw = info.orig_filename.replace("\\", "/")  # old programs on Windows write backslashes
        parts = raw.rstrip("/").split("/")
        where = f"{self.name} holds {printable_name(raw)!r}"
        if "\0" in raw or raw.startswith("/") or _DRIVE.match(raw) or ".." in parts:
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
                f"{self.name} holds {printable_name(largest.filename)}, which unpacks to more than {FILE_BYTES // MB} MB; make it smaller"
            )


class Stream:
    """One file of an archive, read from start to end. On exit it checks the size that the archive states."""

    def __init__(self, archive: Archive, path: str, info: zipfile.ZipInfo) -> None:
        self._archive, self._path = archive, path
        self._left = info.file_size
        # one byte more, so that a longer file is noticed and the checksum is compared at the true end
        longer = copy(info)
        longer.file_size += 1
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
                    f"{self._archive.name} states a wrong size for {printable_name(self._path)}; zip it again, or fetch it again"
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
                    f"{self._archive.name} is cut off at {printable_name(self._path)}; zip it again, or fetch it again"
                )
            data += piece
        self._left -= count
        return data


def _count(file: BinaryIO, what: bytes) -> int:
    """Return how often ``what`` occurs in ``file``."""
    file.seek(0)
    found, tail = 0, b""
    while piece := file.read(_PIECE):
        piece = tail + piece
        found += piece.count(what)
        tail = piece[-(len(what) - 1) :]
    return found


def _reason(error: BaseException) -> str:
    """Return the first line of an error's message, to be quoted in a sentence."""
    text = printable_name(str(error).splitlines()[0]) if str(error) else type(error).__name__
    return text[:1].lower() + text[1:]
