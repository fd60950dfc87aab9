"""Chains of requests in Python: bit for bit, blind to what was forgotten, and rewound."""

import pytest
import torch

from core.data.split import forget_classes, forget_indices
from core.errors import IllegalMoveError, RequestError
from core.experiments.chain import RequestChain
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.run import Run, finish
from tests import toys

DATA = toys.dataset()


@pytest.fixture(scope="module")
def original():
    return toys.model(forget_classes(DATA, [0]))


def asked(chain, *classes):
    for c in classes:
        finish(
            chain.forget(
                lambda rest, c=c: forget_classes(rest, [c]), LAF(toys.QUICK), checkpoints=Checkpoints()
            )
        )
    return chain


@pytest.fixture(scope="module")
def chain(original):
    return asked(RequestChain(original, DATA), 0, 1, 2)


def result(chain):
    return toys.weights(chain.runs[-1].result)


def test_a_request_equals_a_run_on_data_that_never_held_what_was_forgotten(original, chain):
    rest = DATA.with_train(DATA.train.y > 0)
    first = finish(Run(LAF(toys.QUICK), original, forget_classes(DATA, [0])))
    second = finish(Run(LAF(toys.QUICK), first, forget_classes(rest, [1])))
    assert toys.same(toys.weights(second), toys.weights(chain.runs[1].result))


def test_a_chain_that_went_back_to_request_2_and_forked_equals_one_made_straight(original, chain):
    forked = chain.fork(2, 4)
    run = forked.runs[-1]
    finish(run)
    asked(forked, 3 - 1)
    assert run.steps == chain.runs[1].steps
    assert toys.same(result(forked), result(chain))
    assert len(chain.runs) == 3  # the chain that was forked did not change


def test_another_request_after_going_back_equals_that_chain_made_straight(original, chain):
    back = asked(chain.until(1), 3)
    straight = asked(RequestChain(original, DATA), 0, 3)
    assert toys.same(result(back), result(straight))


def test_retrained_models_are_those_of_one_request_for_all(chain):
    pair = [finish(Run("retrain", chain.model, split)) for split in (chain.split, chain.at_once)]
    assert toys.same(*map(toys.weights, pair))


def test_the_next_request_waits_for_the_end_of_the_one_before(original):
    chain = RequestChain(original, DATA)
    with pytest.raises(RequestError, match="no request yet"):
        _ = chain.split
    chain.forget(lambda rest: forget_classes(rest, [0]), LAF(toys.QUICK)).advance()
    with pytest.raises(IllegalMoveError, match="request 1 is running"):
        chain.forget(lambda rest: forget_classes(rest, [1]), LAF(toys.QUICK))


def test_labels_do_not_reach_a_later_request(original):
    def second(labels):
        data = DATA.with_train(torch.arange(len(DATA.train)))
        object.__setattr__(data.train, "y", labels)
        chain = RequestChain(original, data)
        for ids in (range(4), range(10, 14)):
            finish(chain.forget(lambda rest, ids=ids: forget_indices(rest, ids), LAF(toys.QUICK)))
        return result(chain)

    y = DATA.train.y
    assert toys.same(second(y), second(y.flip(0)))


def test_going_back_to_a_request_that_is_not_there_is_refused(chain):
    with pytest.raises(RequestError, match="the chain has 3 requests; it cannot go back to 4"):
        chain.until(4)
    with pytest.raises(RequestError, match="it has no request 0"):
        chain.fork(0, 1)
