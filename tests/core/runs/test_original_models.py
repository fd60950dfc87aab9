"""Originals of a chosen net: trained as a recipe plans it, refused in one sentence where they cannot be."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from core.config import EvalConfig, TrainConfig, as_dict, replace
from core.data.images import Dataset, LabelledImages
from core.data.split import forget_classes
from core.errors import RequestError
from core.methods import method
from core.models.registry import build
from core.runs.original_models import net_training, original, original_key, ships
from core.runs.setup import Setup
from core.runtime import content_cache
from core.runtime.content_cache import SHIPPED, content_key, models
from core.runtime.progress import run_to_end
from core.runtime.storage import load_state
from core.training.recipe import plan
from tests import toys


def test_a_setup_without_a_net_leaves_the_training_to_the_preset(toy_split):
    assert net_training(Setup(), toy_split) is None


def test_a_chosen_net_is_trained_as_a_recipe_plans_it(toy_split):
    found = net_training(Setup(net="vit", device="cpu"), toy_split)
    assert found == plan(toy_split.dataset, net="vit", device="cpu")[0]
    assert isinstance(found, TrainConfig)
    assert found.net == "vit"


def test_a_method_with_an_original_of_its_own_takes_no_net(toy_split):
    with pytest.raises(RequestError, match="SISA trains an original of its own and takes no chosen net"):
        net_training(Setup(net="vit", method="sisa"), toy_split, method("sisa"))


def test_a_net_that_cannot_take_the_images_is_one_sentence():
    images = LabelledImages(
        torch.zeros(6, 1, 2, 2, dtype=torch.uint8), torch.arange(6), 255, torch.arange(6) % 2
    )
    split = forget_classes(Dataset("tiny", "Tiny", ("a", "b"), images, images), [0])
    with pytest.raises(RequestError, match="the net cnn cannot take images of 1x2x2"):
        net_training(Setup(net="cnn"), split)


# originals that ship with the Lab

DOWNLOADED = json.loads((SHIPPED / "downloaded.json").read_text())


@pytest.fixture
def shelf(toy_split, tmp_path, monkeypatch):
    """Ship the original of ``toy_split`` on a shelf of its own, and return it; the home is empty."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "here"))
    monkeypatch.setattr(content_cache, "SHIPPED", tmp_path / "shelf")
    monkeypatch.setattr(models, "_memory", type(models._memory)())
    made = run_to_end(original(toy_split, config=toys.TRAIN), None)
    shutil.move(tmp_path / "here", tmp_path / "shelf")
    models._memory.clear()
    return made


def test_an_original_on_the_shelf_is_taken_and_not_trained(shelf, toy_split, monkeypatch):
    monkeypatch.setattr("core.runs.original_models.Training", None)
    found = run_to_end(original(toy_split, config=toys.TRAIN), None)
    assert all(torch.equal(v, shelf.state_dict()[k]) for k, v in found.state_dict().items())
    assert ships(found, toy_split)


def test_an_original_is_taken_only_for_the_same_images_labels_settings_and_seed(
    shelf, toy_split, monkeypatch
):
    monkeypatch.setattr("core.runs.original_models.Training", None)
    x, y = toy_split.train.x.clone(), toy_split.train.y.clone()
    x[0, 0, 0, 0] += 1
    y[0] = (y[0] + 1) % 3
    others = [
        (
            replace(
                toy_split, dataset=replace(toy_split.dataset, train=replace(toy_split.train, **{name: t}))
            ),
            {},
        )
        for name, t in (("x", x), ("y", y))
    ]
    others.append((toy_split, {"config": replace(toys.TRAIN, lr=2 * toys.TRAIN.lr)}))
    others.append((toy_split, {"seed": 1}))
    for split, more in others:
        with pytest.raises(TypeError):  # it begins to train
            run_to_end(original(split, **{"config": toys.TRAIN, **more}), None)


def test_an_original_that_was_trained_here_is_not_one_that_ships(shelf, toy_split):
    trained = run_to_end(original(toy_split, config=toys.TRAIN, seed=1), None)
    assert not ships(trained, toy_split)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_the_originals_of_downloaded_datasets_are_those_that_a_run_asks_for(name):
    """After a change to training, the preset or the recipe, run assets/make_originals.py."""
    shipped = DOWNLOADED[name]
    x = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8)
    images = LabelledImages(x, torch.arange(len(x)), 255, torch.arange(len(x)) % 10)
    blank = Dataset(name, name, tuple("0123456789"), images, images)
    config = TrainConfig.preset(name, "class") if name == "mnist" else plan(blank)[0]
    assert as_dict(config) == shipped["config"]
    key = content_key("original", shipped["fingerprint"], as_dict(config), 0, "cpu")
    assert key == shipped["key"]
    kept = load_state(SHIPPED / "models" / f"{key}.safetensors")
    build("cnn", (1, 28, 28), 10, seed=0).load_state_dict(kept["weights"])
    assert kept["seconds"] > 0
    assert all(t.isfinite().all() and t.dtype == torch.float32 for t in kept["weights"].values())
    shapes = [load_state(SHIPPED / "maps" / f"{m}.safetensors")["positions"].shape for m in shipped["maps"]]
    assert shapes == [(EvalConfig.preset(name).max_points, 2)] * 10  # of the removal of each class


def test_the_key_of_a_shipped_original_is_that_of_its_split(toy_split):
    made_of = (toy_split.dataset.fingerprint, as_dict(toys.TRAIN), 0, "cpu")
    assert original_key(toy_split, toys.TRAIN, 0, "cpu") == content_key("original", *made_of)


def test_the_shelf_is_part_of_the_package():
    import tomllib

    core = SHIPPED.parents[1]
    assert core.name == "core"
    settings = tomllib.loads((core.parent / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["core"]
    packed = {path for pattern in patterns for path in core.glob(pattern)}
    assert packed >= set(SHIPPED.rglob("*.safetensors"))
