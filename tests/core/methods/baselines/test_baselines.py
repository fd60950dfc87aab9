"""Every method in the registry: what all promise, and for each one check that owes nothing to its code."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from core.config import TrainConfig
from core.data import LabelledImages, Split, forget_indices
from core.errors import DivergedError, RequestError
from core.methods import METHODS, method
from core.methods.base import has_own_original
from core.methods.baselines.boundary_shrink import nearest_wrong
from core.methods.baselines.random_label import wrong_labels
from core.methods.baselines.salun import salient_masks
from core.methods.baselines.scrub import epoch_and_kind
from core.methods.sisa import SISAConfig
from core.methods.unroll import UnrollConfig
from core.models.base import Net
from core.runs.run import Phase, Run, finish
from core.runtime.storage import load_state, save_state
from core.training.supervised import copy_of
from tests import toys

NAMES = list(METHODS)
OWN_ORIGINAL = [name for name in NAMES if has_own_original(METHODS[name])]
SGD = {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def originals(toy_split, toy_model):
    """The original of each method; shared, so never change them."""
    return {name: toys.original_for(toys.quick(name), toy_split, toy_model) for name in NAMES}


def played(name, model, split, seed=0, **settings):
    run = Run(toys.quick(name, **settings), model, split, seed=seed)
    finish(run)
    return run


def same_run(a, b):
    assert a.steps == b.steps
    assert toys.same(a.result.state_dict(), b.result.state_dict())


def disturb():
    torch.manual_seed(random.randrange(10**6))
    torch.rand(2)


# what all promise


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_makes_the_same_records_whatever_happens_between(name, originals, toy_split):
    straight = played(name, originals[name], toy_split)
    run = Run(toys.quick(name), originals[name], toy_split, seed=0)
    run.play()
    while run.tick():
        disturb()
        run.pause()
        run.play()
    same_run(run, straight)
    assert [s.number for s in run.steps] == list(range(1, run.total_steps + 1))
    assert all(s.epoch >= 1 and s.total == run.total_steps for s in run.steps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["before step 1", "half-way"])
def test_saved_to_disk_and_resumed_it_continues_to_the_bit_twice(name, share, originals, toy_split, tmp_path):
    straight = played(name, originals[name], toy_split)
    first = Run(toys.quick(name), originals[name], toy_split, seed=0)
    first.play()
    first.tick()
    while len(first.steps) < share * first.total_steps:
        first.tick()
    save_state(tmp_path / "saved", first.state_dict())
    saved = load_state(tmp_path / "saved")
    for _ in "ab":  # what was read must not go on with the run that read it
        again = Run(toys.quick(name), originals[name], toy_split, seed=0)
        again.load_state_dict(saved)
        if again.phase is not Phase.DONE:
            finish(again)
        same_run(again, straight)


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_original_nor_the_images_change(name, originals, toy_split):
    model = originals[name]
    before, memory = toys.weights(model), str(model.memory)
    tensors = [toy_split.train.x, toy_split.train.y, toy_split.remain_rows, toy_split.forget_rows]
    copies = [t.clone() for t in tensors]
    result = played(name, model, toy_split).result
    assert toys.same(before, model.state_dict())
    assert str(model.memory) == memory
    assert all(torch.equal(a, b) for a, b in zip(tensors, copies, strict=True))
    assert not {p.data_ptr() for p in result.parameters()} & {p.data_ptr() for p in model.parameters()}
    assert not result.memory, "what is handed out must not remember the forgotten images"


def permuted(split):
    """The same images under other labels."""
    y = split.train.y[torch.randperm(len(split.train), generator=torch.Generator().manual_seed(5))]
    train = LabelledImages(split.train.x, split.train.ids, split.train.white, y)
    return replace(split, dataset=replace(split.dataset, train=train))


@pytest.mark.parametrize("name", NAMES)
def test_labels_matter_where_a_method_says_so_and_nowhere_else(name, originals, toy_split):
    """Both ways: a method that asks for labels it never reads would hide that it could do without."""
    straight = played(name, originals[name], toy_split)
    other = played(name, originals[name], permuted(toy_split))
    reads = straight.steps != other.steps or not toys.same(
        straight.result.state_dict(), other.result.state_dict()
    )
    assert reads == METHODS[name].needs_labels


def test_these_read_no_label():
    assert {name for name in NAMES if not METHODS[name].needs_labels} == {"nothing", "bad-teacher", "laf"}


WILD = {
    **{name: {"lr": 1e30, **SGD} for name in ("finetune", "neggrad", "neggrad+", "random-label")},
    **{name: {"lr": 1e30, **SGD} for name in ("boundary-shrink", "bad-teacher", "scrub", "salun")},
}


@pytest.mark.parametrize("name", WILD)
def test_a_wild_rate_ends_in_one_sentence(name, originals, toy_split):
    run = Run(toys.quick(name, **WILD[name]), originals[name], toy_split)
    with pytest.raises(DivergedError, match=r"no longer a number at step \d+ of unlearn") as caught:
        finish(run)
    assert "\n" not in str(caught.value)
    assert run.phase is Phase.FAILED


@pytest.mark.parametrize(
    "made",
    [
        method("sisa", SISAConfig(train=replace(toys.TRAIN, lr=1e30))),
        method("unroll", UnrollConfig(train=toys.TRAIN, lr=1e30)),
    ],
    ids=OWN_ORIGINAL,
)
def test_an_own_original_that_diverges_says_so(made, toy_split, toy_model):
    with pytest.raises(DivergedError, match="of train"):
        toys.original_for(made, toy_split, toy_model)


@pytest.mark.parametrize("name", NAMES)
def test_one_image_can_be_forgotten(name, toy_split, toy_model):
    split = forget_indices(toy_split.dataset, [5])
    model = toys.original_for(toys.quick(name), split, toy_model)
    run = played(name, model, split)
    assert len(run.steps) == run.total_steps
    assert all(p.isfinite().all() for p in run.result.parameters())


@pytest.mark.parametrize("name", [n for n in WILD if n != "boundary-shrink"])
def test_steps_can_be_capped(name, originals, toy_split):
    run = played(name, originals[name], toy_split, steps=3)
    assert len(run.steps) == run.total_steps == 3


@pytest.mark.parametrize("name", NAMES)
def test_each_says_who_it_is_and_where_it_comes_from(name):
    made = METHODS[name]
    assert (made.name, bool(made.title)) == (name, True)
    assert hasattr(made, "source") == (name not in ("retrain", "laf", "laf+r"))


# by hand: one step of plain gradient descent on the head, whose gradient NumPy can give


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def rows_of(name, model, split, which, **settings):
    """The rows of D that the method's first batch of ``which`` holds."""
    unlearner = toys.quick(name, **settings)
    state = unlearner.start(model, split, seed=0)
    return state.rows(which)[1]


