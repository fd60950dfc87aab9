"""A model somebody brings: its file, its layer, what it can do, and a whole experiment with it."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save, save_file
from torch.nn import functional

from core import METHODS, Run, finish, forget_classes
from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
from core.data import registry
from core.errors import DataError, RequestError
from core.experiments.session.experiment import Experiment
from core.models import uploads
from core.models.base import Classifier, outputs
from core.models.registry import build
from core.models.torchvision_net import TorchvisionNet, layers
from core.models.upload_weights import read
from core.models.uploads import check, keep, kept_models, layer_names, load_own_model, remove_model
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from core.training.supervised import copy_of
from dashboard.cli.main import main
from tests import toys

ARCH = "shufflenet_v2_x0_5"  # small, and takes images of 32x32


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def data():
    """The toy's four patterns, in colour and 32x32."""
    small = toys.dataset(per_class=20, per_class_test=10)

    def larger(part):
        x = part.x.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat(1, 3, 1, 1)
        return replace(part, x=x)

    return replace(small, train=larger(small.train), test=larger(small.test), family="own-colour")


@pytest.fixture(scope="module")
def trained(data):
    """torchvision's own net, trained by a plain loop that knows nothing of the Lab."""
    torch.manual_seed(0)
    net = torchvision.models.get_model(ARCH, num_classes=4)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    x, y = data.train.x.float() / 16, data.train.y
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(20):
            loss = functional.cross_entropy(net(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net.eval()


@pytest.fixture(scope="module")
def weights(trained):
    return save(trained.state_dict())


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
    assert (size, found[-1].shape) == (224, (768,))
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
        RequestError, lambda t: t.update({"fc.weight": torch.ones(7, 1024)}), "fc.weight is 7x1024, not 4x1024",
    ),
    "not finite": (DataError, lambda t: t["fc.bias"].fill_(float("nan")), "not finite, in fc.bias"),
    "a pickle": (DataError, pickle.dumps({"fc.bias": 1}), "not a whole safetensors file"),
    "cut off": (DataError, None, "not a whole safetensors file"),
    "nothing": (DataError, b"", "not a whole safetensors file"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(
    data, weights, kind, change, words, monkeypatch
):
    monkeypatch.setattr(uploads, "WIDEST", 4000)
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


# kept


def test_it_is_kept_by_content_listed_loaded_and_removed(data, weights, tmp_path):
    save_file({k: v.clone() for k, v in read(weights, "").items()}, tmp_path / "w.safetensors")
    own = check(ARCH, "mean", tmp_path / "w.safetensors", data)
    assert keep(own) == keep(check(ARCH, "mean", weights, data)) == own.key
    assert check(ARCH, "conv5.2", weights, data).key != own.key
    assert kept_models()[own.key].net == own.about.net == f"tv:{ARCH}@mean"
    model = load_own_model(own.key, data)
    assert toys.same(model.state_dict(), own.model.state_dict())
    assert not model.training
    made = model.provenance
    assert (made.net, made.given, made.config.net) == (f"tv:{ARCH}@mean", own.key, f"tv:{ARCH}@mean")
    remove_model(own.key)
    remove_model(own.key)
    assert kept_models() == {}
    with pytest.raises(RequestError, match="no model is kept as"):
        load_own_model(own.key, data)


def test_a_kept_model_that_does_not_fit_the_data_is_refused(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    with pytest.raises(RequestError, match="4 classes and Toy has 3"):
        load_own_model(key, replace(data, classes=("a", "b", "c")))
    with pytest.raises(RequestError, match="checked on images of 3x32x32, those of Toy are 1x8x8"):
        Setup("toy", model=key).split(toys.dataset())
    with pytest.raises(RequestError, match="not trained on labels or images that the Lab changes"):
        Setup("toy", "noise", (0,), 0.5, model=key).split(data)
    with pytest.raises(RequestError, match="no model is kept"):
        Setup("toy", model="../../etc/passwd").split(data)


def test_a_broken_file_is_left_out_of_the_list_and_named_when_asked_for(data, weights, tmp_path):
    key = keep(check(ARCH, "mean", weights, data))
    path = tmp_path / "home" / "own-models" / f"{key}.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    assert kept_models() == {}
    with pytest.raises(DataError, match="is not a readable model") as caught:
        load_own_model(key, data)
    assert str(path) in str(caught.value)


# used


def test_retraining_it_begins_with_the_runs_seed(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    model, split = load_own_model(key, data), forget_classes(data, [1])
    unlearner = METHODS["retrain"]()
    unlearner.configure(model, split)
    state = unlearner.start(model, split, seed=3)
    assert toys.same(state.model.state_dict(), build(f"tv:{ARCH}@mean", (3, 32, 32), 4, seed=3).state_dict())


def test_laf_moves_its_extractor_alone_and_repeats_to_the_bit(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    split = forget_classes(data, [1])
    config = LAFConfig(steps=2, lr_ue=1e-4, lr_ra=1e-3, batch_size=10, vae=VAEConfig(epochs=2))
    model = load_own_model(key, data)
    runs = [Run(METHODS["laf"](config), model, split, seed=0) for _ in range(2)]
    a, b = (finish(run) for run in runs)
    assert toys.same(a.state_dict(), b.state_dict())
    assert runs[0].steps == runs[1].steps
    assert not toys.same(a.extractor.state_dict(), model.extractor.state_dict())
    assert toys.same(a.head.state_dict(), model.head.state_dict())
    moving = [k for k in a.state_dict() if "running" in k]
    assert moving
    assert all(torch.equal(a.state_dict()[k], model.state_dict()[k]) for k in moving)


@pytest.mark.slow
def test_a_whole_experiment_shows_retraining_turned_into_its_coordinates(data, weights, monkeypatch):
    monkeypatch.setitem(registry.DATASETS, "toy", registry.Source("Toy", "", lambda _: data))
    registry._load.cache_clear()
    key = keep(check(ARCH, "mean", weights, data))
    runner = Scheduler(1)
    config = LAFConfig(steps=2, batch_size=10, vae=VAEConfig(epochs=1))
    experiment = Experiment(
        Setup("toy", classes=(1,), model=key, device="cpu"), runner, config=config, eval_config=EvalConfig()
    )
    experiment.start()
    deadline = time.monotonic() + 200
    while not experiment.references and time.monotonic() < deadline:
        assert experiment.error is None, experiment.error
        assert experiment.retrain_error is None, experiment.retrain_error
        time.sleep(0.1)
    (reference,) = experiment.references
    assert experiment.model.provenance.given == key
    e0 = experiment.observer.original.train.representations.numpy()
    plain = experiment.observer.evaluator.measure(reference.model).train.representations.numpy()
    turned = reference.frame.representations.astype(np.float32)

    def cosine(a):
        return float(((a * e0).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(e0, axis=1)).mean())

    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(plain, axis=1), rtol=1e-2)
    assert cosine(turned) > cosine(plain)
    assert -1 <= reference.fit <= 1
    experiment.close()
    runner.close()


def test_cutting_a_net_disturbs_no_other_thread():
    """fx patches every module of the process while it traces."""
    other = build("digits-cnn", (1, 8, 8), 10, seed=0)
    x, stop, wrong = torch.rand(4, 1, 8, 8), threading.Event(), []
    with torch.no_grad():
        expected = other(x)

    def work():
        with torch.no_grad():
            while not stop.is_set():
                try:
                    if not torch.equal(other(x), expected):
                        wrong.append("another answer")
                except Exception as error:
                    wrong.append(repr(error))

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(3):
        layers("densenet121", (3, 32, 32), 10)
    stop.set()
    thread.join()
    assert wrong == []


def test_the_file_beside_the_weights_is_plain(data, weights, tmp_path):
    key = keep(check(ARCH, "mean", weights, data))
    raw = (tmp_path / "home" / "own-models" / f"{key}.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert "laf" in header["__metadata__"]
    assert os.listdir(tmp_path / "home" / "own-models") == [f"{key}.safetensors"]


def test_the_command_line_takes_a_model(data, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(registry.DATASETS, "toy", registry.Source("Toy", "", lambda _: data))
    registry._load.cache_clear()
    file = tmp_path / "mine.safetensors"
    file.write_bytes(weights)
    monkeypatch.setattr(
        LAFConfig, "preset", classmethod(lambda *_: LAFConfig(steps=1, batch_size=8, vae=VAEConfig(epochs=1)))
    )
    quick = TrainConfig("resnet18", epochs=1, batch_size=40)
    monkeypatch.setattr(TrainConfig, "preset", classmethod(lambda *_: quick))
    asked = [
        "run",
        "--dataset",
        "toy",
        "--model",
        str(file),
        "--arch",
        ARCH,
        "--layer",
        "mean",
        "--json",
        str(tmp_path / "o.json"),
    ]
    assert main(asked) == 0
    found = json.loads((tmp_path / "o.json").read_text())
    own = check(ARCH, "mean", weights, data)
    assert found["metrics"]["original"]["test"] == pytest.approx(own.about.test.share)
    assert found["seconds"]["train"] == 0
    assert "mine.safetensors: tv:shufflenet_v2_x0_5@mean, " in capsys.readouterr().err
    assert kept_models() == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--arch", "resnet18"], "name its file with --model"),
        (["--model", "x.safetensors"], "--model needs --arch"),
        (["--model", "x.safetensors", "--arch", "resnet18"], "x.safetensors cannot be read"),
    ],
)
def test_options_of_a_model_that_do_not_go_together(options, words, capsys):
    assert main(["run", *options]) in (1, 2)
    assert words in capsys.readouterr().err
