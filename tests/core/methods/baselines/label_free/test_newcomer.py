"""The newcomer of MDA: what it learns from, its training beside plain torch, and how far D_f listens to it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from core.methods.baselines.label_free import mda, newcomer
from core.methods.baselines.label_free.mda import MDAConfig
from core.methods.baselines.label_free.newcomer import Newcomer, epochs_of
from core.runs.run import Run
from tests import toys
from tests.core.methods.baselines.label_free.test_mda import kl, outputs, prepared, softmax


def started(split, model):
    """Return MDA's state with a newcomer that has not begun."""
    unlearner = toys.quick("mda")
    state = unlearner.start(model, split.unlabelled(), seed=0)
    while "newcomer" not in state.fixed:
        unlearner.prepare(state, unlearner.config)
    return state


def test_it_learns_the_originals_answers_on_d_r_alone(toy_split, toy_model):
    new = started(toy_split, toy_model).fixed["newcomer"]
    remain = toy_split.train.take(toy_split.remain_rows)
    assert new.trainer.images.ids.tolist() == remain.ids.tolist()
    _, z = outputs(toy_model, toy_split, toy_split.remain_rows)
    assert new.trainer.images.y.tolist() == z.argmax(1).tolist()


def test_its_training_is_plain_adam_from_weights_of_its_own(toy_split, toy_model):
    """The same batches by torch.optim.Adam in double precision give the same answers."""
    split = toy_split.unlabelled()
    images = toy_split.train.take(toy_split.remain_rows)
    new = Newcomer.start(toy_model, images, 2, seed=3)
    assert not toys.same(new.trainer.model.state_dict(), toy_model.state_dict())
    twin = copy.deepcopy(new.trainer.model).double()
    batches = copy.deepcopy(new.trainer.batches)
    made = toy_model.provenance.config
    adam = torch.optim.Adam(twin.parameters(), lr=made.lr, weight_decay=made.weight_decay)
    while new.tick() is not None:
        pass
    for _ in range(new.trainer.total):
        rows = batches.draw()
        adam.zero_grad()
        torch.nn.functional.cross_entropy(twin(images.floats(rows).double()), images.y[rows]).backward()
        adam.step()
    with torch.no_grad():
        expected = twin(split.train.floats(split.forget_rows).double()).softmax(1)
    found = new.answers(split.train, split.forget_rows)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3)


def test_d_f_learns_the_mixture_of_struck_answers_by_hand(toy_split, toy_model):
    unlearner, state = prepared(toy_split, toy_model, newcomer=0.4)
    _, twin = prepared(toy_split, toy_model, newcomer=0.4)
    twin.rows("remain")
    places, forget = twin.rows("forget")
    new = np.log(state.extra["newcomer"][places].double().numpy())
    _, z = outputs(state.model, toy_split, forget)
    z0 = z.copy()
    z0[:, 1] = new[:, 1] = -np.inf  # the class that is forgotten
    share = 0.4 * state.extra["trust"]
    assert 0 < state.extra["trust"] <= 1
    target = (1 - share) * softmax(z0) + share * softmax(new)
    step = unlearner.step(state, unlearner.config)
    assert step.losses["forget_kl"] == pytest.approx(kl(target, softmax(z)), rel=1e-3)


def test_a_newcomer_that_has_learnt_nothing_has_as_little_say(toy_split, toy_model):
    """Its trust is the share of D_r on which it gives the original's answer, counted here by NumPy."""
    _, theirs = outputs(toy_model, toy_split, toy_split.remain_rows)
    images = replace(toy_split.train.take(toy_split.remain_rows), y=torch.as_tensor(theirs.argmax(1)))
    new = Newcomer.start(toy_model, images, 1, seed=0)
    _, mine = outputs(new.trainer.model.eval(), toy_split, toy_split.remain_rows)
    assert new.agreement() == pytest.approx((mine.argmax(1) == theirs.argmax(1)).mean())
    assert new.agreement() < 0.9


def test_a_run_kept_before_newcomers_goes_on_without_one(toy_split, toy_model):
    with_none, state = prepared(toy_split, toy_model, newcomer=0.0)
    usual, kept = prepared(toy_split, toy_model)
    del kept.extra["newcomer"], kept.extra["trust"]
    assert with_none.step(state, with_none.config).losses == usual.step(kept, usual.config).losses


@pytest.mark.parametrize(
    ("images", "asked", "made"), [(1_300, 6, 6), (10_000, 6, 2), (10**6, 6, 1), (1, 3, 3)]
)
def test_its_price_is_bounded_whatever_the_data(images, asked, made):
    assert epochs_of(images, asked) == made


def test_large_data_show_it_a_part_of_d_r(toy_split, toy_model, monkeypatch):
    monkeypatch.setattr(newcomer, "MOST_AMONG", 10)
    new = started(toy_split, toy_model).fixed["newcomer"]
    assert len(new.trainer.images) == 10
    assert set(new.trainer.images.ids.tolist()) <= set(toy_split.train.ids[toy_split.remain_rows].tolist())


def test_large_images_are_fewer_so_that_their_copy_stays_small(toy_split, monkeypatch):
    assert newcomer.most_images(toy_split.train) == newcomer.MOST_AMONG
    monkeypatch.setattr(newcomer, "MOST_VALUES", 100 * toy_split.train.x[0].numel())
    assert newcomer.most_images(toy_split.train) == 100


def test_similar_images_are_searched_only_where_they_have_a_say(toy_split, toy_model, monkeypatch):
    monkeypatch.setattr(mda, "similar", lambda _: pytest.fail("searched"))
    unlearner, state = prepared(toy_split, toy_model, votes=0.0)
    unlearner.step(state, unlearner.config)


def test_the_stage_foretells_the_steps_that_are_made(toy_split, toy_model):
    run = Run(toys.quick("mda"), toy_model, toy_split, seed=0)
    foretold = {s.key: s.total for s in run.unlearner.stages(toy_split, run.unlearner.config)}
    seen = started(toy_split, toy_model).fixed["newcomer"].trainer.total
    assert foretold["newcomer"] == seen


def test_shares_that_exceed_the_whole_are_refused():
    with pytest.raises(ConfigError, match="together at most 1"):
        MDAConfig(votes=0.6, newcomer=0.5)
