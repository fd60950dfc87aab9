"""The forms of federated averaging: how many owners share the images, and who of them leaves."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.data.images import Clients
from core.runs.setup import MOST_CLIENTS, Setup
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.pages.lab import clients as say
from dashboard.session.lab import Lab

LEAVES = "leaves"
USUAL = 10  # clients


def owners(lab: Lab, setup: Setup) -> Setup:
    """Show how many clients share the images and how, and return ``setup`` with the choice.

    Where the client who was to leave is no longer there, class 0 is forgotten instead.
    """
    now = lab.experiment.setup
    several = st.toggle(
        say.MANY_OWNERS,
        now.clients is not None,
        key=f"owners-{lab.token}",
        help=say.MANY_OWNERS_HELP,
    )
    if not several:
        return one_owner(setup)
    count = st.number_input(say.CLIENTS, 2, MOST_CLIENTS, now.clients or USUAL, key=f"clients-{lab.token}")
    names = list(say.PARTITIONS)
    partition = st.selectbox(
        say.THEIR_DATA,
        names,
        index=names.index(now.partition),
        format_func=say.PARTITIONS.__getitem__,
        key=f"partition-{lab.token}",
    )
    epochs = st.number_input(say.LOCAL_EPOCHS, 1, 100, now.local_epochs, key=f"local-epochs-{lab.token}")
    st.caption(say.ABOUT)
    names = list(say.SERVERS)
    server = st.selectbox(
        say.SERVER_HOLDS,
        names,
        index=names.index(now.server),
        format_func=say.SERVERS.__getitem__,
        key=f"server-{lab.token}",
    )
    st.caption(say.ABOUT_SERVER[server])
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
    kind = nouns.kind_of(lab.experiment.dataset)
    client = st.selectbox(
        say.CLIENT,
        there,
        index=at,
        format_func=lambda k: say.client(k, sizes[k], kind),
        key=f"client-{lab.token}",
    )
    st.caption(say.NOTE)
    return replace(setup, task="indices", classes=(), fraction=None, ids=(), plant=None, client=client)


def _without_client(setup: Setup) -> Setup:
    """Return ``setup`` with the request for class 0 in place of a client who leaves."""
    return replace(setup, client=None, task="class", classes=(0,))
