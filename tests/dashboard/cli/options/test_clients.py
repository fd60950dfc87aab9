"""Options of federated averaging: what they choose, and how a result tells of them."""

from __future__ import annotations

import argparse

import pytest

from core.errors import RequestError
from core.runs import setup as setups
from dashboard.cli.options import add, clients, setup_of


def asked(*words):
    parser = argparse.ArgumentParser()
    add(parser)
    clients.add(parser)
    return parser.parse_args(words)


def test_the_options_choose_the_fields_of_a_setup():
    made = setup_of(asked("--clients", "5", "--partition", "class", "--local-epochs", "3", "--client", "0"))
    assert (made.clients, made.partition, made.local_epochs, made.client) == (5, "class", 3, 0)
    assert made.task == "indices"
    assert setup_of(asked("--clients", "5")).task == "class"  # all may forget a class of a shared model
    assert setup_of(asked()).clients is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--client", "0"], "--client needs --clients K"),
        (["--partition", "iid"], "--partition needs --clients K"),
        (["--local-epochs", "1"], "--local-epochs needs --clients K"),
        (["--clients", "5", "--client", "0", "--plant", "canaries"], "--client decides what is forgotten"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, said):
    with pytest.raises(RequestError, match=said):
        clients.chosen(asked(*words))


def test_the_largest_number_is_that_of_a_setup():
    assert clients.MOST == setups.MOST_CLIENTS


def test_a_result_tells_who_has_how_many_images(digits):
    setup = setups.Setup(task="indices", classes=(), clients=10, client=3, seed=4)
    found = clients.values(setup, setup.split(digits))
    assert sum(found["images"]) == len(digits.train)
    assert (found["count"], found["partition"], found["seed"], found["leaves"]) == (10, "iid", 4, 3)
    assert clients.line(found) == (
        "federated averaging: 10 clients with 143 to 144 images each (iid, seed 4), 2 local epochs in each round; the server holds images"
    )
    assert clients.values(setup, setups.Setup().split(digits)) is None
