"""Division of a dataset's training images among clients, and the request of a client who leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.config import PARTITIONS
from core.data.images import Clients, Dataset
from core.data.split import ForgetRequest, Split
from core.errors import RequestError
from core.runtime import seeding
from core.runtime.bounds import quote_value

LOCAL_EPOCHS = 2
CONCENTRATION = 0.5  # α of the Dirichlet distribution
SHARDS = 2  # of each client


def with_clients(
    dataset: Dataset,
    count: int,
    partition: str = "iid",
    *,
    local_epochs: int = LOCAL_EPOCHS,
    seed: int = 0,
) -> Dataset:
    """Return ``dataset`` with its training images divided among ``count`` clients; models of it are trained by federated averaging.

    ``partition`` is a key of PARTITIONS; ``seed`` decides it. "class" draws each class's shares from a Dirichlet distribution
    (Hsu et al. 2019, arXiv 1909.06335); "shards" is the pathological partition of McMahan et al. 2017 (arXiv 1602.05629).
    Raises RequestError for fewer than 2 clients, for more clients than images, where a client would have no image, and for an
    unknown partition.
    """
    n = len(dataset.train)
    if partition not in PARTITIONS:
        raise RequestError(f"unknown partition {quote_value(partition)}; there are: {', '.join(PARTITIONS)}")
    if count < 2:
        raise RequestError(f"federated averaging needs at least 2 clients, got {count}")
    if count > n:
        raise RequestError(
            f"{count:,} clients cannot share the {n:,} training {dataset.kind} of {dataset.title}; choose at most {n:,}"
        )
    of = _PARTITION_OF[partition](dataset.train.y.cpu(), count, seed)
    empty = (of.bincount(minlength=count) == 0).nonzero().flatten().tolist()
    if empty:
        raise RequestError(
            f"client {empty[0]} of {count} would have no image; choose fewer clients, another seed, or the partition iid"
        )
    return replace(dataset, clients=Clients(count, partition, local_epochs, seed, of))


def forget_client(dataset: Dataset, client: int, *, seed: int = 0) -> Split:
    """Return the Split that forgets all training images of ``client``, which is a number from 0 up.

    ``seed`` is only stored in the request. Raises RequestError for a dataset without clients, an unknown client, one who has left
    already, and for the last one.
    """
    clients = dataset.clients
    if clients is None:
        raise RequestError(f"{dataset.title} has no clients; choose how many share it")
    if not 0 <= client < clients.count:
        raise RequestError(
            f"there is no client {client}; the {clients.count} clients are 0 to {clients.count - 1}"
        )
    mask = clients.of == client
    if not bool(mask.any()):
        left = ", ".join(map(str, sorted(set(clients.of.tolist()))))
        raise RequestError(f"client {client} has left already; these remain: {left}")
    if bool(mask.all()):
        raise RequestError(f"client {client} is the last one and nothing would remain; choose something else")
    ids = tuple(sorted(dataset.train.ids.cpu()[mask].tolist()))
    request = ForgetRequest("indices", seed=seed, ids=ids, client=client)
    return Split(dataset, request, (~mask).nonzero().flatten(), mask.nonzero().flatten())


def _equal_shares(y: Tensor, count: int, seed: int) -> Tensor:
    """Return the client (N,) of each image; numbers of images differ by one at most."""
    of = torch.empty(len(y), dtype=torch.int64)
    order = torch.randperm(len(y), generator=seeding.generator(seed, "clients", "iid"))
    of[order] = torch.arange(len(y)) % count
    return of


def _shares_of_classes(y: Tensor, count: int, seed: int) -> Tensor:
    """Return the client (N,) of each image; of each class the clients have shares from Dir(α)."""
    of = torch.empty(len(y), dtype=torch.int64)
    for c in sorted(set(y.tolist())):
        rows = (y == c).nonzero().flatten()
        order = torch.randperm(len(rows), generator=seeding.generator(seed, "clients", "class", c))
        draws = np.random.default_rng(seeding.derive_seed(seed, "clients", "shares", c))
        ends = np.rint(np.cumsum(draws.dirichlet([CONCENTRATION] * count))[:-1] * len(rows))
        of[rows[order]] = torch.from_numpy(np.searchsorted(ends, np.arange(len(rows)), side="right"))
    return of


def _shards(y: Tensor, count: int, seed: int) -> Tensor:
    """Return the client (N,) of each image; the images, sorted by class, are cut into equal shards that are dealt out at random."""
    chance = seeding.generator(seed, "clients", "shards")
    order = torch.randperm(len(y), generator=chance)
    order = order[y[order].argsort(stable=True)]
    shards = torch.arange(len(y)) * (SHARDS * count) // len(y)
    owners = torch.randperm(SHARDS * count, generator=chance) % count
    of = torch.empty(len(y), dtype=torch.int64)
    of[order] = owners[shards]
    return of


_PARTITION_OF = {"iid": _equal_shares, "class": _shares_of_classes, "shards": _shards}

__all__ = ["LOCAL_EPOCHS", "forget_client", "with_clients"]
