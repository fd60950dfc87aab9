"""Nets: initial weights from a seed alone, and one way to read a model."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.errors import RequestError
from core.models.base import Classifier, outputs
from core.models.registry import NETS, build
from core.models.torchvision_based.resnet import CHUNK, Resized
from core.models.vae import VAE
from core.runtime.device import pick_device
from tests import toys

OF = {
    "digits": (1, 8, 8),
    "cnn": (1, 28, 28),
    "small": (3, 32, 32),
    "resnet18": (3, 32, 32),
    "mlp": (13,),
    "series": (2, 40),
    "vit": (1, 8, 8),
}
SHAPES = {net: OF[net.partition("-")[0]] for net in NETS}


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


@pytest.mark.parametrize("net", ["digits-cnn", "cnn"])
def test_initial_weights_are_distributed_as_pytorchs(net):
    for layer in build(net, SHAPES[net], 10, seed=0).modules():
        if hasattr(layer, "weight"):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            assert layer.weight.detach().abs().max() <= bound
            if layer.weight.numel() > 2000:
                assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("net", ["resnet18", "resnet18-224"])
def test_a_resnet_begins_as_torchvision_begins_one(net):
    """Kaiming normal by fan out in convolutions, and normalisation that passes everything through."""
    for layer in build(net, SHAPES[net], 10, seed=0).modules():
        if isinstance(layer, nn.Conv2d):
            std = math.sqrt(2 / (layer.out_channels * layer.weight[0, 0].numel()))
            assert float(layer.weight.detach().std()) == pytest.approx(std, rel=0.05)
        if isinstance(layer, nn.BatchNorm2d):
            assert bool((layer.weight == 1).all() and (layer.running_var == 1).all())
            assert not bool((layer.bias != 0).any() or (layer.running_mean != 0).any())
            assert layer.num_batches_tracked == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_papers_resnet_sees_images_at_224_pixels(channels):
    model = build("resnet18-224", (channels, 32, 32), 10, seed=0).eval()
    seen = []
    model.extractor.body.conv1.register_forward_hook(
        lambda _, given, made: seen.append((given[0], made.shape))
    )
    x = torch.rand(2, channels, 32, 32)
    with torch.no_grad():
        e = model.extract(x)
    torch.testing.assert_close(seen[0][0], functional.interpolate(x, (224, 224), mode="bilinear"))
    assert seen[0][1] == (2, 64, 112, 112)
    assert e.shape == (2, 256)


def test_enlarging_a_few_images_at_a_time_changes_nothing():
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 14 * 14, 4))
    x = torch.rand(2 * CHUNK + 3, 1, 8, 8)
    net = Resized(body, 16)
    with torch.no_grad():
        apart = net(x)
    torch.testing.assert_close(apart, net(x).detach())


@pytest.mark.parametrize(
    ("net", "shape", "width"),
    [
        ("digits-cnn", (1, 8, 8), 128),
        ("cnn", (1, 28, 28), 256),
        ("resnet18", (3, 32, 32), 256),
        ("resnet18", (1, 28, 28), 256),
    ],
)
def test_a_net_is_an_extractor_and_a_head(net, shape, width):
    model = build(net, shape, 7, seed=0).eval()
    x = torch.rand(5, *shape)
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


def test_digits_never_wait_for_torchvision():
    code = (
        "import sys, core.models.registry, core.data.registry; core.models.registry.build('digits-cnn', (1, 8, 8), 10, seed=0);"
        "core.data.registry.load('digits'); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


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
