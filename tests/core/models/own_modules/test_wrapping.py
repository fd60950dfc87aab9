"""Any nn.Module as a model of the Lab: cut, retrained from its factory, and refused with a sentence that helps."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from core import Comparison, Run, Setup, TrainConfig, evaluate, finish, method, references, wrap
from core.errors import ConfigError, RequestError
from core.models.base import require_classifier
from core.models.registry import build
from tests import toys

QUICK = TrainConfig(epochs=2, batch_size=32)


class Tiny(nn.Module):
    """Grey 8x8 images to four classes; its forward uses functions, a view and an argument with a default."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.embed = nn.Linear(3 * 16, width)
        self.out = nn.Linear(width, 4)

    def forward(self, x, scale=2.0):
        x = functional.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        return scale * self.out(self.embed(self.drop(x).view(x.size(0), -1)).relu())


def tiny() -> Tiny:
    torch.manual_seed(3)
    return Tiny()


@pytest.fixture(scope="module")
def images(toy_split):
    return toy_split.train.floats(slice(0, 7))


@pytest.mark.parametrize("training", [False, True])
def test_the_wrapped_model_answers_as_the_module_and_its_representation_is_the_layers_output(
    images, training
):
    module, seen = tiny().train(training), []
    module.embed.register_forward_hook(lambda m, i, out: seen.append(out))
    model = wrap(module, "embed").train(training)
    torch.manual_seed(0)
    logits = module(images)
    torch.manual_seed(0)
    assert torch.equal(model(images), logits)
    if not training:
        e = model.extract(images)
        assert torch.equal(e, seen[0])
        assert torch.equal(model.classify(e), logits)
    assert model.width == 6
    assert re.fullmatch(r"Tiny: 358 weights, a representation of 6; without a factory, .*", repr(model))


def test_a_layer_of_feature_maps_is_flattened_and_its_width_comes_from_the_shape(images):
    module = tiny().eval()
    model = wrap(module, "norm", shape=(1, 8, 8)).eval()
    assert torch.equal(model.extract(images), module.norm(module.conv(images)).flatten(1))
    assert model.width == 3 * 64
    assert torch.equal(model(images), module(images))


def test_the_module_is_copied_and_keeps_its_weights_mode_and_attributes(toy_split):
    module = tiny()
    before = copy.deepcopy(module.state_dict())
    model = wrap(module, "embed", make=Tiny, config=QUICK)
    finish(Run(toys.quick("laf"), model, toy_split))
    finish(Run("finetune", model, toy_split))
    assert module.training
    assert toys.same(module.state_dict(), before)


def test_a_transform_prepares_the_images_of_original_and_retrained_models(toy_split, images):
    def blank(x):
        return 0 * x

    model = wrap(tiny(), "embed", make=Tiny, transform=blank, config=QUICK).eval()
    assert torch.equal(model.extract(images), wrap(tiny(), "embed").eval().extract(0 * images))
    twin = finish(Run("retrain", model, toy_split))
    assert len(twin(images).unique(dim=0)) == 1
    assert twin.provenance is None or twin.provenance.net == model.provenance.net


