"""What must be forgotten: a ForgetRequest, and the Split of a dataset that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core import seeds
from core.data.images import Dataset, Images, LabelledImages
from core.errors import RequestError


@dataclass(frozen=True)
class ForgetRequest:
    """Which training images of a dataset must be forgotten."""

    task: str  # "class" or "data"
    classes: tuple[int, ...]
    fraction: float | None = None  # of each of the classes, in (0, 1); None for whole classes
    seed: int = 0  # which images of a class make up its fraction

    def describe(self, names: Sequence[str]) -> str:
        """A few words: "class 0", "40 % of classes 5, 6, 7"."""
        listed = ", ".join(names[c] for c in self.classes)
        noun = "class" if len(self.classes) == 1 else "classes"
        return (
            f"{noun} {listed}" if self.fraction is None else f"{100 * self.fraction:g} % of {noun} {listed}"
        )


@dataclass(frozen=True, eq=False)
class UnlabelledSplit:
    """All that a label-agnostic method may see of a Split: images, and which of them to forget. No labels anywhere."""

    train: Images  # D, (N, C, H, W)
    remain_rows: Tensor  # (N_r,) rows of train
    forget_rows: Tensor  # (N_f,) rows of train

    def to(self, device: torch.device | str) -> UnlabelledSplit:
        """The same split on ``device``."""
        return UnlabelledSplit(
            self.train.to(device), self.remain_rows.to(device), self.forget_rows.to(device)
        )


@dataclass(frozen=True, eq=False)
class Split:
    """D = D_r and D_f as rows of ``dataset.train``, and the test set."""

    dataset: Dataset
    request: ForgetRequest
    remain_rows: Tensor  # (N_r,) int64
    forget_rows: Tensor  # (N_f,) int64

    @property
    def task(self) -> str:
        return self.request.task

    @property
    def train(self) -> LabelledImages:
        """D: all training images."""
        return self.dataset.train

    @property
    def test(self) -> LabelledImages:
        """All test images."""
        return self.dataset.test

    @cached_property
    def remain(self) -> LabelledImages:
        """D_r: the training images that stay."""
        return self.train.take(self.remain_rows)

    @cached_property
    def forget(self) -> LabelledImages:
        """D_f: the training images to forget."""
        return self.train.take(self.forget_rows)

    @cached_property
    def test_is_touched(self) -> Tensor:
        """(N_test,) bool: the test images whose class has images in D_f; Test_f is measured on them, Test_r on the rest."""
        return torch.isin(self.test.y, self.forget.y)

    def unlabelled(self) -> UnlabelledSplit:
        """What a label-agnostic method is handed."""
        return UnlabelledSplit(self.train.unlabelled(), self.remain_rows, self.forget_rows)

    def to(self, device: torch.device | str) -> Split:
        """The same split with its images on ``device``."""
        d = self.dataset
        moved = Dataset(d.name, d.title, d.classes, d.train.to(device), d.test.to(device))
        return Split(moved, self.request, self.remain_rows.to(device), self.forget_rows.to(device))


def forget_classes(dataset: Dataset, classes: Sequence[int | str], *, seed: int = 0) -> Split:
    """Class removal: every training image of ``classes`` (numbers or names).

    ``seed`` is kept in the request; class removal itself draws nothing.
    Raises RequestError for an unknown or empty class, or when no class would remain.
    """
    numbers = _class_numbers(dataset, classes)
    if len(numbers) == len(dataset.classes):
        raise RequestError(
            f"all {len(numbers)} classes are chosen and nothing would remain; leave at least one out"
        )
    mask = torch.isin(dataset.train.y, torch.tensor(numbers))
    return _split(dataset, ForgetRequest("class", numbers, None, seed), mask)


def forget_fraction(
    dataset: Dataset, classes: Sequence[int | str], fraction: float = 0.4, *, seed: int = 0
) -> Split:
    """Data removal: a random ``fraction`` in (0, 1) of the training images of each of ``classes``.

    Raises RequestError for an unknown or empty class, a fraction outside (0, 1), or one that picks no image of a class.
    """
    numbers = _class_numbers(dataset, classes)
    if not 0 < fraction < 1:
        raise RequestError(
            f"the fraction to forget must lie between 0 and 1, both excluded, got {fraction!r}"
        )
    y = dataset.train.y
    mask = torch.zeros(len(y), dtype=torch.bool)
    for c in numbers:
        rows = (y == c).nonzero().flatten()
        count = round(fraction * len(rows))
        if not 0 < count < len(rows):
            raise RequestError(
                f"a fraction of {fraction:g} picks {count} of the {len(rows)} images of class {dataset.classes[c]!r}; "
                "choose one that picks at least one and leaves at least one"
            )
        order = torch.randperm(len(rows), generator=seeds.generator(seed, "forget", c))
        mask[rows[order[:count]]] = True
    return _split(dataset, ForgetRequest("data", numbers, float(fraction), seed), mask)


def _split(dataset: Dataset, request: ForgetRequest, mask: Tensor) -> Split:
    return Split(dataset, request, (~mask).nonzero().flatten(), mask.nonzero().flatten())


def _class_numbers(dataset: Dataset, classes: Sequence[int | str]) -> tuple[int, ...]:
    """Class numbers, sorted, without repeats."""
    names = dataset.classes
    if isinstance(classes, (int, str)):
        classes = [classes]
    numbers = set()
    for c in classes:
        number = names.index(c) if isinstance(c, str) and c in names else c
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(names):
            raise RequestError(f"unknown class {c!r}; {dataset.title} has: {', '.join(names)}")
        numbers.add(number)
    if not numbers:
        raise RequestError(f"no class is chosen; {dataset.title} has: {', '.join(names)}")
    for number in sorted(numbers):
        if not bool((dataset.train.y == number).any()):
            raise RequestError(
                f"class {names[number]!r} has no training images; choose a class that has some"
            )
    return tuple(sorted(numbers))
