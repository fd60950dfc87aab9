"""The training recipe: the net by the images, the epochs by a held-out part, and a check that an original has learnt."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages
from core.data.split import forget_classes
from core.errors import RequestError
from core.methods import METHODS
from core.models.base import Net
from core.models.registry import build
from core.runs.run import Run
from core.training import recipe as module
from core.training.augment import crop_and_flip
from core.training.recipe import (
    A_SECOND,
    LONGEST_S,
    MOST_EPOCHS,
    are_photographs,
    check_learnt,
    choose_net,
    plan,
    recipe,
)
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
        ((13,), False, "mlp"),
        ((2, 96), False, "series-cnn"),
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


@pytest.mark.parametrize("kind", ["vectors", "series"])
def test_vectors_and_series_are_never_cropped_or_mirrored(kind):
    data = toys.values(kind)
    config, _, _ = plan(data)
    assert not config.augment
    model = build(config.net, data.shape, len(data.classes), seed=0)
    with pytest.raises(RequestError, match=f"augment crops and mirrors images, and these data are {kind}"):
        SupervisedTrainer.start(model, data.train, replace(config, augment=True), seed=0, stage="train")


def test_a_transformer_warms_up_and_its_training_is_bounded_as_any():
    config, most, work = plan(images(1, 28, flat=True, n=4000), net="vit")
    assert (config.net, config.decays, config.warmup) == ("vit", True, 0.1)
    assert 1 <= most <= MOST_EPOCHS
    assert most * work <= LONGEST_S * A_SECOND["cpu"]


def test_the_same_seed_gives_the_same_recipe_and_it_learns():
    data = toys.dataset()
    found = recipe(data, seed=2, most_epochs=10)
    assert found == recipe(data, seed=2, most_epochs=10)
    assert found.config.epochs in dict(found.tried)
    assert found.expected_s > 0
    model = train(forget_classes(data, [1]), config=found.config)
    checked = check_learnt(model, data)
    assert checked.learnt
    assert checked.accuracy >= 0.9


def test_epochs_are_the_fewest_that_no_later_cycle_improved():
    assert module._chosen([(5, 0.8), (10, 0.9), (20, 0.902)]) == 10
    assert module._chosen([(5, 0.8), (10, 0.9), (20, 0.95)]) == 20


@pytest.mark.parametrize(
    ("epochs_in_usual", "epochs_in_longest", "most"),
    [(20, 150, 20), (3, 22, module.LEAST_EPOCHS), (0.2, 1.5, 1)],
)
def test_the_arithmetic_allowed_bounds_the_epochs_and_grows_for_large_data(
    epochs_in_usual, epochs_in_longest, most, monkeypatch
):
    data = toys.dataset()
    work = plan(data)[2]
    monkeypatch.setitem(module.A_SECOND, "cpu", (epochs_in_usual + 0.1) * work / module.USUAL_S)
    monkeypatch.setattr(
        module, "LONGEST_S", module.USUAL_S * (epochs_in_longest + 0.1) / (epochs_in_usual + 0.1)
    )
    found = recipe(data)
    assert plan(data)[1] == most
    assert found.config.epochs <= most
    assert found.expected_s <= module.longest_s(data)
    if most < 2 * module.FIRST_CYCLE:
        assert found.tried == ()
        assert found.reason == f"the arithmetic allowed gives {most} epochs"


def test_a_search_that_ends_before_the_gain_does_leaves_more_epochs_to_the_training(monkeypatch):
    data = toys.dataset()
    search = module._Search(data.train, TrainConfig(epochs=40), 0, "cpu", 1.0)
    search._note(5, 0.5, 0.9)
    search._note(10, 0.7, 0.9)
    assert not search.is_over
    assert search.found()[0].epochs == 20


@pytest.mark.parametrize(
    ("photographs", "epochs"), [(True, module.LEAST_EPOCHS_PHOTOGRAPHS), (False, module.LEAST_EPOCHS)]
)
def test_a_short_cycle_that_seems_enough_still_leaves_the_least_epochs(photographs, epochs):
    config = TrainConfig(epochs=40, augment=photographs)
    search = module._Search(toys.dataset().train, config, 0, "cpu", 1.0)
    search._note(5, 0.8, 0.9)
    search._note(10, 0.8, 0.9)
    found, reason = search.found()
    assert found.epochs == epochs
    assert reason.endswith(f"more gave no more, but at least {epochs} are made")


def test_with_wrong_labels_an_accuracy_that_stands_still_is_no_end_before_anything_is_learnt_by_heart():
    """Both parts hold as many wrong labels, so a model that memorised none knows both equally well."""
    search = module._Search(toys.dataset().train, TrainConfig(epochs=40), 0, "cpu", 1.0)
    search._note(5, 0.6, 0.6)
    search._note(10, 0.59, 0.6)
    assert not search.is_over
    search._note(20, 0.6, 0.8)
    assert search.is_over


class Sides(Net):
    """A net that answers 0 where the left half of an image is the brighter one, else 1; ``blind``: always 0."""

    def __init__(self, *, blind: bool) -> None:
        super().__init__()
        self.width, self.blind = 2, blind
        self.extractor, self.head = torch.nn.Identity(), torch.nn.Linear(2, 2)

    def extract(self, x):
        half = x.shape[-1] // 2
        e = torch.stack([x[..., :half].mean((1, 2, 3)), x[..., half:].mean((1, 2, 3))], 1)
        return e * torch.tensor([1.0, 0.0]) if self.blind else e

    def classify(self, e):
        return e


@pytest.mark.parametrize("blind", [True, False])
def test_mirror_images_mean_something_else_where_they_change_the_answers(blind):
    x = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    x[::2, ..., :2] = 200
    x[1::2, ..., 2:] = 200
    held = LabelledImages(x, torch.arange(40), 255, torch.zeros(40).long() if blind else torch.arange(40) % 2)
    assert module.mirrors_mean_the_same(Sides(blind=blind), held) is blind


@pytest.mark.parametrize("alike", [True, False])
def test_mirror_images_are_left_out_of_the_training_where_they_mean_something_else(alike, monkeypatch):
    monkeypatch.setattr(module, "SEARCH_S", 0)  # one cycle, as for large data
    monkeypatch.setattr(module, "FIRST_CYCLE", 1)
    monkeypatch.setattr(module, "mirrors_mean_the_same", lambda model, held: alike)
    found = recipe(images(3, 16))
    assert found.config.augment
    assert found.config.mirrors is alike
    assert ("mirror images mean something else" in found.reason) is not alike


def test_crops_without_mirror_images_keep_left_and_right():
    x = torch.zeros(64, 1, 8, 8)
    x[..., :4] = 1
    g = torch.Generator().manual_seed(0)
    cut = crop_and_flip(x, g, mirrors=False)
    assert bool((cut[..., :3].sum((1, 2, 3)) >= cut[..., 5:].sum((1, 2, 3))).all())
    assert not torch.equal(cut, x)


def test_a_bound_of_no_epoch_is_refused():
    with pytest.raises(RequestError, match="at least 1 epoch, got a bound of 0"):
        recipe(toys.dataset(), most_epochs=0)
    assert recipe(toys.dataset(), most_epochs=2).config.epochs == 2


def test_images_all_alike_give_an_original_that_has_not_learnt():
    data = images(1, 8, n=24)
    same = replace(data.train, x=torch.full_like(data.train.x, 7))
    data = replace(data, train=same, test=replace(data.test, x=torch.full_like(data.test.x, 7)))
    model = train(forget_classes(data, [1]), config=recipe(data, most_epochs=1).config)
    assert not check_learnt(model, data).learnt


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
