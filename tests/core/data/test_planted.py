"""Planted truth: what is planted where, what is forgotten, and that the sign sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data import PLANTS, forget_noisy, mapped, plant
from core.data.planted import COPIES, plants_for
from core.errors import RequestError
from core.evaluation.metrics import evaluate
from core.methods import METHODS
from core.runs.run import Run, finish
from core.training.supervised import train
from tests import toys


@pytest.fixture(scope="module")
def clean():
    return toys.dataset(per_class=100)


@pytest.mark.parametrize("kind", PLANTS)
def test_a_plant_is_the_same_for_a_seed_and_changes_nothing_of_the_dataset(clean, kind):
    before = clean.fingerprint
    one, two, other = plant(clean, kind, seed=1), plant(clean, kind, seed=1), plant(clean, kind, seed=2)
    assert one.dataset.fingerprint == two.dataset.fingerprint != other.dataset.fingerprint
    assert torch.equal(one.forget_rows, two.forget_rows)
    again = toys.dataset(per_class=100)
    assert before == again.fingerprint
    assert torch.equal(clean.train.x, again.train.x)
    rows = torch.cat([one.forget_rows, one.remain_rows]).sort().values
    assert torch.equal(rows, torch.arange(len(one.train)))


@pytest.mark.parametrize("kind", PLANTS)
def test_a_plant_on_mapped_images_has_the_same_bits_and_they_stay_on_disk(clean, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    np.save(tmp_path / "x.npy", clean.train.x.numpy())
    on_disk = replace(clean, train=replace(clean.train, x=mapped.map_pixels(tmp_path / "x.npy")))
    there, here = plant(on_disk, kind, seed=1), plant(clean, kind, seed=1)
    assert mapped.is_mapped(there.train.x)
    assert there.dataset.fingerprint == here.dataset.fingerprint
    assert torch.equal(there.forget_rows, here.forget_rows)
    assert torch.equal(there.planted.probe.x, here.planted.probe.x)


@pytest.mark.parametrize("kind", ["vectors", "series"])
def test_a_mark_is_planted_on_images_only_and_the_other_plants_on_all_data(kind):
    data = toys.values(kind)
    with pytest.raises(
        RequestError, match=f"is a mark on an image, and these data are {kind}; choose duplicates or canaries"
    ):
        plant(data, "trigger")
    for other in plants_for(kind):
        assert len(plant(data, other).forget_rows)
    assert plants_for("images") == tuple(PLANTS)


def test_duplicates_are_copies_under_new_ids_and_all_of_them_are_forgotten(clean):
    split = plant(clean, "duplicates", seed=0)
    ids = split.train.ids
    assert len(ids.unique()) == len(ids)
    assert not set(ids.tolist()) & set(clean.test.ids.tolist())
    x = split.forget.x.flatten(1)
    _, counts = x.unique(dim=0, return_counts=True)
    assert set(counts.tolist()) == {COPIES}
    kept = {bytes(image) for image in split.remain.x.flatten(1).numpy()}
    assert not kept & {bytes(image) for image in x.numpy()}


def test_canaries_have_wrong_labels_and_nothing_else_has(clean):
    split = plant(clean, "canaries", seed=0)
    wrong = split.train.y != split.clean_y
    assert torch.equal(wrong.nonzero().flatten(), split.forget_rows)
    assert torch.equal(split.clean_y, clean.train.y)
    assert torch.equal(split.train.x, clean.train.x)


def test_the_trigger_is_a_white_corner_and_class_0(clean):
    split = plant(clean, "trigger", seed=0)
    marked = split.forget
    assert (marked.x[..., -2:, -2:] == clean.train.white).all()
    assert (marked.y == 0).all()
    assert (split.clean_y[split.forget_rows] != 0).all()
    assert torch.equal(split.remain.x, clean.train.x[split.remain_rows])
    assert (split.planted.probe.x[..., -2:, -2:] == clean.train.white).all()
    assert not set(split.planted.probe.ids.tolist()) & set(split.train.ids.tolist())


def test_the_sign_is_the_mean_probability_of_the_planted_answer(clean):
    split = plant(clean, "trigger", seed=0)
    model = train(split, config=toys.TRAIN)
    with torch.no_grad():
        said = model(split.planted.probe.floats(slice(None))).softmax(1)
    expected = said[torch.arange(len(said)), split.planted.answer].mean()
    assert evaluate(model, split).planted == pytest.approx(float(expected), abs=1e-6)


def test_retraining_removes_the_trigger(clean):
    split = plant(clean, "trigger", seed=0)
    model = train(split, config=toys.TRAIN)
    gold = finish(Run(METHODS["retrain"](toys.TRAIN), model, split))
    assert evaluate(gold, split).planted < evaluate(model, split).planted - 0.3


def test_an_unknown_plant_says_what_there_is(clean):
    with pytest.raises(RequestError, match=r"'tulips'.*duplicates, canaries, trigger"):
        plant(clean, "tulips")


def test_wrong_labels_are_any_but_the_true_one_and_as_many_as_asked(clean):
    split = forget_noisy(clean, [0, 1], 0.5, seed=3)
    y, truth = split.train.y, split.clean_y
    assert torch.equal((y != truth).nonzero().flatten(), split.forget_rows)
    for c in (0, 1):
        assert int((truth[split.forget_rows] == c).sum()) == 50
        assert set(y[split.forget_rows][truth[split.forget_rows] == c].tolist()) == set(range(4)) - {c}
    assert evaluate(train(split, config=toys.TRAIN), split).clean_f is not None
