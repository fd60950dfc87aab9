"""The preview of an upload before it is kept: classes, counts, sizes, thumbnails, and notes about changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from core.data.images import Dataset, LabelledImages, Norm
from core.data.uploads import isolated_reader
from core.data.uploads.names import clean_text, printable_name
from core.data.uploads.reading.parsed import CLASSES, ParsedUpload
from core.data.uploads.subjects import note_on_test_set, read_subjects
from core.errors import DataError
from core.runtime import seeding

TEST_SHARE = 0.2  # of each class, when the upload has no test set
SMALL = 12  # largest side in pixels of grey images that use the presets of digits


@dataclass(frozen=True, eq=False)
class UploadPreview:
    """Images as they would be kept, with notes for the user. No id is both a training and a test id.

    ``sizes`` are width, height and number of images in the upload, most frequent first. ``notes`` are whole sentences.
    """

    title: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    sizes: tuple[tuple[int, int, int], ...]
    notes: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    subject_of: Tensor | None = None  # (N_train,) int64 index in ``subjects``; -1: unknown
    test_subject_of: Tensor | None = None  # (N_test,) int64 index in ``subjects``; -1: unknown

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """Numbers of training and test images of each class."""
        both = [torch.bincount(p.y, minlength=len(self.classes)).tolist() for p in (self.train, self.test)]
        return tuple(zip(*both, strict=True))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of each image once kept."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    @cached_property
    def key(self) -> str:
        """Name under which the store keeps the data: a hash, so that equal content has an equal name."""
        plain = [self.classes, self.subjects, self.shape, len(self.train)]
        digest = hashlib.blake2b(json.dumps(plain).encode(), digest_size=6)
        of = [] if self.subject_of is None else [self.subject_of]
        # without known subjects the key is that of data uploaded before test subjects were kept
        if self.test_subject_of is not None and bool((self.test_subject_of >= 0).any()):
            of.append(self.test_subject_of)
        for tensor in (*(t for p in (self.train, self.test) for t in (p.x, p.y, p.ids)), *of):
            digest.update(tensor.contiguous().numpy().data)
        return f"own-{digest.hexdigest()}"

    def thumbnails(self, most: int = 8) -> list[Tensor]:
        """Return up to ``most`` evenly spaced training images (n, C, H, W) uint8 of each class."""
        found = []
        for c in range(len(self.classes)):
            of_class = (self.train.y == c).nonzero().flatten()
            step = max(1, len(of_class) // most)
            found.append(self.train.x[of_class[::step][:most]])
        return found

    def dataset(self) -> Dataset:
        """Return the images as a Dataset."""
        return uploaded_dataset(
            self.key,
            self.title,
            self.classes,
            self.train,
            self.test,
            self.subjects,
            self.subject_of,
            self.test_subject_of,
        )


def uploaded_dataset(
    key: str,
    title: str,
    classes: tuple[str, ...],
    train: LabelledImages,
    test: LabelledImages,
    subjects: tuple[str, ...],
    subject_of: Tensor | None,
    test_subject_of: Tensor | None = None,
) -> Dataset:
    """Return uploaded images as a Dataset. Its family has the presets that suit its image size and colour."""
    c, h, w = train.x.shape[1:]
    family = "own-colour" if c == 3 else "own-small" if max(h, w) <= SMALL else "own-grey"
    return Dataset(key, title, classes, train, test, family, subjects, subject_of, test_subject_of)


def inspect(
    source: Path | bytes,
    *,
    name: str,
    subjects: Path | bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UploadPreview:
    """Return a preview of the zip of class folders or the npz called ``name``.

    ``subjects`` is a CSV of each image's subject.
    ``progress`` is called with the finished and the total amount of work. Nothing is written to disk.
    Raises RequestError when there is no such file, DataError that names the file when it cannot be used.
    """
    found = isolated_reader.read(source, name, progress or (lambda done, total: None))
    notes = list(found.notes)
    _require_classes(found, printable_name(name))
    ids = torch.arange(len(found.y))
    test = found.is_test
    if test is None:
        test = _draw_test_set(found, printable_name(name))
        notes.append(
            f"The upload has no test set: a random {TEST_SHARE:.0%} of each class, the same at each upload, becomes its test set."
        )
    norm = Norm.of(found.x[~test]) if found.x.shape[1] == 3 else None

    def part(mask: Tensor) -> LabelledImages:
        return LabelledImages(found.x[mask], ids[mask], 255, found.y[mask], norm=norm)

    names: tuple[str, ...] = ()
    subject_of = test_subject_of = None
    if subjects is not None:
        names, of_all, told = read_subjects(subjects, found)
        subject_of, test_subject_of = of_all[~test], of_all[test]
        notes += [told, *filter(None, [note_on_test_set(names, subject_of, test_subject_of)])]
        if not bool((subject_of >= 0).any()):
            raise DataError(
                "the CSV of subjects names no training image; nothing could be forgotten by subject"
            )
    return UploadPreview(
        _title(name),
        found.classes,
        part(~test),
        part(test),
        found.sizes,
        tuple(notes),
        names,
        subject_of,
        test_subject_of,
    )


def _require_classes(found: ParsedUpload, name: str) -> None:
    """Raise DataError unless there are 2 to ``CLASSES`` classes, each with training and test images."""
    total = len(found.classes)
    if total < 2:
        only = f", {printable_name(found.classes[0])!r}" if total else ""
        raise DataError(
            f"{name} has one class only{only}; a classifier needs two or more, each a folder or label of its own"
        )
    if total > CLASSES:
        raise DataError(f"{name} has {total:,} classes; up to {CLASSES:,} can be shown")
    parts = [("", found.y)]
    if found.is_test is not None:
        parts = [("training ", found.y[~found.is_test]), ("test ", found.y[found.is_test])]
    for kind, y in parts:
        counts = torch.bincount(y, minlength=total)
        for c in (counts == 0).nonzero().flatten().tolist():
            other = "" if not kind else "; or leave the test set out" if kind == "test " else ""
            raise DataError(
                f"{name} has no {kind}images of class {printable_name(found.classes[c])!r}; add some, or remove the class{other}"
            )


def _draw_test_set(found: ParsedUpload, name: str) -> Tensor:
    """Return a mask (N,) of a random test set: ``TEST_SHARE`` of each class, at least one image and never all.

    Raises DataError for a class of one image.
    """
    test = torch.zeros(len(found.y), dtype=torch.bool)
    for c, label in enumerate(found.classes):
        members = (found.y == c).nonzero().flatten()
        if len(members) < 2:
            raise DataError(
                f"{name} has a single image of class {printable_name(label)!r}; two are needed, one to train and one to test on"
            )
        count = max(1, round(TEST_SHARE * len(members)))
        order = torch.randperm(len(members), generator=seeding.generator(0, "own-test", c))
        test[members[order[:count]]] = True
    return test


def _title(name: str) -> str:
    """Return a title made from the name of the uploaded file."""
    stem = Path(name.replace("\\", "/")).name
    for ending in (".zip", ".npz"):
        stem = stem[: -len(ending)] if stem.casefold().endswith(ending) else stem
    return clean_title(stem) or "Your data"


def clean_title(text: str) -> str:
    """Return ``text`` as one line of at most 40 visible characters; "" when none is visible."""
    return clean_text(text, 40)
