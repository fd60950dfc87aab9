"""The training recipe: the net by the images, the epochs by a held-out part, and a check that an original has learnt."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages
from core.data.split import forget_classes
from core.methods import METHODS
from core.models.registry import build
from core.runs.run import Run
from core.training import recipe as module
from core.training.recipe import are_photographs, check_learnt, choose_net, plan, recipe
from core.training.supervised import SupervisedTrainer, train
from tests import toys


def images(channels: int, size: int, *, n: int = 40, flat: bool = False, classes: int = 2) -> Dataset:
    g = torch.Generator().manual_seed(1)

    def part(first: int) -> LabelledImages:
        x = torch.randint(0, 256, (n, channels, size, size), generator=g, dtype=torch.uint8)
        if flat:
            x[:, :, : size // 2] = 0
        return LabelledImages(x, first + torch.arange(n), 255, torch.arange(n) % classes)

    return Dataset("some", "Some", tuple("ab"[:classes]), part(0), part(1000))


@pytest.mark.parametrize(
    ("shape", "photographs", "net"),
    [
        ((1, 8, 8), False, "digits-cnn"),
        ((1, 28, 28), False, "cnn"),
        ((1, 32, 32), True, "small-resnet"),
        ((3, 32, 32), True, "small-resnet"),
        ((3, 100, 80), False, "small-resnet"),
    ],
)
def test_the_net_follows_from_the_images(shape, photographs, net):
    assert choose_net(shape, photographs=photographs, device="cpu") == net
    assert build(net, shape, 3, seed=0)(torch.zeros(2, *shape)).shape == (2, 3)


def test_photographs_have_no_background_of_one_value():
    assert are_photographs(images(3, 32).train)
    assert not are_photographs(images(1, 32, flat=True).train)
    assert not are_photographs(images(1, 8).train)


def test_photographs_are_augmented_and_a_net_that_is_asked_for_is_taken():
    config, most, _ = plan(images(3, 32), net="resnet18")
    assert config.net == "resnet18"
    assert config.augment
    assert config.decays
    assert config.epochs == most


def test_the_same_seed_gives_the_same_recipe_and_it_learns():
    data = toys.dataset()
    found = recipe(data, seed=2)
    assert found == recipe(data, seed=2)
    assert found.config.epochs in dict(found.tried)
    assert found.expected_s > 0
    model = train(forget_classes(data, [1]), config=found.config)
    checked = check_learnt(model, data)
    assert checked.learnt
    assert checked.accuracy >= 0.9


def test_epochs_are_the_fewest_that_no_later_cycle_improved():
    assert module._chosen([(5, 0.8), (10, 0.9), (20, 0.902)]) == 10
    assert module._chosen([(5, 0.8), (10, 0.9), (20, 0.95)]) == 20


def test_the_arithmetic_allowed_bounds_the_epochs(monkeypatch):
    monkeypatch.setattr(module, "MOST_WORK", 1.0)
    found = recipe(toys.dataset())
    assert found.config.epochs == module.LEAST_EPOCHS
    assert found.tried == ()
    assert found.reason == "the arithmetic allowed gives 3 epochs"


def test_retrained_references_follow_the_recipe():
    split = toys.split()
    config = replace(toys.TRAIN, decays=True)
    retrain = METHODS["retrain"]()
    Run(retrain, train(split, config=config), split)
    assert retrain.config == config


def test_an_original_at_chance_says_so():
    data = toys.dataset()
    checked = check_learnt(build("digits-cnn", data.shape, 4, seed=0).eval(), data)
    assert not checked.learnt
    assert checked.reason.startswith("the original has not learnt: it answers ")
    assert checked.reason.endswith("train it longer, or bring more images")


def test_a_decaying_rate_follows_half_a_cosine_and_continues_from_a_saved_state():
    split = toys.split()
    config = TrainConfig("digits-cnn", epochs=2, batch_size=32, lr=1e-2, decays=True)
    trainer = SupervisedTrainer.start(toys.model(split), split.train, config, seed=0, stage="train")
    rates = []
    for _ in range(trainer.total):
        trainer.step()
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    half = trainer.total // 2
    assert rates[0] == 1e-2
    assert rates[half] == pytest.approx(5e-3)
    assert rates[-1] < 1e-3
    assert rates == sorted(rates, reverse=True)
