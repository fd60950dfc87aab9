"""The promises of every method in the registry: reproducible, resumable, and nothing else changes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from core.config import TrainConfig
from core.data import LabelledImages, forget_indices
from core.errors import DivergedError, RequestError
from core.methods import METHODS, method
from core.methods.sisa import SISAConfig
from core.methods.unroll import UnrollConfig
from core.runs.run import Phase, Run, finish
from core.runtime.storage import load_state, save_state
from tests import toys
from tests.core.methods.baselines.plays import NAMES, OWN_ORIGINAL, SGD, played, same_run


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
    assert {name for name in NAMES if not METHODS[name].needs_labels} == {
        "nothing",
        "bad-teacher",
        "lfssd",
        "jit",
        "esc",
        "delete",
        "mda",
        "laf",
    }


WILD = {
    **{name: {"lr": 1e30, **SGD} for name in ("finetune", "neggrad", "neggrad+", "random-label")},
    **{name: {"lr": 1e30, **SGD} for name in ("boundary-shrink", "bad-teacher", "scrub", "salun")},
    **{name: {"lr": 1e30, **SGD} for name in ("guided", "jit", "delete", "mda")},
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


@pytest.mark.parametrize("name", [n for n in WILD if n not in ("boundary-shrink", "jit", "delete")])
def test_steps_can_be_capped(name, originals, toy_split):
    run = played(name, originals[name], toy_split, steps=3)
    assert len(run.steps) == run.total_steps == 3


@pytest.mark.parametrize("name", NAMES)
def test_each_says_who_it_is_and_where_it_comes_from(name):
    made = METHODS[name]
    assert (made.name, bool(made.title)) == (name, True)
    assert hasattr(made, "source") == (name not in ("retrain", "laf", "laf+r"))


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
        ("guided", {"warm_up": -1}),
        ("ssd", {"alpha": 0.0}),
        ("lfssd", {"lam": -1.0}),
        ("jit", {"copies": 0}),
        ("esc", {"share": 0.0}),
        ("mda", {"target": "labels"}),
        ("mda", {"weight_align": -1.0}),
        ("mda", {"votes": 1.5}),
        ("unroll", {"share": 2.0}),
        ("sisa", {"shards": 0}),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(name, wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        toys.quick(name, **wrong)


def test_retraining_takes_a_train_config():
    assert isinstance(toys.quick("retrain").config, TrainConfig)
