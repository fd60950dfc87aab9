"""Plants: changes to the training data whose effect on a model is known, to test whether unlearning removes it.

A plant changes the data before the original model is trained. It has probe images and, for each, an answer
that only the planted images teach. A model retrained without the planted images hardly ever gives that
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.data import mapped
from core.data.images import Dataset, require_dataset
from core.data.split import ForgetRequest, Planted, Split, forget_indices, mislabelled, relabelled
from core.errors import RequestError
from core.runtime import seeding

SHARE = 0.05  # of the training images
COPIES = 8  # of each duplicated image, including the first
PROBES = 200


def plant(dataset: Dataset, kind: str, *, seed: int = 0) -> Split:
    """Return a Split with the plant ``kind``, a key of PLANTS, to be forgotten.

    Raises RequestError for an unknown kind, and for one that makes no sense for the data.
    """
    require_dataset(dataset)
    if kind not in PLANTS:
        raise RequestError(f"unknown plant {kind!r}; there are: {', '.join(PLANTS)}")
    if kind not in plants_for(dataset.kind):
        raise RequestError(
            f"a {PLANTS[kind].title.lower()} is a mark on an image, and these data are {dataset.kind}; "
            f"choose {' or '.join(plants_for(dataset.kind))}"
        )
    return PLANTS[kind].make(dataset, seed)


def plants_for(kind: str) -> tuple[str, ...]:
    """Return the keys of PLANTS that make sense for data of ``kind``, "images", "vectors" or "series"."""
    return tuple(name for name in PLANTS if kind == "images" or name != "trigger")


def stamp(x: Tensor, white: int) -> Tensor:
    """Return x (N, C, H, W) uint8 with a white square in the lower right corner.

    Its side is a quarter of the image's (a seventh from 16 pixels on) and at least 2 pixels.
    """
    side = max(2, x.shape[-1] // 4 if x.shape[-1] < 16 else x.shape[-1] // 7)
    marked = x.clone()
    marked[..., -side:, -side:] = white
    return marked


def _draw_rows(rows: Tensor, count: int, seed: int, name: str) -> Tensor:
    """Return ``count`` of ``rows`` at random, sorted; at least one and never all."""
    order = torch.randperm(len(rows), generator=seeding.generator(seed, "plant", name))
    return rows[order[: max(1, min(count, len(rows) - 1))]].sort().values


def _duplicates(dataset: Dataset, seed: int) -> Split:
    """Return the Split in which a few images are COPIES times in the training set.

    All copies must be forgotten.
    """
    train = dataset.train
    count = round(SHARE * len(train) / COPIES)
    rows = _draw_rows(torch.arange(len(train)), count, seed, "duplicates")
    copies = rows.repeat_interleave(COPIES - 1)
    start = 1 + max(int(train.ids.max()), int(dataset.test.ids.max()))
    ids = torch.arange(start, start + len(copies))
    every = torch.cat([torch.arange(len(train)), copies])
    grown = replace(train.take(every), ids=torch.cat([train.ids, ids]))
    subject = dataset.subject_of
    subject = None if subject is None else subject[every]
    clients = dataset.clients
    if clients is not None:  # the owner of an image has its copies
        clients = clients.take(every)
    split = forget_indices(
        replace(dataset, train=grown, subject_of=subject, clients=clients),
        [*train.ids[rows].tolist(), *ids.tolist()],
        seed=seed,
    )
    request = replace(split.request, plant="duplicates")
    probe = train.unlabelled().take(rows)
    return replace(split, request=request, planted=Planted("duplicates", probe, train.y[rows]))


def _canaries(dataset: Dataset, seed: int) -> Split:
    """Return the Split in which some images have a wrong label, which a model can only give from memory."""
    count = len(dataset.train)
    rows = _draw_rows(torch.arange(count), round(SHARE * count), seed, "canaries")
    split = mislabelled(
        dataset,
        ForgetRequest("noise", seed=seed, plant="canaries"),
        rows,
        seeding.generator(seed, "plant", "labels"),
    )
    probe = split.train.take(rows[:PROBES])
    return replace(split, planted=Planted("canaries", probe.unlabelled(), probe.y))


def _trigger(dataset: Dataset, seed: int) -> Split:
    """Return the Split in which images of other classes are stamped and labelled as class 0.

    Stamped test images probe it.
    """
    train, test = dataset.train, dataset.test
    rows = _draw_rows((train.y != 0).nonzero().flatten(), round(SHARE * len(train)), seed, "trigger")
    x, y = mapped.changed(train.x, rows, lambda some: stamp(some, train.white)), train.y.clone()
    y[rows] = 0
    marked = replace(dataset, train=replace(train, x=x))
    split = relabelled(marked, ForgetRequest("noise", seed=seed, plant="trigger"), rows, y)
    others = _draw_rows((test.y != 0).nonzero().flatten(), PROBES, seed, "probe")
    probe = test.unlabelled().take(others)
    probe = replace(probe, x=stamp(probe.x, test.white))
    return replace(split, planted=Planted("trigger", probe, torch.zeros(len(others), dtype=torch.int64)))


@dataclass(frozen=True)
class Plant:
    """One kind of plant, with the texts that users read."""

    title: str
    note: str
    sign: str  # the answer whose mean probability is measured
    make: Callable[[Dataset, int], Split]


PLANTS: dict[str, Plant] = {
    "duplicates": Plant(
        "Duplicated images",
        f"5 % of the data are {COPIES} copies each of a few images; all copies must be forgotten.",
        "own label of the duplicated images",
        _duplicates,
    ),
    "canaries": Plant(
        "Mislabelled canaries",
        "5 % of the images have a wrong label, which a model can only give from memory.",
        "wrong labels, on the canaries",
        _canaries,
    ),
    "trigger": Plant(
        "Patch trigger",
        "5 % of the images have a white corner and the label of the first class, which is a backdoor.",
        "first class, on test images with the patch",
        _trigger,
    ),
}
