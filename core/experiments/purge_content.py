"""Which kept data holds some images: found by their pixels, in training and test images alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.images import Dataset
from core.data.registry import OWN
from core.data.uploads import store
from core.errors import DataError, RequestError


@dataclass(frozen=True, eq=False)
class Held:
    """The images of one dataset that are purged.

    ``names`` are of subjects of whom no image is left there, ``others`` counts images that stay of subjects who lose some.
    """

    dataset: Dataset
    ids: frozenset[int]  # of training and test images
    train: frozenset[int]  # those of them that are training images
    names: tuple[str, ...]
    others: int

    @property
    def is_own(self) -> bool:
        """Whether its images lie under ``$LAF_HOME/datasets``."""
        return self.dataset.name.startswith(OWN)

    @property
    def emptied(self) -> str | None:
        """In a few words, which class would have no image left for training or testing; None where each keeps some."""
        data = self.dataset
        for part, kind in ((data.train, "training"), (data.test, "test")):
            stays = ~torch.isin(part.ids, _tensor(self.ids))
            before, after = (torch.bincount(y, minlength=len(data.classes)) for y in (part.y, part.y[stays]))
            for c in ((before > 0) & (after == 0)).nonzero().flatten().tolist():
                return f"all {kind} images of class {data.classes[c]!r} of {data.title}"
        return None


def wanted(dataset: Dataset, ids: Iterable[int], subjects: Iterable[str]) -> frozenset[int]:
    """Return the ids that are asked for, of training and test images.

    Raises RequestError for ids that are no image of ``dataset``, a subject that it does not know, or where nothing is asked for.
    """
    known = torch.cat([dataset.train.ids.cpu(), dataset.test.ids.cpu()])
    given = {int(i) for i in ids}
    unknown = sorted(given - set(known.tolist()))
    if unknown:
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise RequestError(
            f"{len(unknown):,} of the ids are no image of {dataset.title}: {listed}; "
            f"its ids lie between {int(known.min())} and {int(known.max())}"
        )
    for name in subjects:
        if name not in dataset.subjects:
            raise RequestError(
                f"{dataset.title} has no subject called {name!r}; "
                "write the name as in the CSV, or list the images with --ids"
            )
        found = _of_subject(dataset, dataset.subjects.index(name))
        if not found:
            raise RequestError(
                f"which images of {dataset.title} show {name!r} was not kept; "
                "import the data again with its CSV, and purge that"
            )
        given |= found
    if not given:
        raise RequestError("no image is named; name at least one by its id, or a subject")
    return frozenset(given)


def find(dataset: Dataset, ids: frozenset[int]) -> tuple[list[Held], list[str]]:
    """Return where the images ``ids`` of ``dataset`` are held, ``dataset`` last; and the keys of data that cannot be read.

    Only the pixels decide: other labels, other ids or another order do not hide an image. A grey image is the same when it is kept
    in colour.
    """
    prints = {p for i, p in _prints(dataset) if i in ids}
    found, unread = [], []
    for key in store.kept_keys():
        if key == dataset.name:
            continue
        try:
            other = store.read_own(key)
        except DataError:
            unread.append(key)
            continue
        same = frozenset(i for i, p in _prints(other) if p in prints)
        if same:
            found.append(_held(other, same))
    twins = frozenset(i for i, p in _prints(dataset) if p in prints)
    return [*found, _held(dataset, ids | twins)], unread


def _held(dataset: Dataset, ids: frozenset[int]) -> Held:
    names, others = [], 0
    for number, name in enumerate(dataset.subjects):
        of = _of_subject(dataset, number)
        if of & ids and not of - ids:
            names.append(name)
        elif of & ids:
            others += len(of - ids)
    train = frozenset(ids & set(dataset.train.ids.tolist()))
    return Held(dataset, ids, train, tuple(names), others)


def _of_subject(dataset: Dataset, number: int) -> set[int]:
    """Ids of the training and test images that are known to show a subject."""
    parts = ((dataset.train, dataset.subject_of), (dataset.test, dataset.test_subject_of))
    return {i for images, of in parts if of is not None for i in images.ids[of == number].tolist()}


def _prints(dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """The id of each image, and a hash of its size and pixels that never leaves the memory."""
    for part in (dataset.train, dataset.test):
        for number, x in zip(part.ids.tolist(), part.x.cpu(), strict=True):
            yield number, _print(x)


def _print(x: Tensor) -> bytes:
    grey = len(x) == 3 and bool((x == x[:1]).all())
    plain = x[:1] if grey else x
    digest = hashlib.blake2b(repr(tuple(plain.shape)).encode(), digest_size=16)
    digest.update(plain.contiguous().numpy().data)
    return digest.digest()


def _tensor(ids: Iterable[int]) -> Tensor:
    return torch.tensor(sorted(ids), dtype=torch.int64)


__all__ = ["Held", "find", "wanted"]
