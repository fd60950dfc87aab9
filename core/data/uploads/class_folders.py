"""A zip of class-named folders: which folder is a class, which files are its pictures, and what they become."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from core.data.uploads.archives import Archive, shown
from core.data.uploads.image_decoding import ImageDecodingError, decode, header_of
from core.data.uploads.limits import TOTAL_PIXELS, seconds
from core.data.uploads.names import clean_names
from core.data.uploads.parsed import IMAGES, Progress, Read, Rows, Size, note, resized, size_text, target_size
from core.errors import DataError

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")
Parts = tuple[str, ...]


@dataclass(frozen=True)
class _File:
    path: str
    label: str
    is_test: bool


def read(archive: Archive, progress: Progress, allow: Callable[[float], None]) -> Read:
    """Return every picture of a zip of folders, scaled to the commonest size.

    ``allow`` is told the seconds of computing that its headers justify. Raises DataError in a sentence that names the file.
    """
    layout = _Layout(archive)
    files = layout.files
    if len(files) > IMAGES:
        raise DataError(
            f"{archive.name} has {len(files):,} images; up to {IMAGES:,} can be read, leave some out"
        )
    notes = [note("Left out, in no class folder", layout.outside)] if layout.outside else []
    pictures = _Pictures(archive, files, progress, allow)
    kept = [f for f in files if f.path in pictures.kept]
    _require_most(archive, files, kept, pictures.dropped)
    number = {c: i for i, c in enumerate(layout.classes)}
    dropped = [path for paths in pictures.dropped.values() for path in paths]
    return Read(
        layout.names,
        pictures.rows,
        np.array([number[f.label] for f in kept], np.int64),
        np.array([f.is_test for f in kept]) if layout.has_test else None,
        tuple((w, h, n) for (w, h), n in pictures.sizes.most_common()),
        (*notes, *layout.renamed, *pictures.notes),
        tuple(f.path for f in kept),
        (*layout.outside, *dropped),
    )


class _Layout:
    """Which files belong to which class: ``files`` in the order of their ids, training before test, each sorted by path."""

    def __init__(self, archive: Archive) -> None:
        paths = {path: tuple(path.split("/")) for path in archive.files}
        folders = [tuple(path.split("/")) for path in archive.folders]
        skip = 0
        while skip < 2 and _is_wrapped(paths.values(), folders, skip):
            skip += 1
        by_name = {top.casefold(): top for top in _tops(paths.values(), folders, skip)}
        train = next((by_name[n] for n in TRAIN if n in by_name), None)
        test = next((by_name[n] for n in TEST if n in by_name), None)
        self.has_test = train is not None and test is not None
        at = skip + self.has_test  # where in a path the class stands

        def part(parts: Parts) -> bool | None:
            """Whether it is of the test set; None: of neither."""
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
        _require_names(archive, trained, {label for label, is_test in labels if is_test})
        self.files.sort(key=lambda f: (f.is_test, f.path))
        self.classes = tuple(sorted(trained, key=_in_order))
        self.names, self.renamed = clean_names(self.classes, f"{archive.name} has", "class folder")


def _tops(files: Iterable[Parts], folders: list[Parts], skip: int) -> set[str]:
    """The folders at depth ``skip``."""
    return {p[skip] for p in files if len(p) > skip + 1} | {p[skip] for p in folders if len(p) > skip}


def _is_wrapped(files: Iterable[Parts], folders: list[Parts], skip: int) -> bool:
    """Whether everything lies in one folder more, which is no class since it has folders itself."""
    deeper = any(len(p) > skip + 2 for p in files) or any(len(p) > skip + 1 for p in folders)
    return deeper and len(_tops(files, folders, skip)) == 1


def _require_names(archive: Archive, trained: set[str], tested: set[str]) -> None:
    extra = sorted(tested - trained)
    if extra:
        raise DataError(
            f"{archive.name} has a test folder of class {shown(extra[0])!r} and no training folder of it; add one, or remove this one"
        )


def _in_order(label: str) -> tuple[int, int, str]:
    """Numbers by value, then names."""
    number = label.isascii() and label.isdecimal() and len(label) < 10
    return (0, int(label), label) if number else (1, 0, label)


class _Pictures:
    """The pictures of ``files`` at one size, and what happened to them on the way."""

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
            progress(i, 4 * len(files))  # looking at headers is about a quarter of the work
            try:
                header = header_of(archive.read(file.path), _where(archive, file))
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
        self._tell(common, [path for path, size in size_at.items() if size != common])

    def _decode(self, archive: Archive, file: _File, size: Size, common: Size) -> None:
        try:
            picture = decode(archive.read(file.path), _where(archive, file), common, target_size(common))
        except ImageDecodingError as reason:
            self.dropped[str(reason)].append(file.path)
            return
        self.rows.add(picture.pixels, picture.pixels.ndim == 3)
        self.kept.add(file.path)
        self.sizes[size] += 1
        for remark in picture.remarks:
            self._remarks[remark].append(file.path)
        if picture.made_grey:
            self._grey.append(file.path)

    def _tell(self, common: Size, others: list[str]) -> None:
        """What is resized or left out and why, in whole sentences."""
        target = target_size(common)
        self.notes += [note(f"Left out, {reason}", paths) for reason, paths in self.dropped.items()]
        if target != common:
            self.notes.append(resized(common))
        others = [path for path in others if path in self.kept]
        if others:
            what = f"Of another size than most, scaled to cover {size_text(target)} and cut to the middle"
            self.notes.append(note(what, others))
        self.notes += [note(remark, paths) for remark, paths in self._remarks.items()]
        if self._grey and self.rows.is_colour:
            self.notes.append(note("Grey, turned into RGB because others are in colour", self._grey))


def _where(archive: Archive, file: _File) -> str:
    return f"{archive.name} holds {shown(file.path)}"


def _require_most(
    archive: Archive, files: list[_File], kept: list[_File], dropped: dict[str, list[str]]
) -> None:
    """A few files may be no images; not all, not most, and not all of a class."""
    lost = len(files) - len(kept)
    first = next((f"{shown(paths[0])}: {reason}" for reason, paths in dropped.items()), "")
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
            folder = shown(file.path.rpartition("/")[0])
            raise DataError(
                f"{archive.name} has no image that can be read in {folder}/ ({first}); add some, or remove the folder"
            )
