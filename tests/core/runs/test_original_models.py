"""Originals of a chosen net: trained as a recipe plans it, refused in one sentence where they cannot be."""

from __future__ import annotations

import pytest
import torch

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages
from core.data.split import forget_classes
from core.errors import RequestError
from core.methods import method
from core.runs.original_models import net_training
from core.runs.setup import Setup
from core.training.recipe import plan


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
