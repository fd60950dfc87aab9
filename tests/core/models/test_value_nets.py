"""The nets for vectors and series: shapes, initial weights by seed, size, and the data that they take."""

from __future__ import annotations

import pytest
import torch

from core.errors import RequestError
from core.models.base import multiply_adds, require_classifier
from core.models.registry import build

SHAPES = {"mlp": (13,), "series-cnn": (2, 50)}


@pytest.mark.parametrize("net", SHAPES)
def test_a_net_gives_representations_and_logits_and_is_a_classifier(net):
    model = build(net, SHAPES[net], 3, seed=0)
    x = torch.randn(5, *SHAPES[net])
    assert model.extract(x).shape == (5, model.width)
    assert torch.equal(model(x), model.classify(model.extract(x)))
    require_classifier(model, SHAPES[net], 3)


def test_the_multiplications_are_those_counted_by_hand():
    assert multiply_adds(build("mlp", (13,), 3, seed=0), (13,)) == 13 * 128 + 128 * 128 + 128 * 64 + 64 * 3
    by_layer = 20 * 32 * 7 + 10 * 64 * 32 * 5 + 4 * 64 * 64 + 64 * 3
    assert multiply_adds(build("series-cnn", (1, 40), 3, seed=0), (1, 40)) == by_layer


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_short_series_can_be_read(length):
    assert build("series-cnn", (1, length), 2, seed=0)(torch.zeros(2, 1, length)).shape == (2, 2)


@pytest.mark.parametrize(
    ("net", "shape", "says"),
    [
        ("cnn", (13,), "takes images, and these data are vectors; choose mlp"),
        ("mlp", (1, 96), "takes vectors, and these data are series; choose series-cnn"),
        ("series-cnn", (1, 8, 8), "takes series, and these data are images; choose digits-cnn or cnn"),
        ("tv:resnet18@flatten", (13,), "takes images"),
    ],
)
def test_a_net_for_other_data_is_refused_in_one_sentence(net, shape, says):
    with pytest.raises(RequestError, match=says):
        build(net, shape, 3, seed=0)
