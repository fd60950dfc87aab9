"""The forms of federated averaging: what they choose, and what becomes of a client who was to leave."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.config import PARTITIONS, SERVERS
from core.data.clients import with_clients
from core.runs.setup import Setup
from dashboard.forms.forget import clients as form
from dashboard.presentation.text.pages.lab import clients as say
from tests import toys

SHARED = Setup(task="indices", classes=(), clients=5, partition="class", local_epochs=3, client=3)


@pytest.fixture
def answers(monkeypatch):
    """Return the answers of a user by label; a field without one keeps what it shows. ``shown`` has what it showed."""
    given = SimpleNamespace(by={}, shown={})

    def show(label, value):
        given.shown[label] = value
        return given.by.get(label, value)

    monkeypatch.setattr(form.st, "toggle", lambda label, value, **_: show(label, value))
    monkeypatch.setattr(form.st, "number_input", lambda label, low, high, value, **_: show(label, value))
    monkeypatch.setattr(
        form.st, "selectbox", lambda label, options, *, index, **_: show(label, options[index])
    )
    monkeypatch.setattr(form.st, "caption", lambda _: None)
    return given


def lab(setup):
    return SimpleNamespace(token="t", experiment=SimpleNamespace(setup=setup, dataset=None))


def test_one_owner_stays_one_until_many_are_wanted(answers):
    assert form.owners(lab(Setup()), Setup()) == Setup()
    answers.by["Many owners"] = True
    assert form.owners(lab(Setup()), Setup()) == Setup(clients=form.USUAL)


def test_the_form_begins_with_what_is_open_and_changes_nothing_by_itself(answers):
    assert form.owners(lab(SHARED), SHARED) == SHARED
    assert answers.shown == {
        "Many owners": True,
        "Clients": 5,
        "Their data": "class",
        "Local epochs in a round": 3,
        "The server holds": "images",
    }


@pytest.mark.parametrize("change", [{"Many owners": False}, {"Clients": 3}])
def test_a_client_who_is_no_longer_there_does_not_leave(answers, change):
    answers.by.update(change)
    found = form.owners(lab(SHARED), SHARED)
    assert (found.client, found.task, found.classes) == (None, "class", (0,))
    assert found.clients == change.get("Clients")


def test_the_client_who_leaves_is_one_of_those_with_images(answers):
    shared = with_clients(toys.dataset(), 4).clients
    left = shared.take((shared.of != 0).nonzero().flatten())
    found = form.who_leaves(lab(SHARED), Setup(clients=4, plant="canaries"), left)
    assert answers.shown == {"Client": 1}
    assert found == Setup(task="indices", classes=(), clients=4, client=1)


def test_every_partition_has_a_name_and_a_client_its_size():
    assert set(say.PARTITIONS) == set(PARTITIONS)
    assert set(say.SERVERS) == set(say.ABOUT_SERVER) == set(SERVERS)
    assert say.client(3, 1440, "images") == "client 3 (1,440 images)"
    assert say.client(0, 1, "vectors") == "client 0 (1 vector)"
