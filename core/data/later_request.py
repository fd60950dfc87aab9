"""A forget request that follows earlier ones: the Split of all images asked so far, chosen from those that remained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from core.data.images import Dataset
from core.data.split import ForgetRequest, Split
from core.errors import RequestError
from core.runtime.bounds import join_names


def forget_more(before: Split, request: Callable[[Dataset], Split]) -> Split:
    """Return the Split after one more request.

    ``before`` is the Split of all requests so far. ``request`` makes the Split of the images that remain, such as
    ``lambda rest: forget_classes(rest, [3])``. D_f of the result holds the images of all requests, D_r those that remain;
    ``Split.present`` is what the method of this request works on. Raises what ``request`` raises, and RequestError for a class or
    an image that an earlier request has forgotten, when no image would remain, and for a request that changes labels or images.
    """
    rest = remaining(before)
    try:
        new = request(rest)
    except RequestError as error:
        raise _explained(error, before) from error
    _require_fitting(new, rest)
    _require_images(new, rest)
    newest = before.remain_rows[new.forget_rows]
    return Split(
        before.dataset,
        new.request,
        before.remain_rows[new.remain_rows],
        torch.cat([before.forget_rows, newest]).sort().values,
        before.clean_y,
        before.planted,
        earlier_rows=before.forget_rows,
    )


def remaining(before: Split) -> Dataset:
    """Return the dataset of ``before`` with D_r as its training images; ids and test images stay the same."""
    return before.dataset.with_train(before.remain_rows)


def at_once(split: Split) -> Split:
    """Return the Split that forgets D_f of ``split`` in one request, as if its requests had arrived together."""
    if split.earlier_rows is None:
        return split
    y, rows = split.train.y, split.forget_rows
    classes = tuple(sorted(set(y[rows].tolist())))
    if bool(torch.isin(y[split.remain_rows], torch.tensor(classes, device=y.device)).any()):
        request = ForgetRequest("indices", seed=split.request.seed, ids=tuple(split.train.ids[rows].tolist()))
    else:
        request = ForgetRequest("class", classes, None, split.request.seed)
    return replace(split, request=request, earlier_rows=None)


def require_not_forgotten(before: Split, classes: tuple[int | str, ...], ids: tuple[int, ...]) -> None:
    """Raise RequestError where ``before`` has forgotten one of ``classes`` (numbers or names) or of ``ids``."""
    names, y = before.dataset.classes, before.train.y
    left = [name for number, name in enumerate(names) if bool((y[before.remain_rows] == number).any())]
    given = [names[c] if isinstance(c, int) and 0 <= c < len(names) else c for c in classes]
    gone = [str(c) for c in given if c in names and c not in left]
    if gone:
        raise RequestError(
            f"class {join_names(gone)} is already forgotten by an earlier request; these remain: {', '.join(left)}"
        )
    forgotten = set(before.train.ids[before.forget_rows].tolist())
    twice = [i for i in ids if i in forgotten]
    if twice:
        raise RequestError(
            f"{len(twice):,} of the images are already forgotten by an earlier request: {join_names(twice)}; leave them out"
        )


def _explained(error: RequestError, before: Split) -> RequestError:
    """Return the error of a request for images that remain, with what an earlier request has forgotten."""
    if "has no training images" not in str(error):
        return error
    y = before.train.y[before.remain_rows]
    left = [name for number, name in enumerate(before.dataset.classes) if bool((y == number).any())]
    return RequestError(f"{str(error).partition(';')[0]} that remain; these classes do: {', '.join(left)}")


def _require_fitting(new: Split, rest: Dataset) -> None:
    if new.request.plant is not None or new.clean_y is not None or new.dataset is not rest:
        raise RequestError(
            "a later request cannot plant images or mislabel them, since the original has learnt already; "
            "choose classes, a share of classes, or images"
        )


def _require_images(new: Split, rest: Dataset) -> None:
    if not len(new.remain_rows):
        raise RequestError(
            f"all {len(rest.train):,} images that remain are chosen and nothing would remain; leave some out"
        )


__all__ = ["at_once", "forget_more", "remaining", "require_not_forgotten"]
