"""Nets: initial weights from a seed alone, and one way to read a model."""

from __future__ import annotations

import math

import pytest
import torch
import toys
from torch.nn import functional

from core.compute import pick_device
from core.errors import RequestError
from core.models import NETS, Classifier, build, outputs
from core.vae import VAE

SHAPES = {"digits-cnn": (1, 8, 8), "cnn": (1, 28, 28)}


@pytest.mark.parametrize("net", NETS)
def test_initial_weights_repeat_per_seed(net):
    a, b, other = (build(net, SHAPES[net], 10, seed=s) for s in (3, 3, 4))
    assert toys.same(a.state_dict(), b.state_dict())
    assert not toys.same(a.state_dict(), other.state_dict())


@pytest.mark.parametrize("net", NETS)
def test_the_global_generator_is_neither_read_nor_moved(net):
    torch.manual_seed(1)
    a = build(net, SHAPES[net], 10, seed=0)
    vae = VAE.build(16, 4, "linear", seed=0, name="vae")
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    torch.manual_seed(2)
    assert toys.same(a.state_dict(), build(net, SHAPES[net], 10, seed=0).state_dict())
    assert toys.same(vae.state_dict(), VAE.build(16, 4, "linear", seed=0, name="vae").state_dict())


@pytest.mark.parametrize("net", NETS)
def test_initial_weights_are_distributed_as_pytorchs(net):
    for layer in build(net, SHAPES[net], 10, seed=0).modules():
        if hasattr(layer, "weight"):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            assert layer.weight.detach().abs().max() <= bound
            if layer.weight.numel() > 2000:
                assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize(("net", "width"), [("digits-cnn", 128), ("cnn", 256)])
def test_a_net_is_an_extractor_and_a_head(net, width):
    model = build(net, SHAPES[net], 7, seed=0)
    x = torch.rand(5, *SHAPES[net])
    e = model.extract(x)
    assert isinstance(model, Classifier)
    assert e.shape == (5, width) == (5, model.width)
    assert (e < 0).any()  # no activation on the representation
    assert torch.equal(model.classify(e), model(x))
    assert model(x).shape == (5, 7)


@pytest.mark.parametrize("batch_size", [1, 7, 160, 1000])
def test_outputs_are_the_direct_forward_pass(toy_split, toy_model, batch_size):
    toy_model.train()
    out = outputs(toy_model, toy_split.train, batch_size=batch_size)
    assert toy_model.training
    toy_model.eval()
    with torch.no_grad():
        e = toy_model.extractor(toy_split.train.x.float() / 16)
        p = functional.softmax(toy_model.head(e), 1)
    torch.testing.assert_close(out.representations, e, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.probabilities, p, rtol=1e-4, atol=1e-6)
    assert torch.equal(out.predictions, out.probabilities.argmax(1))


def test_outputs_leave_mode_and_weights_as_they_were(toy_split, toy_model):
    before, mode = toys.weights(toy_model), toy_model.training
    outputs(toy_model, toy_split.test)
    assert toys.same(before, toy_model.state_dict())
    assert toy_model.training is mode


def test_an_unknown_net_is_refused():
    with pytest.raises(RequestError, match=r"unknown net 'resnet'.*digits-cnn, cnn"):
        build("resnet", (1, 8, 8), 10, seed=0)


@pytest.mark.parametrize(
    "device",
    ["gpu", "cuda:99", "cpu:x", "", "meta", "mps:0" if not torch.backends.mps.is_available() else "xpu"],
)
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(RequestError, match="auto, cpu"):
        pick_device(device)
