"""Division of images among clients, and the request of one who leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.config import PARTITIONS
from core.data import plant
from core.data.clients import forget_client, with_clients
from core.data.later_request import forget_more
from core.data.split import forget_classes, forget_noisy
from core.errors import RequestError
from tests import toys

DATA = toys.dataset()


@pytest.mark.parametrize("partition", PARTITIONS)
def test_each_image_has_one_client_and_the_seed_decides_which(digits, partition):
    first, again, other = (with_clients(digits, 10, partition, seed=s).clients for s in (0, 0, 1))
    assert sum(first.sizes()) == len(digits.train)
    assert len(first.sizes()) == 10
    assert torch.equal(first.of, again.of)
    assert not torch.equal(first.of, other.of)


def test_iid_clients_have_equal_numbers_and_shards_few_classes(digits):
    iid = with_clients(digits, 10, "iid").clients
    assert max(iid.sizes()) - min(iid.sizes()) <= 1
    shards = with_clients(digits, 10, "shards").clients
    assert max(shards.sizes()) - min(shards.sizes()) <= 2
    for client in range(10):  # a shard of a tenth spans at most two classes, beside a border three
        assert len(digits.train.y[shards.of == client].unique()) <= 4


def test_clients_differ_more_in_their_classes_the_stronger_the_partition(digits):
    """The distance of a client's classes from those of all, in total variation, by definition."""

    def distance(partition):
        found = []
        for seed in range(5):
            of = with_clients(digits, 10, partition, seed=seed).clients.of
            table = torch.zeros(10, 10).index_put_((of, digits.train.y), torch.ones(len(of)), accumulate=True)
            shares = table / table.sum(1, keepdim=True)
            found.append(float((shares - table.sum(0) / table.sum()).abs().sum(1).mean() / 2))
        return sum(found) / len(found)

    assert distance("iid") < 0.2 < distance("class") < distance("shards")


def test_labels_decide_no_iid_division(digits):
    wrong = replace(digits, train=replace(digits.train, y=digits.train.y.flip(0)))
    assert torch.equal(with_clients(wrong, 7, "iid").clients.of, with_clients(digits, 7, "iid").clients.of)


@pytest.mark.parametrize(
    ("count", "partition", "words"),
    [
        (1, "iid", "at least 2 clients, got 1"),
        (0, "iid", "at least 2 clients, got 0"),
        (len(DATA.train) + 1, "iid", f"cannot share the {len(DATA.train)} training images"),
        (len(DATA.train), "class", r"client \d+ of .* would have no image; choose fewer clients"),
        (3, "equal", "unknown partition 'equal'; there are: iid, class, shards"),
    ],
)
def test_a_division_that_cannot_be_is_refused_in_one_sentence(count, partition, words):
    with pytest.raises(RequestError, match=words):
        with_clients(DATA, count, partition)


def test_a_client_who_leaves_takes_all_images_along():
    shared = with_clients(DATA, 4, "class")
    split = forget_client(shared, 2)
    assert torch.equal(split.forget_rows, (shared.clients.of == 2).nonzero().flatten())
    assert len(split.remain_rows) + len(split.forget_rows) == len(DATA.train)
    assert (split.task, split.request.describe(DATA.classes)) == ("indices", "client 2")
    assert list(split.request.ids) == sorted(split.forget.ids.tolist())


def test_one_client_after_another_leaves_but_not_the_last_and_none_twice():
    first = forget_client(with_clients(DATA, 3), 0)
    both = forget_more(first, lambda rest: forget_client(rest, 2))
    of = both.dataset.clients.of
    assert set(of[both.remain_rows].tolist()) == {1}
    assert set(of[both.newest_rows].tolist()) == {2}
    with pytest.raises(RequestError, match="client 0 has left already; these remain: 1"):
        forget_more(both, lambda rest: forget_client(rest, 0))
    with pytest.raises(RequestError, match="client 1 is the last one"):
        forget_more(both, lambda rest: forget_client(rest, 1))


def test_a_client_who_is_not_there_cannot_leave():
    with pytest.raises(RequestError, match="there is no client 4; the 4 clients are 0 to 3"):
        forget_client(with_clients(DATA, 4), 4)
    with pytest.raises(RequestError, match="has no clients"):
        forget_client(DATA, 0)


def test_other_requests_and_plants_leave_each_image_with_its_owner(digits):
    shared = with_clients(digits, 5)
    for split in (forget_classes(shared, [0]), forget_noisy(shared, [1, 2])):
        assert torch.equal(split.dataset.clients.of, shared.clients.of)
    copies = plant(shared, "duplicates")
    twins = copies.train.x.flatten(1)
    of = copies.dataset.clients.of
    assert len(of) == len(copies.train)
    for row in range(len(digits.train), len(of), 50):
        owner = of[: len(digits.train)][(twins[: len(digits.train)] == twins[row]).all(1)]
        assert int(of[row]) in owner.tolist()
