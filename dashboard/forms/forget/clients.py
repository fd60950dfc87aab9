"""The forms of federated averaging: how many owners share the images, and who of them leaves."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.data.images import Clients
from core.runs.setup import MOST_CLIENTS, Setup
from dashboard.session.lab import Lab

LEAVES = "leaves"
LEAVES_TITLE = "A client leaves"
USUAL = 10  # clients
PARTITIONS = {
    "iid": "Alike: equal numbers, at random",
    "class": "Uneven in their classes",
    "shards": "Few classes each",
}
SERVERS = {"images": "Images, without labels", "representations": "Representations only"}
ABOUT_SERVER = {
    "images": "LAF moves every layer of the extractor.",
    "representations": "Clients send what each image gives below the extractor's last layer. LAF moves that layer alone.",
}
ABOUT = (
    "Each client trains on its own images. The server averages their weights after each round. "
    "Every model of this page is trained so, the retrained ones too."
)
NOTE = (
    "All images of the client are forgotten. Where clients are alike there is often nothing to forget, and the verdict says so. "
    "Where a client alone has a class, automatic settings may miss that. Choose class removal then."
)


def owners(lab: Lab, setup: Setup) -> Setup:
    """Show how many clients share the images and how, and return ``setup`` with the choice.

    Where the client who was to leave is no longer there, class 0 is forgotten instead.
    """
    now = lab.experiment.setup
    several = st.toggle(
        "Many owners",
        now.clients is not None,
        key=f"owners-{lab.token}",
        help="Federated averaging: the original is trained by clients who keep their images",
    )
    if not several:
        return one_owner(setup)
    count = st.number_input("Clients", 2, MOST_CLIENTS, now.clients or USUAL, key=f"clients-{lab.token}")
    names = list(PARTITIONS)
    partition = st.selectbox(
        "Their images",
        names,
        index=names.index(now.partition),
        format_func=PARTITIONS.__getitem__,
        key=f"partition-{lab.token}",
    )
    epochs = st.number_input(
        "Local epochs in a round", 1, 100, now.local_epochs, key=f"local-epochs-{lab.token}"
    )
    st.caption(ABOUT)
    names = list(SERVERS)
    server = st.selectbox(
        "The server holds",
        names,
        index=names.index(now.server),
        format_func=SERVERS.__getitem__,
        key=f"server-{lab.token}",
    )
    st.caption(ABOUT_SERVER[server])
    chosen = replace(setup, clients=int(count), partition=partition, local_epochs=int(epochs), server=server)
    if chosen.client is not None and chosen.client >= int(count):
        return _without_client(chosen)
    return chosen


def one_owner(setup: Setup) -> Setup:
    """Return ``setup`` without clients, as for a model of the user's own."""
    usual = Setup()
    alone = replace(
        setup,
        clients=None,
        client=None,
        partition=usual.partition,
        local_epochs=usual.local_epochs,
        server=usual.server,
    )
    return alone if setup.client is None else _without_client(alone)


def who_leaves(lab: Lab, setup: Setup, clients: Clients) -> Setup:
    """Show the choice of the client who leaves, and return ``setup`` with the request."""
    sizes = clients.sizes()
    there = [k for k, size in enumerate(sizes) if size]
    at = there.index(setup.client) if setup.client in there else 0
    client = st.selectbox(
        "Client",
        there,
        index=at,
        format_func=lambda k: label(k, sizes[k]),
        key=f"client-{lab.token}",
    )
    st.caption(NOTE)
    return replace(setup, task="indices", classes=(), fraction=None, ids=(), plant=None, client=client)


def label(client: int, size: int) -> str:
    """Return a client with the number of its images, such as "client 3 (144 images)"."""
    return f"client {client} ({size:,} image{'s' * (size > 1)})"


def _without_client(setup: Setup) -> Setup:
    """Return ``setup`` with the request for class 0 in place of a client who leaves."""
    return replace(setup, client=None, task="class", classes=(0,))
