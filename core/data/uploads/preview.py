"""The preview of an upload before it is kept: classes, counts, sizes, thumbnails, and notes about changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from core.data.images import Dataset, LabelledImages, Norm, kind_of
from core.data.mapped import blocks
from core.data.pictures import pictures
from core.data.uploads import isolated_reader
from core.data.uploads.names import clean_text, printable_name
from core.data.uploads.reading.parsed import CLASSES, ParsedUpload
from core.data.uploads.subjects import note_on_test_set, read_subjects, told_subjects
from core.data.uploads.values import require_enough, subjects_of, value_parts
from core.errors import DataError
from core.runtime import seeding

TEST_SHARE = 0.2  # of each class, when the upload has no test set
SMALL = 12  # largest side in pixels of grey images that use the presets of digits


@dataclass(frozen=True, eq=False)
class UploadPreview:
    """Images, vectors or series as they would be kept, with notes for the user. No id is both a training and a test id.

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
    scale: Norm | None = None  # as in Dataset
    features: tuple[str, ...] = ()  # as in Dataset

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """Numbers of training and test images of each class."""
        both = [torch.bincount(p.y, minlength=len(self.classes)).tolist() for p in (self.train, self.test)]
        return tuple(zip(*both, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each image, vector or series once kept, as ``Dataset.shape``."""
        return tuple(self.train.x.shape[1:])

    @cached_property
    def key(self) -> str:
        """Name under which the store keeps the data: a hash, so that equal content has an equal name."""
        plain: list[object] = [self.classes, self.subjects, self.shape, len(self.train)]
        if self.scale is not None:
            plain += [self.features, self.scale]
        of = [] if self.subject_of is None else [self.subject_of]
        # without known subjects the key is that of data uploaded before test subjects were kept
        if self.test_subject_of is not None and bool((self.test_subject_of >= 0).any()):
            of.append(self.test_subject_of)
        tensors = (*(t for p in (self.train, self.test) for t in (p.x, p.y, p.ids)), *of)
        return hashed_key(plain, (block for tensor in tensors for block in blocks(tensor)))

    def thumbnails(self, most: int = 8) -> list[Tensor]:
        """Return pictures (n, C, h, w) uint8 of up to ``most`` evenly spaced training images of each class."""
        found = []
        for c in range(len(self.classes)):
            of_class = (self.train.y == c).nonzero().flatten()
            step = max(1, len(of_class) // most)
            found.append(pictures(self.train.take(of_class[::step][:most])))
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
            scale=self.scale,
            features=self.features,
        )


def hashed_key(plain: list[object], content: Iterable[Tensor]) -> str:
    """Return the key of data whose facts are ``plain``, and whose ``content`` is, in blocks: pixels, labels and ids of the training set, then of the test set."""
    digest = hashlib.blake2b(json.dumps(plain).encode(), digest_size=6)
    for block in content:
        digest.update(block.contiguous().numpy().data)
    return f"own-{digest.hexdigest()}"


def uploaded_dataset(
    key: str,
    title: str,
    classes: tuple[str, ...],
    train: LabelledImages,
    test: LabelledImages,
    subjects: tuple[str, ...],
    subject_of: Tensor | None,
    test_subject_of: Tensor | None = None,
    *,
    scale: Norm | None = None,
    features: tuple[str, ...] = (),
) -> Dataset:
    """Return uploaded images, vectors or series as a Dataset. Its family has the presets that suit their kind, size and colour."""
    family = kind_of(train.x.shape[1:])
    if family == "images":
        c, h, w = train.x.shape[1:]
        family = "own-colour" if c == 3 else "own-small" if max(h, w) <= SMALL else "own-grey"
    return Dataset(
        key, title, classes, train, test, family, subjects, subject_of, test_subject_of, scale, features
    )


def inspect(
    source: Path | bytes,
    *,
    name: str,
    subjects: Path | bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UploadPreview:
    """Return a preview of the zip of class folders, the npz or the CSV called ``name``.

    ``subjects`` is a CSV of each image's subject.
    ``progress`` is called with the finished and the total amount of work. Nothing is written to disk.
    Raises RequestError when there is no such file, DataError that names the file when it cannot be used.
    """
    found = isolated_reader.read(source, name, progress or (lambda done, total: None))
    notes = list(found.notes)
    require_enough(found, printable_name(name))
    require_classes(found, printable_name(name))
    test = found.is_test
    if test is None:
        test = draw_test_set(found, printable_name(name))
        notes.append(
            f"The upload has no test set: a random {TEST_SHARE:.0%} of each class, the same at each upload, becomes its test set."
        )
    train, held, scale, features, told = _parts(found, test, printable_name(name))
    names, of_all, told_of_subjects = _subjects(found, subjects, test)
    return UploadPreview(
        title_of(name),
        found.classes,
        train,
        held,
        found.sizes,
        (*notes, *told, *told_of_subjects),
        names,
        None if of_all is None else of_all[~test],
        None if of_all is None else of_all[test],
        scale,
        features,
    )


def _parts(
    found: ParsedUpload, test: Tensor, name: str
) -> tuple[LabelledImages, LabelledImages, Norm | None, tuple[str, ...], list[str]]:
    """Return training and test set with, for vectors and series, their Norm, names of features and notes."""
    if kind_of(found.x.shape[1:]) != "images":
        return value_parts(found, test, name)
    ids = torch.arange(len(found.y))
    norm = Norm.of(found.x[~test]) if found.x.shape[1] == 3 else None
    train, held = (LabelledImages(found.x[m], ids[m], 255, found.y[m], norm=norm) for m in (~test, test))
    return train, held, None, (), []


def _subjects(
    found: ParsedUpload, table: Path | bytes | None, test: Tensor
) -> tuple[tuple[str, ...], Tensor | None, list[str]]:
    """Return the names of the subjects, the index of each image's subject (N,), and notes; from ``table`` or a column of the data."""
    if table is None and not any(found.subjects):
        return (), None, []
    names, of_all = subjects_of(found) if table is None else read_subjects(table, found)
    train, held = of_all[~test], of_all[test]
    if not bool((train >= 0).any()):
        what = "the CSV of subjects" if table is not None else "the column subject"
        raise DataError(f"{what} names no training image; nothing could be forgotten by subject")
    notes = [told_subjects(names, of_all), note_on_test_set(names, train, held)]
    return names, of_all, [note for note in notes if note]


def require_classes(found: ParsedUpload, name: str) -> None:
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


def draw_test_set(found: ParsedUpload, name: str) -> Tensor:
    """Return a mask (N,) of a random test set: ``TEST_SHARE`` of each class, at least one image and never all.

    Raises DataError for a class of one image.
    """
    test = torch.zeros(len(found.y), dtype=torch.bool)
    noun = "vector" if found.x.ndim == 2 else "series" if found.x.ndim == 3 else "image"
    for c, label in enumerate(found.classes):
        members = (found.y == c).nonzero().flatten()
        if len(members) < 2:
            raise DataError(
                f"{name} has a single {noun} of class {printable_name(label)!r}; two are needed, one to train and one to test on"
            )
        count = max(1, round(TEST_SHARE * len(members)))
        order = torch.randperm(len(members), generator=seeding.generator(0, "own-test", c))
        test[members[order[:count]]] = True
    return test


def title_of(name: str) -> str:
    """Return a title made from the name of the uploaded file."""
    stem = Path(name.replace("\\", "/")).name
    for ending in (".zip", ".npz", ".csv"):
        stem = stem[: -len(ending)] if stem.casefold().endswith(ending) else stem
    return clean_title(stem) or "Your data"


def clean_title(text: str) -> str:
    """Return ``text`` as one line of at most 40 visible characters; "" when none is visible."""
    return clean_text(text, 40)
