"""CKA against a plain formula, and what it must not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.images import Images
from core.evaluation.representations.similarity import (
    MAX_LAYERS,
    MAX_WIDTH,
    REPRESENTATION,
    cka_of,
    gram,
    layer_features,
    layer_grams,
    narrow,
)
from core.models.base import outputs
from core.models.registry import NETS, build
from core.models.torchvision_based.torchvision_net import TorchvisionNet


def linear_cka(x, y):
    return cka_of(gram(x), gram(y))


def hsic(k, other):
    n = len(k)
    centre = np.eye(n) - np.ones((n, n)) / n
    return np.trace(k @ centre @ other @ centre) / (n - 1) ** 2


cases = st.tuples(st.integers(3, 30), st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))


@settings(max_examples=40, deadline=None)
@given(cases)
def test_cka_is_the_ratio_of_hsics(case):
    n, p, q, seed = case
    g = np.random.default_rng(seed)
    x, y = g.normal(size=(n, p)), g.normal(size=(n, q))
    k, other = x @ x.T, y @ y.T
    expected = hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))
    assert linear_cka(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(cases, st.floats(1e-3, 1e3))
def test_cka_with_itself_is_one_whatever_the_rotation_and_the_scale(case, scale):
    n, p, _, seed = case
    g = np.random.default_rng(seed)
    x = g.normal(size=(n, p))
    rotation = np.linalg.qr(g.normal(size=(p, p)))[0]
    turned = scale * x @ rotation + g.normal(size=p)
    assert linear_cka(torch.tensor(x), torch.tensor(x)) == pytest.approx(1, abs=1e-6)
    assert linear_cka(torch.tensor(x), torch.tensor(turned)) == pytest.approx(1, abs=1e-6)


def test_features_that_share_nothing_have_none_and_constant_ones_resemble_nothing():
    x, y = torch.tensor([[1.0], [-1], [1], [-1]]), torch.tensor([[1.0], [1], [-1], [-1]])
    assert linear_cka(x, y) == 0
    assert linear_cka(x, torch.ones(4, 3)) == 0


def images(n, shape):
    x = torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Images(x, torch.arange(n))


@pytest.mark.parametrize("net", [n for n in NETS if n != "resnet18-224"])
def test_every_net_shows_its_layers_and_its_representation_last(net):
    shapes = {"digits-cnn": (1, 8, 8), "cnn": (1, 28, 28), "mlp": (13,), "series-cnn": (2, 40)}
    shape = shapes.get(net, (3, 32, 32))
    model = build(net, shape, 10, seed=0)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    grams = layer_grams(model, images(70, shape))
    assert list(grams)[-1] == REPRESENTATION
    assert (2 if net.endswith("shallow") or net == "mlp" else 3) <= len(grams) <= MAX_LAYERS
    assert all(k.shape == (70, 70) and cka_of(k, k) == pytest.approx(1, abs=1e-6) for k in grams.values())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())
    e = outputs(model, images(70, shape)).representations
    assert cka_of(grams[REPRESENTATION], grams[REPRESENTATION]) == pytest.approx(linear_cka(e, e), abs=1e-6)


def test_a_long_series_is_averaged_over_time_and_not_over_its_channels():
    shape = (2, 400)
    model = build("series-cnn", shape, 3, seed=0)
    x = images(5, shape)
    first = layer_features(model, x)["0"]  # 32 channels of 200 places, in groups of 6 or 7
    out = model.extractor[0](x.floats(slice(0, 5))).detach()
    assert first.shape == (5, 1024)
    ends = [(i * 200 // 32, -(-(i + 1) * 200 // 32)) for i in range(32)]
    means = torch.stack([out[:, :, a:b].mean(2) for a, b in ends], 2)
    assert torch.allclose(first, means.flatten(1), atol=1e-5)


def test_the_grams_are_those_of_the_layers_own_outputs():
    model = build("digits-cnn", (1, 8, 8), 10, seed=0).eval()
    pictures = images(40, (1, 8, 8))
    other = build("digits-cnn", (1, 8, 8), 10, seed=1).eval()
    with torch.no_grad():
        x, y = (m.extractor[:4](pictures.x.float() / 255).flatten(1) for m in (model, other))
    mine = cka_of(layer_grams(model, pictures)["3"], layer_grams(other, pictures)["3"])
    assert mine == pytest.approx(linear_cka(x, y), abs=1e-5)


def test_torchvisions_nets_show_theirs_too():
    net = TorchvisionNet(
        torchvision.models.get_model("shufflenet_v2_x0_5", num_classes=4), "mean", (3, 32, 32), None
    )
    grams = layer_grams(net, images(10, (3, 32, 32)))
    assert len(grams) >= 3


@pytest.mark.parametrize(
    "shape", [(4, 16, 64, 64), (4, 2048, 8, 8), (4, 197, 768), (4, 5000), (4, 100), (4, 64, 4, 4)]
)
def test_features_are_narrowed_alike_each_time(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert narrow(x).shape[0] == 4
    assert narrow(x).shape[1] <= MAX_WIDTH
    assert torch.equal(narrow(x), narrow(x))
