"""Search for images by their pixels in all uploaded datasets, in training and test images alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.images import Dataset
from core.data.mapped import blocks
from core.data.registry import OWN
from core.data.uploads import store
from core.errors import DataError, RequestError


@dataclass(frozen=True, eq=False)
class MatchedImages:
    """The images of one dataset that are purged."""

    dataset: Dataset
    ids: frozenset[int]  # of training and test images
    train: frozenset[int]  # the training images among ``ids``
    names: tuple[str, ...]  # subjects who have no other image in this dataset
    other_images: int  # images that stay, of subjects who lose some

    @property
    def is_uploaded(self) -> bool:
        """True if the images are kept under ``$LAF_HOME/datasets``."""
        return self.dataset.name.startswith(OWN)

    @property
    def emptied_class(self) -> str | None:
        """A phrase for the first class that would lose its last training or test image, or None."""
        data = self.dataset
        for part, kind in ((data.train, "training"), (data.test, "test")):
            stays = ~torch.isin(part.ids, _tensor(self.ids))
            before, after = (torch.bincount(y, minlength=len(data.classes)) for y in (part.y, part.y[stays]))
            for c in ((before > 0) & (after == 0)).nonzero().flatten().tolist():
                return f"all {kind} images of class {data.classes[c]!r} of {data.title}"
        return None


def requested_ids(dataset: Dataset, ids: Iterable[int], subjects: Iterable[str]) -> frozenset[int]:
    """Return the ids of the requested training and test images.

    Raises RequestError for an id or a subject that ``dataset`` does not have, and for an empty request.
    """
    known = torch.cat([dataset.train.ids.cpu(), dataset.test.ids.cpu()])
    found = {int(i) for i in ids}
    unknown = sorted(found - set(known.tolist()))
    if unknown:
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise RequestError(
            f"{len(unknown):,} of the ids are no image of {dataset.title}: {listed}; "
            f"its ids are between {int(known.min())} and {int(known.max())}"
        )
    for name in subjects:
        if name not in dataset.subjects:
            raise RequestError(
                f"{dataset.title} has no subject called {name!r}; "
                "write the name as in the CSV, or list the images with --ids"
            )
        of_subject = _ids_of_subject(dataset, dataset.subjects.index(name))
        if not of_subject:
            raise RequestError(
                f"{dataset.title} did not keep which images show {name!r}; "
                "upload the data again with its CSV, and purge that"
            )
        found |= of_subject
    if not found:
        raise RequestError("no image is named; name at least one by its id, or a subject")
    return frozenset(found)


def find_images(dataset: Dataset, ids: frozenset[int]) -> tuple[list[MatchedImages], list[str]]:
    """Return the matches of the images ``ids`` in all datasets, ``dataset`` last, and the keys of unreadable datasets.

    Only pixels decide: other labels, ids or another order do not hide an image. A grey image matches its copy kept in colour.
    """
    hashes = {h for i, h in _image_hashes(dataset) if i in ids}
    matches, unreadable = [], []
    for key in store.kept_keys():
        if key == dataset.name:
            continue
        try:
            other = store.read_uploaded(key)
        except DataError:
            unreadable.append(key)
            continue
        same = frozenset(i for i, h in _image_hashes(other) if h in hashes)
        if same:
            matches.append(_match(other, same))
    duplicates = frozenset(i for i, h in _image_hashes(dataset) if h in hashes)
    return [*matches, _match(dataset, ids | duplicates)], unreadable


def _match(dataset: Dataset, ids: frozenset[int]) -> MatchedImages:
    names, other_images = [], 0
    for number, name in enumerate(dataset.subjects):
        of_subject = _ids_of_subject(dataset, number)
        if of_subject & ids and not of_subject - ids:
            names.append(name)
        elif of_subject & ids:
            other_images += len(of_subject - ids)
    train = frozenset(ids & set(dataset.train.ids.tolist()))
    return MatchedImages(dataset, ids, train, tuple(names), other_images)


def _ids_of_subject(dataset: Dataset, number: int) -> set[int]:
    """Return the ids of training and test images that are known to show a subject."""
    parts = ((dataset.train, dataset.subject_of), (dataset.test, dataset.test_subject_of))
    return {i for images, of in parts if of is not None for i in images.ids[of == number].tolist()}


def _image_hashes(dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """Yield the id of each image with a hash of its size and pixels. Hashes stay in memory."""
    for part in (dataset.train, dataset.test):
        each = (x for block in blocks(part.x) for x in block.cpu())
        for number, x in zip(part.ids.tolist(), each, strict=True):
            yield number, _image_hash(x)


def _image_hash(x: Tensor) -> bytes:
    is_grey = len(x) == 3 and bool((x == x[:1]).all())
    plain = x[:1] if is_grey else x
    digest = hashlib.blake2b(repr(tuple(plain.shape)).encode(), digest_size=16)
    digest.update(plain.contiguous().numpy().data)
    return digest.digest()


def _tensor(ids: Iterable[int]) -> Tensor:
    return torch.tensor(sorted(ids), dtype=torch.int64)


__all__ = ["MatchedImages", "find_images", "requested_ids"]
