"""The data of an exported run: losses per image and smoothed, classes, and retrained models, against plain numpy."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import numpy as np
import pytest

from dashboard.presentation.export.run_page import UNIT, page_data


def step(number, ue, remain, forget, epoch=1):
    return SimpleNamespace(
        number=number, losses={"ue": ue}, images={"remain": remain, "forget": forget}, epoch=epoch
    )


def frame(number, train_f, positions):
    reading = SimpleNamespace(train_f=train_f, train_r=1.0, test=0.9, clean_f=None)
    return SimpleNamespace(number=number, step=number, reading=reading, positions=np.array(positions, float))


def kept(steps, frames=()):
    return SimpleNamespace(
        points={"ids": np.arange(2), "forget": np.array([True, False]), "label": np.array([1, 0])},
        frames=list(frames),
        steps=steps,
        about={"changes": [], "marks": [], "images": {"classes": ["a", "b"]}},
        map_positions=np.array([[1.0, 0], [0, -2]]),
    )


def test_a_small_last_batch_makes_no_saw_tooth():
    steps = [
        step(i, 30.0 if i % 5 else 6.0, 24 if i % 5 else 4, 6 if i % 5 else 2) for i in range(1, 21)
    ]  # sums
    losses = page_data(kept(steps))["losses"]
    assert losses["per_image"]
    assert set(losses["values"]["ue"]) == {1.0}  # 30 over 30 images, 6 over 6
    assert set(losses["smooth"]["ue"]) == {1.0}


@pytest.mark.parametrize("length", [4, 5])
def test_a_last_batch_of_another_mixture_makes_no_tooth_in_the_smoothed_loss(length):
    steps = [step(i + 1, 3.0 if (i + 1) % length else 9.0, 1, 0, i // length) for i in range(10 * length)]
    losses = page_data(kept(steps))["losses"]
    assert losses["over"] == length
    inside = losses["smooth"]["ue"][length:-length]
    assert inside == [pytest.approx(3 + 6 / length, rel=1e-3)] * len(inside)
    assert max(losses["values"]["ue"]) == 9.0  # the thin line still has it


def test_the_smoothed_loss_is_the_mean_of_its_neighbours_and_leaves_out_what_is_no_number():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, 200)
    values[60] = np.nan
    losses = page_data(kept([step(i + 1, float(v), 1, 0, i) for i, v in enumerate(values)]))["losses"]
    width = losses["over"]
    assert width == 5
    for i, shown in enumerate(losses["smooth"]["ue"]):
        near = values[max(0, i - 2) : i + 3]
        wanted = None if np.isnan(values[i]) else pytest.approx(np.nanmean(near), rel=1e-3)
        assert shown == wanted


def test_a_method_that_counts_no_images_keeps_its_batch_sums():
    found = page_data(kept([step(1, 30.0, 0, 0), step(2, 20.0, 0, 0)]))["losses"]
    assert not found["per_image"]
    assert found["values"]["ue"] == [30.0, 20.0]


def test_classes_and_a_retrained_model_are_on_the_run_s_own_map():
    frames = [frame(0, 1.0, [[1, 0], [0, -2]]), frame(1, 0.0, [[0, 1], [0, -2]])]
    data = page_data(kept([step(1, 1.0, 1, 1)], frames), retrained=[frame(0, 0.2, [[0.5, 0.5], [0, -2]])])
    assert data["classes"] == ["a", "b"]
    assert list(base64.b64decode(data["labels"])) == [1, 0]
    placed = np.frombuffer(base64.b64decode(data["retrained"]), "<i2").reshape(2, 2) / UNIT * 2
    np.testing.assert_allclose(placed, [[0.5, 0.5], [0, -2]], atol=1e-3)
    forgotten = next(a for a in data["accuracy"] if a["symbol"] == "Train_f")
    assert forgotten["values"] == [100.0, 0.0]
    assert forgotten["retrained"] == [20.0]
    assert [a["symbol"] for a in data["accuracy"]] == ["Train_f", "Train_r", "Test"]  # no label is wrong here


def test_many_classes_have_no_names_on_the_map():
    many = kept([])
    many.about["images"]["classes"] = [str(k) for k in range(100)]
    assert page_data(many)["classes"] is None


@pytest.mark.parametrize(("shape", "noun"), [([1, 8, 8], "image"), ([13], "vector"), ([1, 64], "series")])
def test_the_losses_are_for_what_the_dataset_holds(shape, noun):
    run = kept([step(1, 1.0, 1, 0)])
    run.about["images"]["shape"] = shape
    assert page_data(run)["one"] == noun