def test_retraining_uses_the_factory_and_the_config_and_begins_with_fresh_weights(toy_split):
    model = wrap(tiny(), "embed", make=Tiny, config=QUICK)
    run = Run("retrain", model, toy_split)
    finish(run)
    twin = run.result
    assert run.config.epochs == QUICK.epochs
    assert run.total_steps == 2 * -(-len(toy_split.remain_rows) // 32)
    assert {k: v.shape for k, v in twin.state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    assert not toys.same(twin.state_dict(), model.state_dict())
    other = TrainConfig("digits-cnn", epochs=1)
    asked = Run(method("retrain", other), model, toy_split)
    assert asked.config.net == model.provenance.net, "a wrapped module is never held against another net"


def test_a_factorys_weights_follow_the_seed_and_leave_torchs_generator_alone():
    net = wrap(tiny(), "embed", make=Tiny).provenance.net
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, again, other = (build(net, (1, 8, 8), 4, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert toys.same(one, again)
    assert not toys.same(one, other)


def test_names_depend_on_weights_factory_layer_code_and_transform():
    class Other(Tiny):
        def forward(self, x):
            return super().forward(x, 3.0)

    def half(x):
        return x / 2

    def third(x):
        return x / 3

    def keyed(module, *arguments):
        return wrap(module, *arguments, shape=(1, 8, 8)).key

    other = Other()
    other.load_state_dict(tiny().state_dict())
    scaled = tiny()
    with torch.no_grad():
        scaled.out.bias.add_(1)
    keys = [
        keyed(tiny(), "embed"),
        keyed(tiny(), "embed", Tiny),
        keyed(tiny(), "norm", Tiny),
        keyed(other, "embed"),
        keyed(scaled, "embed"),
        keyed(tiny(), "embed", None, half),
        keyed(tiny(), "embed", None, third),
    ]
    assert len(set(keys)) == len(keys)
    assert keyed(tiny(), "embed", Tiny) == keys[1]


def test_without_a_factory_nothing_is_retrained_and_that_is_said(toy_split, monkeypatch, caplog):
    model = wrap(tiny(), "embed")
    assert evaluate(model, toy_split).js is None
    assert references(toy_split, model) == []
    assert "Tiny" in caplog.text
    assert "no model is retrained like it" in caplog.text
    with pytest.raises(
        RequestError, match="Tiny was wrapped without a factory, so no model is retrained like it"
    ):
        finish(Run("retrain", model, toy_split))


def test_a_comparison_by_key_has_the_wrapped_model_and_its_own_twins(toy_split, monkeypatch):
    monkeypatch.setattr("core.experiments.comparison.load", lambda *a, **k: toy_split.dataset)
    model = wrap(toys_trained(toy_split), "embed", make=Tiny, config=QUICK)
    compared = Comparison(Setup(classes=(1,), model=model.key), ["nothing"], [0], references=2)
    compared.finish()
    assert compared.errors == {}
    report = compared.cells["nothing", 0].judgement
    assert report.figures["train_f"].value == pytest.approx(evaluate(model.eval(), toy_split).train_f)
    assert len(compared.retrained[0]) == 2


def toys_trained(split) -> Tiny:
    module = tiny()
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    x, y = split.train.floats(slice(None)), split.train.y
    for _ in range(20):
        optimiser.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        optimiser.step()
    return module


def test_a_key_outlives_neither_its_model_nor_fits_other_images(digits, toy_split):
    model = wrap(tiny(), "embed")
    setup = Setup(classes=(1,), model=model.key)
    setup.split(toy_split.dataset)
    with pytest.raises(RequestError, match=r"Tiny.classify must return logits \(2, 10\) of two images"):
        setup.split(digits)
    with pytest.raises(RequestError, match="was not trained on labels or images that the Lab changes"):
        Setup(task="noise", classes=(1,), model=model.key).split(toy_split.dataset)
    del model
    with pytest.raises(RequestError, match="no model is wrapped as 'module-"):
        setup.split(toy_split.dataset)


class Branches(Tiny):
    def forward(self, x):
        return super().forward(x) if x.mean() > 0 else self.out(self.embed(x))


class Counts(Tiny):
    def forward(self, x):
        return self.out(self.embed(self.conv(x)[:, :, ::2, ::2].reshape(len(x), -1)))


class Drops(Tiny):
    def forward(self, x):
        return super().forward(functional.dropout(x, 0.5, training=self.training))


class Skips(Tiny):
    def forward(self, x):
        return super().forward(x) + self.conv(x).mean((1, 2, 3))[:, None]


class Pairs(Tiny):
    def forward(self, x):
        return super().forward(x), x


class Softmaxes(Tiny):
    def forward(self, x):
        return super().forward(x).softmax(1)


def broken() -> Tiny:
    module = tiny()
    module.out.bias.data[1] = float("nan")
    return module


WRONG = {
    "a pair": (
        lambda: wrap(Pairs(), "embed"),
        r"the forward of Pairs returns a tuple; let it return the logits",
    ),
    "float64": (
        lambda: wrap(tiny().double(), "embed"),
        r"conv.weight of Tiny is float64, .* give core.wrap module.float\(\)",
    ),
    "not a number": (
        lambda: wrap(broken(), "embed"),
        "out.bias of Tiny has values that are no finite numbers",
    ),
    "no module": (lambda: wrap(Tiny, "embed"), "core.wrap takes an nn.Module, got a type"),
    "no layer": (
        lambda: wrap(tiny(), "embedding"),
        "Tiny has no layer 'embedding'; there are: conv, norm, drop, embed, out",
    ),
    "the module itself": (lambda: wrap(tiny(), ""), "Tiny has no layer ''"),
    "nothing after it": (
        lambda: wrap(tiny(), "out"),
        "cannot be cut at layer 'out'.*possible layers are: conv, norm, embed$",
    ),
    "read later": (lambda: wrap(Skips(), "embed"), "later layers may read only its output"),
    "a branch": (lambda: wrap(Branches(), "embed"), "forward of Branches cannot be traced"),
    "len": (lambda: wrap(Counts(), "embed"), r"it calls len\(x\); write x.shape\[0\]"),
    "dropout": (lambda: wrap(Drops(), "embed"), "reads self.training.*nn.Dropout"),
    "no width": (
        lambda: wrap(tiny(), "norm"),
        r"width of layer 'norm' depends on the images; give core.wrap shape=",
    ),
    "a wrong shape": (
        lambda: wrap(tiny(), "norm", shape=(3, 8, 8)),
        r"Tiny cannot take images of shape \(3, 8, 8\)",
    ),
    "a module as factory": (lambda: wrap(tiny(), "embed", make=tiny()), "make must be a function"),
    "a factory with arguments": (
        lambda: wrap(tiny(), "embed", make=nn.Linear),
        "make cannot be called without arguments",
    ),
    "a factory of nothing": (
        lambda: wrap(tiny(), "embed", make=dict),
        "make must return an nn.Module, but returns a dict",
    ),
    "another net": (
        lambda: wrap(tiny(), "embed", make=lambda: Tiny(9)),
        r"embed.weight is \(9, 48\), and in the wrapped one \(6, 48\)",
    ),
    "a trained net": (lambda: wrap(m := tiny(), "embed", make=lambda: m), "make must return a new module"),
    "a trained transform": (
        lambda: wrap(tiny(), "embed", transform=nn.Linear(8, 8)),
        "transform has weights",
    ),
    "no transform": (lambda: wrap(tiny(), "embed", transform=3), "transform must be a function, got a int"),
    "a dict": (
        lambda: wrap(tiny(), "embed", config={"epochs": 3}),
        r"core.wrap takes a TrainConfig, got a dict; write TrainConfig\(\*\*settings\)",
    ),
}


@pytest.mark.parametrize(("ask", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_wrapped_is_told_in_one_sentence(ask, words):
    with pytest.raises((RequestError, ConfigError)) as caught:
        ask()
    assert re.search(words, str(caught.value))
    assert "\n" not in str(caught.value)


def test_probabilities_in_place_of_logits_are_told():
    with pytest.raises(RequestError, match="Softmaxes returns probabilities; let it return logits"):
        require_classifier(wrap(Softmaxes(), "embed"), (1, 8, 8), 4)


def test_the_wrapped_model_fulfils_the_protocol():
    require_classifier(wrap(tiny(), "embed"), (1, 8, 8), 4)
