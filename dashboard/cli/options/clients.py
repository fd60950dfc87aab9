"""Options of federated averaging: how many clients share the images, how, and who of them leaves."""

from __future__ import annotations

import argparse
from typing import Any

from core.errors import RequestError
from dashboard.presentation.text import numbers

MOST = 100  # MOST_CLIENTS of core.runs.setup, which imports torch
CHOICES = ("clients", "partition", "local_epochs", "server", "client")  # fields of a Setup


def add(command: argparse.ArgumentParser) -> None:
    """Add --clients, --partition, --local-epochs, --server and --client."""
    command.add_argument(
        "--clients",
        type=numbers.whole(2, MOST),
        default=None,
        metavar="K",
        help="share the training images among K clients, who train the original by federated averaging (default: one owner)",
    )
    command.add_argument(
        "--partition",
        default=None,
        metavar="KIND",
        help="for --clients: iid, in equal numbers at random; class, each class unevenly; or shards, few classes each "
        "(default: iid)",
    )
    command.add_argument(
        "--local-epochs",
        type=numbers.whole(1, 100),
        default=None,
        metavar="N",
        help="for --clients: epochs of each client in a round (default: 2)",
    )
    command.add_argument(
        "--server",
        default=None,
        metavar="KIND",
        help="for --clients: images, or representations, where LAF moves the extractor's last layer only (default: images)",
    )
    command.add_argument(
        "--client",
        type=numbers.whole(0, MOST - 1),
        default=None,
        metavar="NUMBER",
        help="for --clients: the client who leaves, counted from 0; all its images are forgotten",
    )


def chosen(a: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a Setup that the options choose. Raises RequestError for options that do not go together."""
    found = {name: value for name in CHOICES if (value := getattr(a, name, None)) is not None}
    if found and "clients" not in found:
        option = "--" + next(iter(found)).replace("_", "-")
        raise RequestError(f"{option} needs --clients K, the number of clients who share the images")
    if "client" in found and (a.task, a.classes, a.fraction, a.indices, a.plant) != (None,) * 5:
        raise RequestError(
            "--client decides what is forgotten; leave out --task, --classes, --fraction, --indices and --plant"
        )
    return found


def values(setup: Any, split: Any) -> dict[str, Any] | None:
    """Return the clients for JSON; None where there is one owner."""
    clients = split.dataset.clients
    if clients is None:
        return None
    return {
        "count": clients.count,
        "partition": clients.partition,
        "local_epochs": clients.local_epochs,
        "seed": clients.seed,
        "images": clients.sizes(),
        "leaves": setup.client,
        "server": setup.server,
    }


def line(found: dict[str, Any]) -> str:
    """Return what ``values`` gave as a line of the table."""
    images = found["images"]
    each = f"{min(images):,}" if min(images) == max(images) else f"{min(images):,} to {max(images):,}"
    local = f"{found['local_epochs']} local epoch{'s' * (found['local_epochs'] > 1)}"
    return (
        f"federated averaging: {found['count']} clients with {each} images each ({found['partition']}, seed {found['seed']}), "
        f"{local} in each round; the server holds {found['server']}"
    )