def head_gradient(model, x, target, temperature=1.0):
    """dL/dW (K, d) of the head for the mean cross-entropy to probabilities ``target`` (B, K), softened."""
    with torch.no_grad():
        e = model.extract(x).double().numpy()
        z = model(x).double().numpy()
    return ((softmax(z / temperature) - target) / temperature).T @ e / len(e)


def one_hot(y, classes=4):
    return np.eye(classes)[np.asarray(y)]


def moved(run, model):
    """What the first step added to the head's weights."""
    run.advance()
    return (run.result.head.weight - model.head.weight).detach().double().numpy()


def one_step(name, model, split, **settings):
    return moved(Run(toys.quick(name, lr=0.1, **SGD, **settings), model, split), model)


def images(split, rows):
    return split.train.floats(rows), split.train.y[rows]


def test_finetune_descends_on_what_remains(toy_split, toy_model):
    x, y = images(toy_split, rows_of("finetune", toy_model, toy_split, "remain"))
    expected = -0.1 * head_gradient(toy_model, x, one_hot(y))
    np.testing.assert_allclose(one_step("finetune", toy_model, toy_split), expected, atol=1e-7)


def test_neggrad_ascends_on_what_is_forgotten(toy_split, toy_model):
    x, y = images(toy_split, rows_of("neggrad", toy_model, toy_split, "forget"))
    expected = +0.1 * head_gradient(toy_model, x, one_hot(y))
    np.testing.assert_allclose(one_step("neggrad", toy_model, toy_split), expected, atol=1e-7)


def test_neggrad_plus_weighs_the_two(toy_split, toy_model):
    (x_r, y_r), (x_f, y_f) = (
        images(toy_split, rows_of("neggrad+", toy_model, toy_split, w)) for w in ("remain", "forget")
    )
    both = 0.7 * head_gradient(toy_model, x_r, one_hot(y_r)) - 0.3 * head_gradient(
        toy_model, x_f, one_hot(y_f)
    )
    np.testing.assert_allclose(one_step("neggrad+", toy_model, toy_split, alpha=0.7), -0.1 * both, atol=1e-7)


def test_neggrad_plus_without_its_ascent_is_fine_tuning(toy_split, toy_model):
    a = played("neggrad+", toy_model, toy_split, alpha=1.0, lr=1e-2, **SGD)
    b = played("finetune", toy_model, toy_split, lr=1e-2, **SGD)
    for p, q in zip(a.result.parameters(), b.result.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-6)


def test_neggrad_raises_the_loss_of_what_is_forgotten(toy_split, toy_model):
    x, y = images(toy_split, toy_split.forget_rows)
    result = played("neggrad", toy_model, toy_split, lr=0.01, steps=6).result
    with torch.no_grad():
        assert float(functional.cross_entropy(result(x), y)) > float(
            functional.cross_entropy(toy_model(x), y)
        )


