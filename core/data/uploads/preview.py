"""What somebody brings, looked at before it is kept: classes, counts, sizes, pictures, and what was changed or left out and why."""

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
from core.data.uploads.archives import shown
from core.data.uploads.names import clean_text
from core.data.uploads.parsed import CLASSES, ParsedUpload
from core.data.uploads.subjects import subjects_of, told_of_test
from core.errors import DataError
from core.runtime import seeding

TEST_SHARE = 0.2  # of each class, where there is no test set
SMALL = 12  # pixels a side up to which grey images are like digits


@dataclass(frozen=True, eq=False)
class UploadPreview:
    """Images as they would be kept, and what a person should know before. Train ids and test ids never meet.

    ``sizes`` are (width, height, images) as found, commonest first; ``notes`` whole sentences.
    """

    title: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    sizes: tuple[tuple[int, int, int], ...]
    notes: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    subject_of: Tensor | None = None  # (N_train,) int64; -1: not known
    test_subject_of: Tensor | None = None  # (N_test,) likewise

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """Of each class: training images, test images."""
        both = [torch.bincount(p.y, minlength=len(self.classes)).tolist() for p in (self.train, self.test)]
        return tuple(zip(*both, strict=True))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image once kept."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    @cached_property
    def key(self) -> str:
        """The name it is kept under: a hash of all that matters, so that the same content has the same name."""
        plain = [self.classes, self.subjects, self.shape, len(self.train)]
        digest = hashlib.blake2b(json.dumps(plain).encode(), digest_size=6)
        of = [] if self.subject_of is None else [self.subject_of]
        if self.test_subject_of is not None and bool((self.test_subject_of >= 0).any()):
            of.append(
                self.test_subject_of
            )  # not where it says nothing: imports made before it was kept have their names
        for tensor in (*(t for p in (self.train, self.test) for t in (p.x, p.y, p.ids)), *of):
            digest.update(tensor.contiguous().numpy().data)
        return f"own-{digest.hexdigest()}"

    def thumbnails(self, most: int = 8) -> list[Tensor]:
        """Of each class up to ``most`` training images (n, C, H, W) uint8, evenly spaced."""
        found = []
        for c in range(len(self.classes)):
            of_class = (self.train.y == c).nonzero().flatten()
            step = max(1, len(of_class) // most)
            found.append(self.train.x[of_class[::step][:most]])
        return found

    def dataset(self) -> Dataset:
        """As every other dataset; its family is that of the presets that are nearest to such images."""
        return own_dataset(
            self.key, self.title, self.classes, self.train, self.test, self.subjects, self.subject_of,
            self.test_subject_of,
        )  # fmt: skip


def own_dataset(
    key: str, title: str, classes: tuple[str, ...], train: LabelledImages, test: LabelledImages,
    subjects: tuple[str, ...], subject_of: Tensor | None, test_subject_of: Tensor | None = None,
) -> Dataset:  # fmt: skip
    """A Dataset of what somebody brought."""
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
    """Look at a zip of class folders or an npz, called ``name``; ``subjects`` is a CSV of who is on which image.

    ``progress`` is told how much is done, and of how much. Raises RequestError when there is no such file, DataError (one
    sentence that names the file) for all that is wrong with it. Nothing is written anywhere.
    """
    found = isolated_reader.read(source, name, progress or (lambda done, total: None))
    notes = list(found.notes)
    _require_classes(found, shown(name))
    ids = torch.arange(len(found.y))
    test = found.is_test
    if test is None:
        test = _drawn(found, shown(name))
        notes.append(
            f"There is no test set of its own: {TEST_SHARE:.0%} of each class, drawn at random and the same at each import, become it."
        )
    norm = Norm.of(found.x[~test]) if found.x.shape[1] == 3 else None

    def part(mask: Tensor) -> LabelledImages:
        return LabelledImages(found.x[mask], ids[mask], 255, found.y[mask], norm=norm)

    names: tuple[str, ...] = ()
    subject_of = test_subject_of = None
    if subjects is not None:
        names, of_all, told = subjects_of(subjects, found)
        subject_of, test_subject_of = of_all[~test], of_all[test]
        notes += [told, *filter(None, [told_of_test(names, subject_of, test_subject_of)])]
        if not bool((subject_of >= 0).any()):
            raise DataError(
                "the CSV of subjects names no training image; nothing could be forgotten by subject"
            )
    return UploadPreview(
        _title(name), found.classes, part(~test), part(test), found.sizes, tuple(notes), names, subject_of,
        test_subject_of,
    )  # fmt: skip


def _require_classes(found: ParsedUpload, name: str) -> None:
    """Two classes or more, each with images, in the test set as in training."""
    total = len(found.classes)
    if total < 2:
        only = f", {shown(found.classes[0])!r}" if total else ""
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
                f"{name} has no {kind}images of class {shown(found.classes[c])!r}; add some, or remove the class{other}"
            )


def _drawn(found: ParsedUpload, name: str) -> Tensor:
    """(N,) bool: a share of each class for testing; never none of a class and never all."""
    test = torch.zeros(len(found.y), dtype=torch.bool)
    for c, label in enumerate(found.classes):
        members = (found.y == c).nonzero().flatten()
        if len(members) < 2:
            raise DataError(
                f"{name} has a single image of class {shown(label)!r}; two are needed, one to train and one to test on"
            )
        count = max(1, round(TEST_SHARE * len(members)))
        order = torch.randperm(len(members), generator=seeding.generator(0, "own-test", c))
        test[members[order[:count]]] = True
    return test


def _title(name: str) -> str:
    stem = Path(name.replace("\\", "/")).name
    for ending in (".zip", ".npz"):
        stem = stem[: -len(ending)] if stem.casefold().endswith(ending) else stem
    return titled(stem) or "Your data"


def titled(text: str) -> str:
    """A title as it is kept: one line, visible, at most 40 characters."""
    return clean_text(text, 40)
