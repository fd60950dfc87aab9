"""What must be forgotten: a ForgetRequest, and the Split of a dataset that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from core.data.images import Dataset, Images, LabelledImages
from core.errors import RequestError
from core.runtime import seeding


@dataclass(frozen=True, eq=False)
class Planted:
    """``probe`` (n) images and the ``answer`` (n,) that was planted for each; the sign is the mean probability of that answer."""

    kind: str
    probe: Images
    answer: Tensor


@dataclass(frozen=True)
class ForgetRequest:
    """Which training images of a dataset must be forgotten."""

    task: str  # a key of config.TASKS
    classes: tuple[int, ...] = ()
    fraction: float | None = None  # of each of the classes, in (0, 1); None for whole classes
    seed: int = 0  # which images of a class make up its fraction, and which wrong labels they get
    ids: tuple[int, ...] = ()  # for task "indices", in rising order
    plant: str | None = None  # a key of planted.PLANTS where the set was planted

    def describe(self, names: Sequence[str]) -> str:
        """A few words: "class 0", "40 % of classes 5, 6, 7", "60 % mislabelled in class 1", "12 chosen images"."""
        if self.plant is not None:
            return f"planted {self.plant}"
        if self.task == "indices":
            return f"{len(self.ids):,} chosen image{'s' * (len(self.ids) != 1)}"
        listed = ", ".join(names[c] for c in self.classes)
        what = f"{'class' if len(self.classes) == 1 else 'classes'} {listed}"
        if self.fraction is None:
            return what
        return f"{100 * self.fraction:g} % {'mislabelled in' if self.task == 'noise' else 'of'} {what}"


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
    """D = D_r and D_f as rows of ``dataset.train``, and the test set.

    Where images are mislabelled, ``dataset`` holds the wrong labels that the original model was trained on, and ``clean_y`` the
    true ones.
    """

    dataset: Dataset
    request: ForgetRequest
    remain_rows: Tensor  # (N_r,) int64
    forget_rows: Tensor  # (N_f,) int64
    clean_y: Tensor | None = None  # (N,) int64; None where no label is wrong
    planted: Planted | None = None

    @property
    def task(self) -> str:
        """A key of TASKS: what kind of request it is."""
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

    @property
    def true_y(self) -> Tensor:
        """(N,) the true labels of D."""
        return self.train.y if self.clean_y is None else self.clean_y

    @cached_property
    def test_is_touched(self) -> Tensor:
        """(N_test,) bool: the test images whose true class has images in D_f; Test_f is measured on them, Test_r on the rest."""
        return torch.isin(self.test.y, self.true_y[self.forget_rows])

    def unlabelled(self) -> UnlabelledSplit:
        """What a label-agnostic method is handed."""
        return UnlabelledSplit(self.train.unlabelled(), self.remain_rows, self.forget_rows)

    def to(self, device: torch.device | str) -> Split:
        """The same split with its images on ``device``."""
        moved = replace(self.dataset, train=self.train.to(device), test=self.test.to(device))
        clean = None if self.clean_y is None else self.clean_y.to(device)
        return replace(
            self, dataset=moved, remain_rows=self.remain_rows.to(device),
            forget_rows=self.forget_rows.to(device), clean_y=clean,
        )  # fmt: skip


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
    mask = _share_of_each(dataset, numbers, fraction, seed)
    return _split(dataset, ForgetRequest("data", numbers, float(fraction), seed), mask)


def forget_noisy(
    dataset: Dataset, classes: Sequence[int | str], fraction: float = 0.6, *, seed: int = 0
) -> Split:
    """Noisy labels: a random ``fraction`` in (0, 1) of each of ``classes`` gets a wrong label, any of the others, and must be forgotten.

    The split's dataset holds the wrong labels; train the original model on it. Raises as ``forget_fraction`` does.
    """
    numbers = _class_numbers(dataset, classes)
    mask = _share_of_each(dataset, numbers, fraction, seed)
    request = ForgetRequest("noise", numbers, float(fraction), seed)
    return mislabelled(dataset, request, mask.nonzero().flatten(), seeding.generator(seed, "noise"))


def mislabelled(dataset: Dataset, request: ForgetRequest, rows: Tensor, generator: torch.Generator) -> Split:
    """The Split that forgets ``rows`` (n,), each with a wrong label drawn uniformly from the other classes."""
    clean = dataset.train.y
    away = torch.randint(1, len(dataset.classes), (len(rows),), generator=generator)
    noisy = clean.clone()
    noisy[rows] = (clean[rows] + away) % len(dataset.classes)
    return relabelled(dataset, request, rows, noisy)


def relabelled(dataset: Dataset, request: ForgetRequest, rows: Tensor, y: Tensor) -> Split:
    """The Split that forgets ``rows``, with labels ``y`` (N,) in place of the true ones."""
    wrong = replace(dataset, train=replace(dataset.train, y=y))
    mask = torch.zeros(len(y), dtype=torch.bool)
    mask[rows] = True
    return replace(_split(wrong, request, mask), clean_y=dataset.train.y)


def forget_indices(dataset: Dataset, ids: Iterable[int], *, seed: int = 0) -> Split:
    """Any set of training images by their ids, from one up; repeats count once.

    ``seed`` is kept in the request. Raises RequestError for no ids, ids that are no training image, or all of them.
    """
    wanted = sorted({int(i) for i in ids})
    if not wanted:
        raise RequestError("no image is chosen; give at least one id")
    mask = torch.isin(dataset.train.ids, torch.tensor(wanted))
    if int(mask.sum()) < len(wanted):
        known = set(dataset.train.ids.tolist())
        unknown = [i for i in wanted if i not in known]
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        first, last = int(dataset.train.ids.min()), int(dataset.train.ids.max())
        raise RequestError(
            f"{len(unknown)} of the ids are no training image of {dataset.title}: {listed}; its ids lie between {first} and {last}"
        )
    if bool(mask.all()):
        raise RequestError(f"all {len(mask):,} images are chosen and nothing would remain; leave some out")
    return _split(dataset, ForgetRequest("indices", seed=seed, ids=tuple(wanted)), mask)


def _share_of_each(dataset: Dataset, numbers: tuple[int, ...], fraction: float, seed: int) -> Tensor:
    """(N,) bool: a random ``fraction`` of each class."""
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
        order = torch.randperm(len(rows), generator=seeding.generator(seed, "forget", c))
        mask[rows[order[:count]]] = True
    return mask


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
