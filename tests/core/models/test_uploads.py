"""Checks of an uploaded model: its file, its layer and its accuracy."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch
import torchvision
from safetensors.torch import save
from torch.nn import functional

from core.errors import DataError, RequestError
from core.models.base import Classifier, outputs
from core.models.registry import build
from core.models.torchvision_based.torchvision_net import TorchvisionNet, layers
from core.models.uploads import check, kept_models, layer_names
from core.training.supervised import copy_of
from tests import toys
from tests.core.models.uploaded import ARCH

pytestmark = pytest.mark.usefixtures("own_home")


def test_a_brought_model_answers_as_torchvisions_does_and_is_measured(data, trained, weights):
    own = check(ARCH, "mean", weights, data, title="mine.safetensors")
    with torch.no_grad():
        said = trained(data.test.x.float() / 16)
        e = own.model.extract(data.test.x.float() / 16)
    torch.testing.assert_close(own.model.classify(e), said)
    right = (said.argmax(1) == data.test.y).float()
    about = own.about
    assert about.test.share == pytest.approx(float(right.mean()))
    assert about.test.share > 0.5  # of four classes: it has learnt something
    assert about.test.by_class == pytest.approx([float(right[data.test.y == c].mean()) for c in range(4)])
    assert (about.test.images, about.train.images) == (len(data.test), len(data.train))
    assert (about.width, about.size, about.head) == (1024, None, "linear 1024 → 4")
    assert about.parameters == sum(p.numel() for p in trained.parameters())
    assert isinstance(own.model, Classifier)


@pytest.mark.parametrize(
    ("arch", "size"),
    [
        ("resnet18", None),
        ("squeezenet1_1", None),
        ("mobilenet_v3_small", 64),
        ("densenet121", None),
        ("googlenet", 64),
    ],
)
def test_a_net_cut_anywhere_computes_what_it_computed_whole(arch, size):
    torch.manual_seed(0)
    extra = {"aux_logits": False, "init_weights": True} if arch == "googlenet" else {}
    net = torchvision.models.get_model(arch, num_classes=5, **extra).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        seen = x if size is None else functional.interpolate(x, (size, size), mode="bilinear")
        expected = net(seen)
        found = layers(arch, (3, 32, 32), 5, size)[1]
        for layer in (found[0], found[len(found) // 2], found[-1]):
            own = TorchvisionNet(net, layer.name, (3, 32, 32), size).eval()
            e = own.extract(x)
            assert e.shape == (2, own.width) == (2, layer.width)
            torch.testing.assert_close(own.classify(e), expected)
            torch.testing.assert_close(copy_of(own)(x), expected)
    names = {name for part in (own.extractor, own.head) for name, _ in part.named_parameters()}
    assert len(names) == len(list(net.parameters()))  # each weight is in one half


def test_a_net_that_needs_large_images_gets_them():
    """Swin and the like keep tables outside their state dict; a vision transformer takes 224 pixels only."""
    size, found = layers("vit_b_16", (3, 32, 32), 10)
    assert (size, found[-1].name, found[-1].shape) == (224, "getitem_5", (768,))  # the class token
    size, found = layers("convnext_tiny", (3, 32, 32), 10)
    assert (size, found[-1].name, found[-1].shape) == (None, "classifier.1", (768,))
    with pytest.raises(RequestError, match="vit_b_16 cannot take images of 32x32 pixels"):
        layers("vit_b_16", (3, 32, 32), 10, 100)


def test_grey_images_are_seen_in_three_channels(data, weights):
    grey = replace(
        data, train=replace(data.train, x=data.train.x[:, :1]), test=replace(data.test, x=data.test.x[:, :1])
    )
    own, colour = check(ARCH, "mean", weights, grey), check(ARCH, "mean", weights, data)
    torch.testing.assert_close(
        outputs(own.model, grey.test).representations, outputs(colour.model, data.test).representations
    )


def test_the_layers_offered_are_those_that_will_do(data, weights):
    names = layer_names(ARCH, data)
    assert names[-1] == "mean"
    assert layer_names("resnet18", data)[-1] == "flatten"  # torchvision's, not the Lab's of the same name
    early, usual = (check(ARCH, name, weights, data).about for name in (names[0], "mean"))
    assert early.test == usual.test
    assert layer_names("lab:resnet18", data) == ["extractor"]  # the Lab's own, which has one


def test_one_of_the_labs_nets(data):
    model = build("resnet18", (3, 32, 32), 4, seed=5).eval()
    plain = {k: v.contiguous() for k, v in model.state_dict().items()}
    own = check("lab:resnet18", "", save(plain), data)
    assert own.about.net == "resnet18"
    assert toys.same(own.model.state_dict(), model.state_dict())
    with pytest.raises(RequestError, match="called 'extractor'"):
        check("lab:resnet18", "layer4", save(plain), data)


def changed(weights: bytes, change) -> bytes:
    from safetensors.torch import load

    tensors = load(weights)
    change(tensors)
    return save(tensors)


WRONG = {
    "an unknown architecture": (RequestError, {"arch": "resnet19"}, "no architecture 'resnet19'"),
    "an unknown layer": (RequestError, {"layer": "layer9"}, r"no layer 'layer9'.*mean"),
    "a layer inside a branch": (RequestError, {"layer": "stage2.0.branch1.0"}, r"cannot be cut.*mean"),
    "a layer that is too wide": (RequestError, {"layer": "conv1.0"}, "gives 6,144 numbers.*at most 4,000"),
    "the classifier itself": (RequestError, {"layer": "fc"}, r"cannot be cut.*mean"),
    "missing": (RequestError, lambda t: t.pop("fc.bias"), r"1 missing \(fc.bias\)"),
    "unknown": (RequestError, lambda t: t.update(extra=torch.ones(1)), r"1 unknown \(extra\)"),
    "another shape": (
        RequestError,
        lambda t: t.update({"fc.weight": torch.ones(7, 1024)}),
        "fc.weight is 7x1024, not 4x1024",
    ),
    "not finite": (DataError, lambda t: t["fc.bias"].fill_(float("nan")), "not finite, in fc.bias"),
    "a pickle": (DataError, pickle.dumps({"fc.bias": 1}), "not a whole safetensors file"),
    "cut off": (DataError, None, "not a whole safetensors file"),
    "nothing": (DataError, b"", "not a whole safetensors file"),
}


@pytest.mark.parametrize(("kind", "change", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(
    data, weights, kind, change, words, monkeypatch
):
    monkeypatch.setattr("core.models.uploads.checking.WIDEST", 4000)
    asked = {"arch": ARCH, "layer": "mean", **(change if isinstance(change, dict) else {})}
    if callable(change):
        weights = changed(weights, change)
    elif not isinstance(change, dict):
        weights = weights[:-100] if change is None else change
    with pytest.raises(kind, match=words) as caught:
        check(asked["arch"], asked["layer"], weights, data, title="mine.safetensors")
    assert "\n" not in str(caught.value)
    assert kept_models() == {}


def test_counters_of_batches_may_lack_and_half_precision_is_read(data, weights):
    def lighter(tensors):
        for name in [n for n in tensors if n.endswith("num_batches_tracked")]:
            del tensors[name]
        tensors["fc.weight"] = tensors["fc.weight"].half()

    own = check(ARCH, "mean", changed(weights, lighter), data)
    assert {p.dtype for p in own.model.parameters()} == {torch.float32}