def test_wrong_labels_are_never_right_and_all_others_as_likely(toy_split):
    drawn = torch.cat([wrong_labels(toy_split, torch.Generator().manual_seed(seed)) for seed in range(100)])
    counts = torch.bincount(drawn, minlength=4).tolist()
    assert counts[1] == 0, "the forgotten class"
    n = len(drawn) / 3
    assert all(abs(counts[c] - n) < 4 * (n * 2 / 3) ** 0.5 for c in (0, 2, 3))


def test_random_label_learns_its_wrong_labels_beside_what_remains(toy_split, toy_model):
    unlearner = toys.quick("random-label")
    state = unlearner.start(toy_model, toy_split, seed=0)
    wrong = state.fixed["wrong"]
    at, rows = state.rows("forget")
    x_r, y_r = images(toy_split, rows_of("random-label", toy_model, toy_split, "remain"))
    x_f = toy_split.train.floats(rows)
    both = head_gradient(toy_model, x_f, one_hot(wrong[at])) + head_gradient(toy_model, x_r, one_hot(y_r))
    np.testing.assert_allclose(one_step("random-label", toy_model, toy_split), -0.1 * both, atol=1e-7)


class Linear(Net):
    """Pixels as representation and a linear head."""

    def __init__(self, weight):
        super().__init__()
        self.extractor, self.head = nn.Flatten(), nn.Linear(weight.shape[1], len(weight), bias=False)
        self.width = weight.shape[1]
        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(weight))


def test_boundary_shrink_finds_the_nearest_wrong_class_of_a_linear_model():
    g = np.random.default_rng(0)
    w, x, y = g.normal(size=(5, 12)), g.normal(size=(40, 12)), g.integers(0, 5, 40)
    gradient = (softmax(x @ w.T) - one_hot(y, 5)) @ w  # of the loss in x
    logits = (x + 0.3 * np.sign(gradient)) @ w.T
    logits[np.arange(40), y] = -np.inf
    x_t = torch.as_tensor(x, dtype=torch.float32).reshape(40, 1, 3, 4)
    found = nearest_wrong(Linear(w), x_t, torch.as_tensor(y), 0.3)
    assert found.tolist() == logits.argmax(1).tolist()
    plain = (x @ w.T).copy()
    plain[np.arange(40), y] = -np.inf
    assert found.tolist() != plain.argmax(1).tolist(), "the perturbation decided nothing"


def test_boundary_shrink_moves_the_forgotten_to_those_classes(toy_split, toy_model):
    x, y = images(toy_split, toy_split.forget_rows)
    wanted = nearest_wrong(toy_model, x, y, 0.1)
    result = played("boundary-shrink", toy_model, toy_split, epochs=30, lr=1e-2).result
    assert (result(x).argmax(1) == wanted).float().mean() > 0.9
    assert not (wanted == y).any()


def test_bad_teacher_learns_from_the_original_and_from_a_net_that_knows_nothing(toy_split, toy_model):
    unlearner = toys.quick("bad-teacher", temperature=2.0)
    state = unlearner.start(toy_model, toy_split.unlabelled(), seed=0)
    incompetent = state.fixed["incompetent"]
    x = toy_split.train.floats(state.rows("forget")[1])
    taught = softmax(incompetent(x).detach().double().numpy() / 2)
    # on D_r student and teacher still agree, so all of the first step's gradient comes from D_f
    expected = -0.1 * 4 * head_gradient(toy_model, x, taught, temperature=2.0)
    run = Run(toys.quick("bad-teacher", lr=0.1, temperature=2.0, **SGD), toy_model, toy_split)
    np.testing.assert_allclose(moved(run, toy_model), expected, atol=1e-6)
    said = softmax(toy_model(x).detach().double().numpy() / 2)
    kl = 4 * (taught * (np.log(taught) - np.log(said))).sum(1).mean()
    assert run.steps[0].losses == pytest.approx({"remain": 0.0, "forget": kl}, abs=1e-5)


def test_the_incompetent_teacher_knows_nothing_and_is_the_same_each_time(toy_split, toy_model):
    first, second = (
        toys.quick("bad-teacher").start(toy_model, toy_split.unlabelled(), seed=0).fixed["incompetent"]
        for _ in "ab"
    )
    assert toys.same(first.state_dict(), second.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), toy_model.parameters(), strict=True))
    x, y = images(toy_split, slice(None))
    assert (first(x).argmax(1) == y).float().mean() < 0.6
    assert first(x).softmax(1).max() < 0.6


