"""The rehearsal of a round without the clients who leave: when averaging forgets what only they had."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.data.clients import forget_client, with_clients
from core.data.images import Clients
from core.data.split import forget_indices
from core.models.base import outputs
from core.runtime.progress import run_to_end
from core.training.federated import start_trainer
from core.training.rehearsal import clients_who_leave, rehearse
from core.training.supervised import train
from tests import toys

CONFIG = replace(toys.TRAIN, epochs=2)


@pytest.fixture(scope="module")
def alike():
    """Return the toy divided among 3 clients alike, of whom client 1 leaves."""
    return forget_client(with_clients(toys.dataset(), 3, local_epochs=1), 1)


@pytest.fixture(scope="module")
def model(alike):
    return train(alike, config=CONFIG)


def seen(model, split):
    return run_to_end(rehearse(model, split, seed=0))


def test_the_round_is_one_of_federated_averaging_on_the_originals_answers(alike, model):
    answers = outputs(model, alike.train.unlabelled()).predictions
    with_answers = replace(alike, dataset=replace(alike.dataset, train=replace(alike.train, y=answers)))
    other = train(alike, config=CONFIG)
    trainer = start_trainer(
        other, with_answers, replace(CONFIG, epochs=1), seed=0, stage="rehearsal", remaining=True
    )
    while trainer.number < trainer.total:
        trainer.step()
    kept = (outputs(trainer.model, alike.train.unlabelled()).predictions == answers).double()
    found = seen(model, alike)
    assert found.forget_agreement == pytest.approx(float(kept[alike.forget_rows].mean()))
    assert found.remain_agreement == pytest.approx(float(kept[alike.remain_rows].mean()))
    shares = [
        answers[rows].bincount(minlength=4) / len(rows) for rows in (alike.forget_rows, alike.remain_rows)
    ]
    assert found.apart == pytest.approx(float((shares[0] - shares[1]).clamp_min(0).sum()))


def test_the_rehearsal_reads_no_label_and_leaves_the_model_as_it_is(alike, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = seen(model, alike)
    y = alike.train.y[torch.randperm(len(alike.train), generator=torch.Generator().manual_seed(1))]
    other = replace(alike, dataset=replace(alike.dataset, train=replace(alike.train, y=y)))
    assert seen(model, other) == found
    assert all(bool((model.state_dict()[name] == value).all()) for name, value in before.items())


def test_averaging_forgets_where_each_client_has_one_class_and_not_where_all_have_all(alike, model):
    d = toys.dataset()
    of = 2 * d.train.y + torch.arange(len(d.train)) % 2  # two clients share each class
    split = forget_client(replace(d, clients=Clients(2 * len(d.classes), "shards", 2, 0, of)), 0)
    assert seen(model, split).forgets
    assert "changed" in seen(model, split).describe()
    assert not seen(model, alike).forgets


def test_only_whole_clients_leave(alike):
    ids = alike.train.ids[alike.forget_rows]
    assert clients_who_leave(alike)
    assert clients_who_leave(forget_indices(alike.dataset, ids))  # chosen image by image
    assert not clients_who_leave(forget_indices(alike.dataset, ids[: len(ids) // 2]))
    assert not clients_who_leave(forget_indices(toys.dataset(), ids))  # one owner
