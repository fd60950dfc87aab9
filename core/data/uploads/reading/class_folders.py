"""Reading of a zip whose folders are named after classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from core.data.uploads.names import clean_names, printable_name
from core.data.uploads.reading.archives import Archive
from core.data.uploads.reading.image_decoding import ImageDecodingError, decode, read_header
from core.data.uploads.reading.limits import TOTAL_PIXELS, seconds
from core.data.uploads.reading.parsed import (
    IMAGES,
    Progress,
    ReadResult,
    Rows,
    Size,
    list_note,
    resize_note,
    size_text,
    target_size,
)
from core.errors import DataError

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")
Parts = tuple[str, ...]


@dataclass(frozen=True)
class _File:
    path: str
    label: str
    is_test: bool


def read(archive: Archive, progress: Progress, allow: Callable[[float], None]) -> ReadResult:
    """Return every image of a zip of class folders, scaled to the most frequent size.

    ``allow`` is called with the processor seconds that the upload may take by its headers.
    Raises DataError that names the file.
    """
    layout = _Layout(archive)
    files = layout.files
    if len(files) > IMAGES:
        raise DataError(
            f"{archive.name} has {len(files):,} images; up to {IMAGES:,} can be read, leave some out"
        )
    notes = [list_note("Left out, in no class folder", layout.outside)] if layout.outside else []
    images = _Images(archive, files, progress, allow)
    kept = [f for f in files if f.path in images.kept]
    _require_most(archive, files, kept, images.dropped)
    number = {c: i for i, c in enumerate(layout.classes)}
    dropped = [path for paths in images.dropped.values() for path in paths]
    return ReadResult(
        layout.names,
        images.rows,
        np.array([number[f.label] for f in kept], np.int64),
        np.array([f.is_test for f in kept]) if layout.has_test else None,
        tuple((w, h, n) for (w, h), n in images.sizes.most_common()),
        (*notes, *layout.renamed, *images.notes),
        tuple(f.path for f in kept),
        (*layout.outside, *dropped),
    )


class _Layout:
    """The class of each file. ``files`` is in the order of ids: training before test, each sorted by path."""

    def __init__(self, archive: Archive) -> None:
        paths = {path: tuple(path.split("/")) for path in archive.files}
        folders = [tuple(path.split("/")) for path in archive.folders]
        skip = 0  # outer folders that hold everything
        while _is_wrapped(paths.values(), folders, skip):
            skip += 1
        by_name = {top.casefold(): top for top in _folders_at(paths.values(), folders, skip)}
        train = next((by_name[n] for n in TRAIN if n in by_name), None)
        test = next((by_name[n] for n in TEST if n in by_name), None)
        self.has_test = train is not None and test is not None
        at = skip + self.has_test  # index of the class in the parts of a path

        def part(parts: Parts) -> bool | None:
            """Return whether a path is in the test set; None for a path in neither set."""
            if not self.has_test:
                return False
            return parts[skip] == test if parts[skip] in (train, test) else None

        self.files: list[_File] = []
        self.outside: list[str] = []
        for path, parts in paths.items():
            is_test = part(parts)
            if is_test is None or len(parts) < at + 2:
                self.outside.append(path)
            else:
                self.files.append(_File(path, parts[at], is_test))
        if not self.files:
            raise DataError(
                f"{archive.name} has no images in class folders; wanted CLASS/image, or train/CLASS/image and test/CLASS/image"
            )
        labels = {(f.label, f.is_test) for f in self.files}
        labels |= {(p[at], is_test) for p in folders if len(p) > at and (is_test := part(p)) is not None}
        trained = {label for label, is_test in labels if not is_test}
        _require_training_folders(archive, trained, {label for label, is_test in labels if is_test})
        self.files.sort(key=lambda f: (f.is_test, f.path))
        self.classes = tuple(sorted(trained, key=_sort_key))
        self.names, self.renamed = clean_names(self.classes, f"{archive.name} has", "class folder")


def _folders_at(files: Iterable[Parts], folders: list[Parts], skip: int) -> set[str]:
    """Return the names of the folders at depth ``skip``."""
    return {p[skip] for p in files if len(p) > skip + 1} | {p[skip] for p in folders if len(p) > skip}


def _is_wrapped(files: Iterable[Parts], folders: list[Parts], skip: int) -> bool:
    """Return whether a single folder at depth ``skip`` holds everything and has folders itself, so that it is no class."""
    deeper = any(len(p) > skip + 2 for p in files) or any(len(p) > skip + 1 for p in folders)
    return deeper and len(_folders_at(files, folders, skip)) == 1


def _require_training_folders(archive: Archive, trained: set[str], tested: set[str]) -> None:
    """Raise DataError when a class has a test folder and no training folder."""
    extra = sorted(tested - trained)
    if extra:
        raise DataError(
            f"{archive.name} has a test folder of class {printable_name(extra[0])!r} and no training folder of it; add one, or remove this one"
        )


def _sort_key(label: str) -> tuple[int, int, str]:
    """Return a key that sorts numbers by value, before all other names."""
    number = label.isascii() and label.isdecimal() and len(label) < 10
    return (0, int(label), label) if number else (1, 0, label)


class _Images:
    """The images of ``files`` at one size, with notes about scaled and dropped files."""

    def __init__(
        self, archive: Archive, files: list[_File], progress: Progress, allow: Callable[[float], None]
    ) -> None:
        self.rows = Rows()
        self.kept: set[str] = set()
        self.dropped: defaultdict[str, list[str]] = defaultdict(list)  # reason -> paths
        self.sizes: Counter[Size] = Counter()
        self.notes: list[str] = []
        self._remarks: defaultdict[str, list[str]] = defaultdict(list)
        self._grey: list[str] = []
        size_at: dict[str, Size] = {}
        cost = 0
        for i, file in enumerate(files):
            progress(i, 4 * len(files))  # reading headers is about a quarter of the work
            try:
                header = read_header(archive.read(file.path), _where(archive, file))
            except ImageDecodingError as reason:
                self.dropped[str(reason)].append(file.path)
                continue
            size_at[file.path] = header.size
            cost += header.cost
            if cost > TOTAL_PIXELS:
                raise DataError(
                    f"{archive.name} has more than {TOTAL_PIXELS // 1_000_000:,} million pixels to decode; leave images out, or make them smaller"
                )
        if not size_at:
            return
        allow(seconds(len(files), archive.unpacked, cost))
        found = Counter(size_at.values())
        common = max(found, key=lambda size: (found[size], size))
        for i, file in enumerate(files):
            progress(len(files) + 3 * i, 4 * len(files))
            if file.path in size_at:
                self._decode(archive, file, size_at[file.path], common)
        self._add_notes(common, [path for path, size in size_at.items() if size != common])

    def _decode(self, archive: Archive, file: _File, size: Size, common: Size) -> None:
        try:
            image = decode(archive.read(file.path), _where(archive, file), common, target_size(common))
        except ImageDecodingError as reason:
            self.dropped[str(reason)].append(file.path)
            return
        self.rows.add(image.pixels, image.pixels.ndim == 3)
        self.kept.add(file.path)
        self.sizes[size] += 1
        for remark in image.remarks:
            self._remarks[remark].append(file.path)
        if image.made_grey:
            self._grey.append(file.path)

    def _add_notes(self, common: Size, others: list[str]) -> None:
        """Add sentences about images that were scaled or left out.

        ``others`` are those of another size than ``common``.
        """
        target = target_size(common)
        self.notes += [list_note(f"Left out, {reason}", paths) for reason, paths in self.dropped.items()]
        if target != common:
            self.notes.append(resize_note(common))
        others = [path for path in others if path in self.kept]
        if others:
            what = f"Of another size than most, scaled to cover {size_text(target)} and cut to the middle"
            self.notes.append(list_note(what, others))
        self.notes += [list_note(remark, paths) for remark, paths in self._remarks.items()]
        if self._grey and self.rows.is_colour:
            self.notes.append(list_note("Grey, turned into RGB because others are in colour", self._grey))


def _where(archive: Archive, file: _File) -> str:
    return f"{archive.name} holds {printable_name(file.path)}"


def _require_most(
    archive: Archive, files: list[_File], kept: list[_File], dropped: dict[str, list[str]]
) -> None:
    """Raise DataError when most files, or all files of a class, are no images that can be read."""
    lost = len(files) - len(kept)
    first = next((f"{printable_name(paths[0])}: {reason}" for reason, paths in dropped.items()), "")
    if not kept:
        raise DataError(
            f"{archive.name} has no image that can be read ({first}); wanted PNG, JPEG, BMP, GIF, TIFF, WebP or PPM"
        )
    if lost > len(kept):
        raise DataError(
            f"{archive.name} has {lost:,} files of {len(files):,} that cannot be read as images ({first}); take them out"
        )
    alive = {(f.label, f.is_test) for f in kept}
    for file in files:
        if (file.label, file.is_test) not in alive:
            folder = printable_name(file.path.rpartition("/")[0])
            raise DataError(
                f"{archive.name} has no image that can be read in {folder}/ ({first}); add some, or remove the folder"
            )
