"""Federated averaging: the average, what a round does, and when it is plain training."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data.clients import forget_client, with_clients
from core.methods import method
from core.models.registry import build
from core.runs.original_models import original
from core.runs.reference_models import retraining
from core.runs.run import Run, finish
from core.runtime import seeding
from core.runtime.progress import run_to_end
from core.training.federated import FederatedTrainer, start_trainer, step_count, weighted_average
from core.training.supervised import train
from core.training.trainer import SupervisedTrainer
from tests import toys

CONFIG = replace(toys.TRAIN, epochs=2)


@pytest.fixture(scope="module")
def shared():
    """Return the toy divided among 3 clients, of whom client 1 leaves."""
    return forget_client(with_clients(toys.dataset(), 3, "class", local_epochs=1), 1)


def fresh(split):
    return build(CONFIG.net, split.dataset.shape, len(split.dataset.classes), seed=0)


def federated(split, client_of, config=CONFIG, local_epochs=1):
    return FederatedTrainer.start(
        fresh(split), split.train, client_of, config, local_epochs=local_epochs, seed=0, stage="train"
    )


def play(trainer):
    while trainer.number < trainer.total:
        trainer.step()
    return trainer.model.state_dict()


def states_of_clients(count):
    g = torch.Generator().manual_seed(0)
    return [
        {
            "w": torch.randn(3, 4, generator=g),
            "norm.running_var": torch.rand(4, generator=g),
            "norm.num_batches_tracked": torch.tensor(5 + k),
        }
        for k in range(count)
    ]


def test_the_average_is_that_of_the_formula_for_weights_and_for_running_statistics():
    states, counts = states_of_clients(3), [10, 30, 60]
    found = weighted_average(states, counts)
    for name in ("w", "norm.running_var"):
        expected = np.average([s[name].numpy() for s in states], axis=0, weights=counts)
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-6, atol=1e-6)
    assert int(found["norm.num_batches_tracked"]) == 7  # of batches the largest count


def test_a_client_of_weight_0_changes_nothing_whatever_its_weights_are():
    states = states_of_clients(3)
    states[1] = {
        name: torch.full_like(v, -1) if not v.is_floating_point() else v * torch.nan
        for name, v in states[1].items()
    }
    assert toys.same(weighted_average(states, [10, 0, 60]), weighted_average(states[::2], [10, 60]))


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [2.0, -1.0]])
def test_weights_that_give_no_average_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be >= 0"):
        weighted_average(states_of_clients(2), weights)


def test_one_client_with_one_local_epoch_a_round_trains_as_without_clients(toy_split):
    plain = SupervisedTrainer.start(
        fresh(toy_split), toy_split.train, CONFIG, seed=seeding.derive_seed(0, "client", 0), stage="train"
    )
    one = federated(toy_split, torch.zeros(len(toy_split.train), dtype=torch.int64))
    assert one.total == plain.total
    assert toys.same(play(one), play(plain))


def test_a_round_is_the_average_of_what_clients_train_alone_from_the_servers_weights(shared):
    of = shared.dataset.clients.of
    trainer = federated(shared, of, replace(CONFIG, epochs=1), local_epochs=2)
    alone = []
    for client in range(3):
        images = shared.train.take((of == client).nonzero().flatten())
        config = replace(CONFIG, epochs=2)
        seed = seeding.derive_seed(0, "client", client)
        own = SupervisedTrainer.start(fresh(shared), images, config, seed=seed, stage="train")
        alone.append(play(own))
    average = play(trainer)
    for name, value in average.items():
        expected = np.average([s[name].numpy() for s in alone], axis=0, weights=of.bincount().numpy())
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_servers_weights_change_at_the_end_of_a_round_only(shared):
    trainer = federated(shared, shared.dataset.clients.of)
    before = copy.deepcopy(trainer.model.state_dict())
    for _ in range(trainer.epoch_steps - 1):
        trainer.step()
    assert toys.same(trainer.model.state_dict(), before)
    trainer.step()
    assert not toys.same(trainer.model.state_dict(), before)


def test_a_saved_training_goes_on_to_the_bit_from_the_middle_of_a_round(shared):
    of = shared.dataset.clients.of
    whole = federated(shared, of)
    for _ in range(whole.epoch_steps + 2):
        whole.step()
    saved, rest = copy.deepcopy(whole.state_dict()), federated(shared, of)
    rest.load_state_dict(saved)
    assert toys.same(play(rest), play(whole))


def test_the_number_of_steps_is_known_before(shared):
    for remaining in (False, True):
        trainer = start_trainer(fresh(shared), shared, CONFIG, seed=0, stage="train", remaining=remaining)
        assert step_count(shared, CONFIG, remaining=remaining) == trainer.total
        assert len(trainer.clients) == 3 - remaining


def test_who_owns_an_image_decides_the_original_and_its_place_in_the_cache(shared):
    other = forget_client(with_clients(toys.dataset(), 3, "class", local_epochs=1, seed=1), 1)
    more = forget_client(with_clients(toys.dataset(), 3, "class", local_epochs=2), 1)
    prints = {s.dataset.fingerprint for s in (shared, other, more)} | {toys.dataset().fingerprint}
    assert len(prints) == 4
    config = replace(CONFIG, epochs=1)
    models = [run_to_end(original(s, config=config)).state_dict() for s in (shared, other)]
    assert toys.same(models[0], train(shared, config=config).state_dict())
    assert not toys.same(*models)


def test_retrained_models_are_averaged_over_the_clients_who_stay(shared):
    model = train(shared, config=CONFIG)
    found = run_to_end(retraining(shared, model))
    of = shared.dataset.clients.of
    stay = of != 1
    expected = FederatedTrainer.start(
        fresh(shared), shared.train.take(stay), of[stay], CONFIG, local_epochs=1, seed=0, stage="retrain"
    )
    assert toys.same(found.model.state_dict(), play(expected))
    run = Run(method("retrain"), model, shared, seed=0)
    finish(run)
    assert toys.same(run.result.state_dict(), found.model.state_dict())
    assert (run.steps[0].epoch, run.steps[-1].epoch) == (1, CONFIG.epochs)