def test_scrub_takes_its_turns_as_told(toy_split, toy_model):
    run = played("scrub", toy_model, toy_split, epochs=3, msteps=2, forget_batch_size=20, batch_size=60)
    order = ["f" if "forget_kl" in s.losses else "r" for s in run.steps]
    assert "".join(order) == "ffrr" * 2 + "rr"
    assert [s.epoch for s in run.steps] == [1] * 4 + [2] * 4 + [3] * 2
    assert [epoch_and_kind(i, 2, 2, 2)[1] for i in range(10)] == [c == "f" for c in order]


def test_scrubs_steps_have_the_gradients_of_their_formulas(toy_split, toy_model):
    """The student has left its teacher (NumPy holds both), then one step of each kind."""
    unlearner = toys.quick("scrub", lr=0.1, alpha=0.5, gamma=0.8, temperature=4.0, **SGD)
    config = unlearner.config
    n_f = -(-len(toy_split.forget_rows) // config.forget_batch_size)
    for which, before in (("forget", 0), ("remain", n_f)):
        state, twin = (unlearner.start(toy_model, toy_split, seed=0) for _ in "ab")
        with torch.no_grad():
            for p in state.model.parameters():
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
        state.number = before
        x, y = images(toy_split, twin.rows(which)[1])
        student, weight = state.model, state.model.head.weight.detach().clone()
        kl = 16 * head_gradient(student, x, softmax(toy_model(x).detach().double().numpy() / 4), 4.0)
        ce = head_gradient(student, x, one_hot(y))
        expected = -0.1 * (-kl if which == "forget" else 0.5 * kl + 0.8 * ce)
        unlearner.step(state, config)
        np.testing.assert_allclose((student.head.weight - weight).detach(), expected, atol=2e-6)


def test_saliency_is_the_gradient_of_the_forgotten_images_loss(toy_split, toy_model):
    unlearner = toys.quick("salun", share=0.3, batch_size=7)
    state = unlearner.start(toy_model, toy_split, seed=0)
    while unlearner.prepare(state, unlearner.config) is not None:
        pass
    twin = toys.model(toy_split).eval()
    x, y = images(toy_split, toy_split.forget_rows)
    gradients = torch.autograd.grad(functional.cross_entropy(twin(x), y), list(twin.parameters()))
    size = torch.cat([g.abs().flatten() for g in gradients])
    chosen = torch.cat([m.flatten() for m in state.extra["masks"]])
    assert chosen.sum() == pytest.approx(0.3 * len(size), rel=1e-3)
    least, most = size[chosen].min(), size[~chosen].max()
    assert least >= most * (1 - 1e-4)


def test_ties_and_shares_of_the_mask():
    gradients = [torch.tensor([[3.0, -2.0], [0.5, 0.0]]), torch.tensor([-4.0])]
    assert [m.tolist() for m in salient_masks(gradients, 0.4)] == [[[True, False], [False, False]], [True]]
    assert all(m.all() for m in salient_masks(gradients, 1.0))
    assert sum(int(m.sum()) for m in salient_masks(gradients, 1e-9)) == 1


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_salun_moves_salient_weights_only(toy_split, toy_model, decay):
    run = played("salun", toy_model, toy_split, share=0.2, lr=1e-2, weight_decay=decay)
    masks, changed = run._state.extra["masks"], 0
    for p, p0, mask in zip(run.result.parameters(), toy_model.parameters(), masks, strict=True):
        assert torch.equal(p[~mask], p0[~mask])
        changed += int((p[mask] != p0[mask]).sum())
    assert changed > 0.5 * sum(int(m.sum()) for m in masks)


def test_salun_of_all_weights_is_random_label(toy_split, toy_model):
    a = played("salun", toy_model, toy_split, share=1.0, lr=1e-2, **SGD)
    b = played("random-label", toy_model, toy_split, lr=1e-2, **SGD)
    assert toys.same(a.result.state_dict(), b.result.state_dict())


def test_nothing_does_nothing(toy_split, toy_model):
    run = played("nothing", toy_model, toy_split)
    assert toys.same(run.result.state_dict(), toy_model.state_dict())
    assert len(run.steps) == 1


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
    state, config = run._state, run.config
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


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("finetune", {"momentum": 1.0}),
        ("finetune", {"steps": 0}),
        ("finetune", {"optimiser": "lion"}),
        ("finetune", {"weight_decay": -1.0}),
        ("finetune", {"lr": 0.0}),
        ("neggrad+", {"alpha": 0.0}),
        ("salun", {"share": 0.0}),
        ("salun", {"alpha": -1.0}),
        ("scrub", {"msteps": 0}),
        ("boundary-shrink", {"bound": 0.0}),
        ("bad-teacher", {"temperature": 0.0}),
        ("unroll", {"share": 2.0}),
        ("sisa", {"shards": 0}),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(name, wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        toys.quick(name, **wrong)


def test_retraining_takes_a_train_config():
    assert isinstance(toys.quick("retrain").config, TrainConfig)
