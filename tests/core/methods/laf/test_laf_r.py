"""LAF+R: LAF to the bit, then a repair that reads a share of the labels and moves the head alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from core.config import LAFRConfig, RepairConfig
from core.errors import ConfigError
from core.methods import LAF
from core.methods.laf.laf_r import LAFR
from core.runs.run import Run, finish
from tests import toys

CONFIG = LAFRConfig(toys.QUICK, RepairConfig(share=0.5, epochs=2, batch_size=16, lr=1e-2))


@pytest.fixture(scope="module")
def run(toy_split, toy_model):
    made = Run(LAFR(CONFIG), toy_model, toy_split, seed=0)
    finish(made)
    return made


@pytest.fixture(scope="module")
def plain(toy_split, toy_model):
    made = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    finish(made)
    return made


def test_its_first_steps_are_lafs_to_the_bit_and_the_rest_repair(run, plain, toy_split):
    count = len(plain.steps)
    assert [replace(step, total=count) for step in run.steps[:count]] == plain.steps
    assert {step.stage for step in run.steps[count:]} == {"repair"}
    labelled = round(0.5 * len(toy_split.remain_rows))
    assert len(run.steps) - count == 2 * -(-labelled // 16)
    assert [step.number for step in run.steps] == list(range(1, len(run.steps) + 1))
    assert {step.total for step in run.steps} == {len(run.steps)} == {run.total_steps}


def test_only_the_head_moves_in_the_repair(run, plain):
    assert toys.same(run.result.extractor.state_dict(), plain.result.extractor.state_dict())
    assert not toys.same(run.result.head.state_dict(), plain.result.head.state_dict())


def test_the_repairs_first_loss_is_plain_cross_entropy(run, plain, toy_split, toy_model):
    state = LAFR(CONFIG).start(toy_model, toy_split, seed=0)
    rows = state.repair.batches.draw()
    images = state.repair.images
    with torch.no_grad():
        logits = plain.result(images.floats(rows)).double().numpy()
    y = images.y[rows].numpy()
    import numpy as np

    largest = logits.max(1, keepdims=True)
    oracle = (np.log(np.exp(logits - largest).sum(1)) + largest[:, 0] - logits[np.arange(len(y)), y]).mean()
    assert run.steps[len(plain.steps)].losses["cross_entropy"] == pytest.approx(oracle, rel=1e-5)


def test_labels_outside_the_share_are_never_read(run, toy_split, toy_model):
    read = set(LAFR(CONFIG).start(toy_model, toy_split, seed=0).repair.images.ids.tolist())
    assert not read & set(toy_split.forget.ids.tolist())
    train = toy_split.train
    y = torch.where(torch.isin(train.ids, torch.tensor(sorted(read))), train.y, (train.y + 1) % 4)
    other = replace(toy_split, dataset=replace(toy_split.dataset, train=replace(train, y=y)))
    blind = Run(LAFR(CONFIG), toy_model, other, seed=0)
    finish(blind)
    assert blind.steps == run.steps


@pytest.mark.parametrize("after", [4, 12])
def test_it_is_continued_from_saved_state_to_the_bit(run, toy_split, toy_model, after, tmp_path):
    from core.runtime.storage import load_state, save_state

    first = Run(LAFR(CONFIG), toy_model, toy_split, seed=0)
    while len(first.steps) < after:
        first.advance()
    save_state(tmp_path / "run.safetensors", first.state_dict())
    second = Run(LAFR(CONFIG), toy_model, toy_split, seed=0)
    second.load_state_dict(load_state(tmp_path / "run.safetensors"))
    finish(second)
    assert second.steps == run.steps
    assert toys.same(second.result.state_dict(), run.result.state_dict())
    json.dumps([step.as_dict() for step in second.steps])


@pytest.mark.parametrize("share", [0, 1.1, float("nan")])
def test_a_share_outside_its_range_is_named(share):
    with pytest.raises(ConfigError, match="share"):
        RepairConfig(share=share)
