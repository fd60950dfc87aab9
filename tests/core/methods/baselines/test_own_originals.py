"""SISA and unrolling SGD, which train their own originals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from core.data import Split, forget_indices
from core.errors import RequestError
from core.methods import method
from core.methods.unroll import UnrollConfig
from core.runs.run import Run, finish
from core.training.supervised import copy_of
from tests import toys
from tests.core.methods.baselines.plays import NAMES, OWN_ORIGINAL, images, played, same_run


# SISA
def scattered(split, ids):
    return forget_indices(split.dataset, ids)


def without_forgotten(split):
    """D_r alone, as a dataset of its own, and the new number of each old row."""
    rows = split.remain_rows
    d = replace(split.dataset, train=split.train.take(rows))
    return Split(d, split.request, torch.arange(len(rows)), torch.arange(0)), rows


@pytest.mark.parametrize("ids", [[5], [3, 4, 8, 60, 61, 150], list(range(1, 160, 4))])
def test_sisa_is_what_training_without_the_forgotten_images_would_have_made(toy_split, ids, monkeypatch):
    """Trained from the start on a dataset that never held them, with the same assignment of the others."""
    split = scattered(toy_split, ids)
    unlearner = toys.quick("sisa", shards=3, slices=3)
    model = toys.original_for(unlearner, split, None)
    run = Run(unlearner, model, split, seed=9)
    finish(run)

    rest, rows = without_forgotten(split)
    memory = dict(model.memory)
    fresh = toys.quick("sisa", shards=3, slices=3)
    plan = fresh._plan(
        rest, {**memory, "shard_of": memory["shard_of"][rows], "slice_of": memory["slice_of"][rows]}
    )
    from core.methods.sisa_shards import ShardTraining

    training = ShardTraining(plan.begin(), plan, plan.jobs({0: 0, 1: 0, 2: 0}), "train")
    for _ in range(training.total):
        training.step()
    assert toys.same(run.result.state_dict(), training.model.eval().state_dict())
    assert len(run.steps) <= training.total


def test_sisa_retrains_only_whom_it_concerns(toy_split):
    split = scattered(toy_split, [5])
    unlearner = toys.quick("sisa", shards=4, slices=2)
    model = toys.original_for(unlearner, split, None)
    touched, slice_ = int(model.memory["shard_of"][5]), int(model.memory["slice_of"][5])
    run = Run(unlearner, model, split)
    result = finish(run)
    for k in range(4):
        assert toys.same(result.part(k).state_dict(), model.part(k).state_dict()) == (k != touched)
    sizes = [
        int(((model.memory["shard_of"] == touched) & (model.memory["slice_of"] <= r)).sum()) - 1
        for r in (0, 1)
    ]
    epochs = round(2 * toys.TRAIN.epochs / 3)
    assert len(run.steps) == sum(epochs * -(-n // 32) for n in sizes[slice_:])


def test_sisa_answers_the_mean_of_its_shards_probabilities(toy_split, originals):
    model = originals["sisa"]
    x = toy_split.test.floats(slice(None))
    with torch.no_grad():
        parts = [model.part(k) for k in range(3)]
        mean = sum(p(x).softmax(1) for p in parts) / 3
        torch.testing.assert_close(model(x).softmax(1), mean)
        torch.testing.assert_close(model.extract(x), torch.cat([p.extract(x) for p in parts], 1))


def test_a_shard_whose_images_are_all_forgotten_has_no_vote(toy_split):
    unlearner = toys.quick("sisa")
    model = toys.original_for(unlearner, toy_split, None)
    ids = toy_split.train.ids[model.memory["shard_of"] == 1].tolist()
    split = scattered(toy_split, ids)
    result = finish(Run(unlearner, model, split))
    x = toy_split.test.floats(slice(None))
    with torch.no_grad():
        mean = (model.part(0)(x).softmax(1) + model.part(2)(x).softmax(1)) / 2
        torch.testing.assert_close(result(x).softmax(1), mean)


def test_sisa_needs_images_for_its_slices(toy_split):
    with pytest.raises(RequestError, match="160 images cannot fill 100 shards of 2"):
        toys.original_for(toys.quick("sisa", shards=100), toy_split, None)


# unrolling SGD
def test_one_step_of_fine_tuning_on_the_forgotten_images_alone_is_undone(toy_split, toy_model):
    rows, lr = toy_split.forget_rows, 0.05
    begin = toys.weights(toy_model)
    tuned = toys.model(toy_split)
    x, y = images(toy_split, rows)
    gradients = torch.autograd.grad(functional.cross_entropy(tuned(x), y), list(tuned.parameters()))
    with torch.no_grad():
        for p, g in zip(tuned.parameters(), gradients, strict=True):
            p -= lr * g
    pushed = torch.zeros(len(toy_split.train))
    pushed[rows] = lr / len(rows)
    config = UnrollConfig(train=toys.TRAIN, batch_size=16, lr=lr)
    from core.config import as_dict

    tuned.memory = {
        "config": as_dict(config),
        "begin": begin,
        "pushed": pushed,
        "seen": toy_split.remain_rows,
    }
    assert not toys.same(tuned.state_dict(), begin)
    result = finish(Run(method("unroll", config), tuned, toy_split))
    for name, value in result.state_dict().items():
        torch.testing.assert_close(value, begin[name], rtol=0, atol=1e-7)


def test_a_single_step_on_all_images_becomes_the_step_on_what_remains(toy_split):
    """The whole way, training included: w_0 − η/N Σ_D ∇ℓ + η/N Σ_f ∇ℓ = w_0 − η/N Σ_r ∇ℓ."""
    n, lr = len(toy_split.train), 0.1
    unlearner = toys.quick("unroll", epochs=1, batch_size=n, lr=lr)
    model = toys.original_for(unlearner, toy_split, None)
    result = finish(Run(unlearner, model, toy_split))
    expected = toys.model(toy_split)
    expected.load_state_dict(model.memory["begin"])
    x, y = images(toy_split, toy_split.remain_rows)
    loss = functional.cross_entropy(expected.eval()(x), y, reduction="sum")
    gradients = torch.autograd.grad(loss, list(expected.parameters()))
    for p, g, q in zip(expected.parameters(), gradients, result.parameters(), strict=True):
        torch.testing.assert_close(p - lr / n * g, q, rtol=0, atol=1e-6)


def test_what_comes_before_fine_tuning_never_saw_the_forgotten_images(toy_split, originals):
    memory = originals["unroll"].memory
    assert not torch.isin(memory["seen"], toy_split.forget_rows).any()
    assert len(memory["seen"]) == 60
    steps = 10  # an epoch of batches of 16
    assert float(memory["pushed"].sum()) == pytest.approx(0.01 * steps)


# own originals
@pytest.mark.parametrize("name", OWN_ORIGINAL)
def test_a_copy_shares_what_is_remembered_of_training(name, originals):
    """It can be several times as large as the weights."""
    twin = copy_of(originals[name])
    assert twin.memory is originals[name].memory
    assert toys.same(twin.state_dict(), originals[name].state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_a_state_can_go_back_within_one_run(name, originals, toy_split):
    """A run that is rewound loads an earlier state into one that has gone on."""
    unlearner = toys.quick(name)
    run = Run(unlearner, originals[name], toy_split)
    run.advance()
    state, config = run.stepper.state, run.config
    early = run.state_dict()["state"]
    expected = [unlearner.step(state, config) for _ in range(min(4, run.total_steps - 1))]
    last = toys.weights(unlearner.result(state))
    state.load_state_dict(early)
    assert [unlearner.step(state, config) for _ in expected] == expected
    assert toys.same(unlearner.result(state).state_dict(), last)


@pytest.mark.parametrize("name", OWN_ORIGINAL)
def test_another_model_is_refused(name, toy_split, toy_model):
    with pytest.raises(RequestError, match="an original that it trained itself"):
        Run(toys.quick(name), toy_model, toy_split)


@pytest.mark.parametrize(
    ("name", "settings"), [("sisa", {"slices": 3}), ("unroll", {"lr": 0.5})], ids=OWN_ORIGINAL
)
def test_an_original_of_other_settings_is_refused(name, settings, originals, toy_split):
    with pytest.raises(RequestError, match="other settings"):
        Run(toys.quick(name, **settings), originals[name], toy_split)


def test_unrolling_refuses_an_original_that_always_knew_the_images(originals, toy_split):
    seen = toy_split.train.ids[originals["unroll"].memory["seen"][:3]]
    with pytest.raises(RequestError, match="holds images to forget"):
        Run(toys.quick("unroll"), originals["unroll"], scattered(toy_split, seen.tolist()))


@pytest.mark.parametrize("name", OWN_ORIGINAL)
def test_an_own_original_is_kept_and_comes_back_as_it_was(name, toy_split, monkeypatch):
    from core.runs import original_models as module
    from core.runtime.content_cache import ContentCache
    from core.runtime.progress import run_to_end

    monkeypatch.setattr("core.config.TrainConfig.preset", classmethod(lambda *a: toys.TRAIN))
    monkeypatch.setattr(module, "models", ContentCache("toys"))
    first = run_to_end(module.original(toy_split, toys.quick(name)))
    monkeypatch.setattr(module, "models", ContentCache("toys"))  # from disk
    told = []
    again = run_to_end(module.original(toy_split, toys.quick(name)), told.append)
    assert told == []
    assert again.provenance == first.provenance
    assert again.provenance.given == name
    assert toys.same(first.state_dict(), again.state_dict())
    same_run(played(name, again, toy_split), played(name, first, toy_split))
