"""Forget requests, and the split of a dataset into the images that stay and those to forget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from core.data.forget_selection.chosen_ids import chosen_ids, class_numbers
from core.data.images import Dataset, Images, LabelledImages
from core.errors import RequestError
from core.runtime import seeding
from core.runtime.bounds import is_number, quote_value, require_kind, require_seed


@dataclass(frozen=True, eq=False)
class Planted:
    """Probe images (n) and the planted ``answer`` (n,) for each.

    The sign is the mean probability of that answer.
    """

    kind: str
    probe: Images
    answer: Tensor


@dataclass(frozen=True)
class ForgetRequest:
    """The training images of a dataset that must be forgotten."""

    task: str  # a key of config.TASKS
    classes: tuple[int, ...] = ()
    fraction: float | None = None  # of each of the classes, in (0, 1); None for whole classes
    seed: int = 0  # of the choice of images within a class, and of their wrong labels
    ids: tuple[int, ...] = ()  # for task "indices", in rising order
    plant: str | None = None  # a key of planted.PLANTS; None: nothing was planted
    client: int | None = None  # who leaves, with all the images ``ids``; None: another request

    def __post_init__(self) -> None:
        require_seed(self.seed)

    def describe(self, names: Sequence[str]) -> str:
        """Return a short description, such as "class 0", "40 % of classes 5, 6, 7" or "12 chosen images"."""
        if self.plant is not None:
            return f"planted {self.plant}"
        if self.client is not None:
            return f"client {self.client}"
        if self.task == "indices":
            return f"{len(self.ids):,} chosen image{'s' * (len(self.ids) != 1)}"
        noun = "class" if len(self.classes) == 1 else "classes"
        classes = f"{noun} {', '.join(names[c] for c in self.classes)}"
        if self.fraction is None:
            return classes
        return f"{100 * self.fraction:g} % {'mislabelled in' if self.task == 'noise' else 'of'} {classes}"


@dataclass(frozen=True, eq=False)
class UnlabelledSplit:
    """The part of a Split that a label-agnostic method may see. It holds no labels."""

    train: Images  # D, (N, C, H, W)
    remain_rows: Tensor  # (N_r,) rows of train
    forget_rows: Tensor  # (N_f,) rows of train

    def to(self, device: torch.device | str) -> UnlabelledSplit:
        """Return the same split on ``device``."""
        return UnlabelledSplit(
            self.train.to(device), self.remain_rows.to(device), self.forget_rows.to(device)
        )


@dataclass(frozen=True, eq=False)
class Split:
    """The division of D into D_r and D_f, as rows of ``dataset.train``, and the test set.

    For mislabelled images ``dataset`` holds the wrong labels, on which the original model is trained.
    ``clean_y`` holds the true labels. In a chain of requests D_f holds the images of all requests so far; see
    ``core.data.later_request``.
    """

    dataset: Dataset
    request: ForgetRequest
    remain_rows: Tensor  # (N_r,) int64
    forget_rows: Tensor  # (N_f,) int64
    clean_y: Tensor | None = None  # (N,) int64; None when no label is wrong
    planted: Planted | None = None
    earlier_rows: Tensor | None = (
        None  # (n,) of forget_rows, which earlier requests forgot; None: first request
    )

    def __repr__(self) -> str:
        what = self.request.describe(self.dataset.classes)
        if self.earlier_rows is not None:
            what += f" after {len(self.earlier_rows):,} images of earlier requests"
        return (
            f"Split: {self.dataset.title}, forget {what}: {len(self.forget_rows):,} of {len(self.train):,} training images, "
            f"{len(self.test):,} test images"
        )

    @property
    def task(self) -> str:
        """Task of the request, a key of TASKS."""
        return self.request.task

    @property
    def train(self) -> LabelledImages:
        """All training images, D."""
        return self.dataset.train

    @property
    def test(self) -> LabelledImages:
        """All test images."""
        return self.dataset.test

    @cached_property
    def remain(self) -> LabelledImages:
        """Training images that stay, D_r."""
        return self.train.take(self.remain_rows)

    @cached_property
    def forget(self) -> LabelledImages:
        """Training images to forget, D_f."""
        return self.train.take(self.forget_rows)

    @cached_property
    def present(self) -> Split:
        """The Split that the method of this request works on: without the images that earlier requests forgot."""
        if self.earlier_rows is None:
            return self
        keep = torch.ones(len(self.train), dtype=torch.bool, device=self.earlier_rows.device)
        keep[self.earlier_rows] = False
        number = keep.long().cumsum(0) - 1  # of each row among those that are kept
        return replace(
            self,
            dataset=self.dataset.with_train(keep.nonzero().flatten()),
            remain_rows=number[self.remain_rows],
            forget_rows=number[self.newest_rows],
            clean_y=None if self.clean_y is None else self.clean_y[keep],
            earlier_rows=None,
        )

    @property
    def newest_rows(self) -> Tensor:
        """Rows (n,) of the images that this request forgets: D_f without those of earlier requests."""
        if self.earlier_rows is None:
            return self.forget_rows
        return self.forget_rows[~torch.isin(self.forget_rows, self.earlier_rows)]

    @property
    def true_y(self) -> Tensor:
        """True labels of D, (N,)."""
        return self.train.y if self.clean_y is None else self.clean_y

    @cached_property
    def test_is_touched(self) -> Tensor:
        """Mask (N_test,) of the test images whose true class has images in D_f.

        They make up Test_f, the others Test_r.
        """
        return torch.isin(self.test.y, self.true_y[self.forget_rows])

    def unlabelled(self) -> UnlabelledSplit:
        """Return the split without labels, for a label-agnostic method, and without what earlier requests forgot."""
        now = self.present
        return UnlabelledSplit(now.train.unlabelled(), now.remain_rows, now.forget_rows)

    def to(self, device: torch.device | str) -> Split:
        """Return the same split with its images on ``device``."""
        moved = replace(self.dataset, train=self.train.to(device), test=self.test.to(device))
        return replace(
            self,
            dataset=moved,
            remain_rows=self.remain_rows.to(device),
            forget_rows=self.forget_rows.to(device),
            clean_y=None if self.clean_y is None else self.clean_y.to(device),
            earlier_rows=None if self.earlier_rows is None else self.earlier_rows.to(device),
        )


def forget_classes(dataset: Dataset, classes: Sequence[int | str], *, seed: int = 0) -> Split:
    """Return the Split for class removal, which forgets every training image of ``classes`` (numbers or names).

    ``seed`` is only stored in the request. Raises RequestError for an unknown or empty class, or when no class would remain.
    """
    numbers = class_numbers(dataset, classes)
    if len(numbers) == len(dataset.classes):
        raise RequestError(
            f"all {len(numbers)} classes are chosen and nothing would remain; leave at least one out"
        )
    mask = torch.isin(dataset.train.y, torch.tensor(numbers))
    return _split(dataset, ForgetRequest("class", numbers, None, seed), mask)


def forget_fraction(
    dataset: Dataset, classes: Sequence[int | str], fraction: float = 0.4, *, seed: int = 0
) -> Split:
    """Return the Split for data removal, which forgets a random ``fraction`` in (0, 1) of each of ``classes``.

    Raises RequestError for an unknown or empty class, a fraction outside (0, 1), or one that picks no image of a class.
    """
    numbers = class_numbers(dataset, classes)
    mask = _share_of_each(dataset, numbers, fraction, seed)
    return _split(dataset, ForgetRequest("data", numbers, float(fraction), seed), mask)


def forget_noisy(
    dataset: Dataset, classes: Sequence[int | str], fraction: float = 0.6, *, seed: int = 0
) -> Split:
    """Return the Split for noisy labels, which gives a random ``fraction`` in (0, 1) of each of ``classes`` a wrong label.

    Each wrong label is drawn from the other classes, and these images must be forgotten. The original model
    is trained on the wrong labels, which are in the split's dataset. Raises as ``forget_fraction`` does.
    """
    numbers = class_numbers(dataset, classes)
    mask = _share_of_each(dataset, numbers, fraction, seed)
    request = ForgetRequest("noise", numbers, float(fraction), seed)
    return mislabelled(dataset, request, mask.nonzero().flatten(), seeding.generator(seed, "noise"))


def mislabelled(dataset: Dataset, request: ForgetRequest, rows: Tensor, generator: torch.Generator) -> Split:
    """Return the Split that forgets ``rows`` (n,), each with a wrong label drawn uniformly from the other classes."""
    clean = dataset.train.y
    shift = torch.randint(1, len(dataset.classes), (len(rows),), generator=generator)
    noisy = clean.clone()
    noisy[rows] = (clean[rows] + shift) % len(dataset.classes)
    return relabelled(dataset, request, rows, noisy)


def relabelled(dataset: Dataset, request: ForgetRequest, rows: Tensor, y: Tensor) -> Split:
    """Return the Split that forgets ``rows``, with labels ``y`` (N,) in place of the true ones."""
    wrong = replace(dataset, train=replace(dataset.train, y=y))
    mask = torch.zeros(len(y), dtype=torch.bool)
    mask[rows] = True
    return replace(_split(wrong, request, mask), clean_y=dataset.train.y)


def forget_indices(dataset: Dataset, ids: Iterable[int] | Tensor, *, seed: int = 0) -> Split:
    """Return the Split that forgets the training images ``ids``; repeats count once.

    ``ids`` may also be a mask: one truth value for each training image, in a list, an array or a tensor. ``seed`` is
    only stored in the request. Raises RequestError for no ids, unknown ids, ids that are no whole numbers, a mask of
    another length, or the choice of all training images.
    """
    wanted = chosen_ids(ids, dataset)
    if not wanted:
        raise RequestError("no image is chosen; give at least one id")
    mask = torch.isin(dataset.train.ids, torch.tensor(wanted))
    if int(mask.sum()) < len(wanted):
        known = set(dataset.train.ids.tolist())
        raise dataset.unknown_ids([i for i in wanted if i not in known])
    if bool(mask.all()):
        raise RequestError(f"all {len(mask):,} images are chosen and nothing would remain; leave some out")
    return _split(dataset, ForgetRequest("indices", seed=seed, ids=tuple(wanted)), mask)


def _share_of_each(dataset: Dataset, numbers: tuple[int, ...], fraction: float, seed: int) -> Tensor:
    """Return a mask (N,) of a random ``fraction`` of each class.

    Raises RequestError as ``forget_fraction`` does.
    """
    if not is_number(fraction) or not 0 < fraction < 1:
        raise RequestError(
            f"the fraction to forget must lie between 0 and 1, both excluded, got {quote_value(fraction)}"
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


def require_split(split: object, owner: str) -> None:
    """Raise RequestError unless ``split`` is a Split; ``owner`` is the name of what takes it."""
    require_kind(split, Split, owner, "make one by forget_classes(dataset, [0])")


def _split(dataset: Dataset, request: ForgetRequest, mask: Tensor) -> Split:
    return Split(dataset, request, (~mask).nonzero().flatten(), mask.nonzero().flatten())
