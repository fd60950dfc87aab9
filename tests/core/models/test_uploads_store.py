"""Uploaded models that are kept, and their use: retraining, LAF, an experiment, the command line."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core import METHODS, Run, finish, forget_classes
from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
from core.data import registry
from core.errors import DataError, RequestError
from core.experiments.session.experiment import Experiment
from core.models.registry import build
from core.models.torchvision_based.torchvision_net import layers
from core.models.uploads import check, keep, kept_models, load_uploaded_model, remove_model
from core.models.uploads.weights import read
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.cli.main import main
from tests import toys
from tests.core.models.uploaded import ARCH

pytestmark = pytest.mark.usefixtures("own_home")


def test_it_is_kept_by_content_listed_loaded_and_removed(data, weights, tmp_path):
    save_file({k: v.clone() for k, v in read(weights, "").items()}, tmp_path / "w.safetensors")
    own = check(ARCH, "mean", tmp_path / "w.safetensors", data)
    assert keep(own) == keep(check(ARCH, "mean", weights, data)) == own.key
    assert check(ARCH, "conv5.2", weights, data).key != own.key
    assert kept_models()[own.key].net == own.about.net == f"tv:{ARCH}@mean"
    model = load_uploaded_model(own.key, data)
    assert toys.same(model.state_dict(), own.model.state_dict())
    assert not model.training
    made = model.provenance
    assert (made.net, made.given, made.config.net) == (f"tv:{ARCH}@mean", own.key, f"tv:{ARCH}@mean")
    remove_model(own.key)
    remove_model(own.key)
    assert kept_models() == {}
    with pytest.raises(RequestError, match="no model is kept as"):
        load_uploaded_model(own.key, data)


def test_a_kept_model_that_does_not_fit_the_data_is_refused(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    with pytest.raises(RequestError, match="4 classes and Toy has 3"):
        load_uploaded_model(key, replace(data, classes=("a", "b", "c")))
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
        load_uploaded_model(key, data)
    assert str(path) in str(caught.value)


def test_retraining_it_begins_with_the_runs_seed(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    model, split = load_uploaded_model(key, data), forget_classes(data, [1])
    unlearner = METHODS["retrain"]()
    unlearner.configure(model, split)
    state = unlearner.start(model, split, seed=3)
    assert toys.same(state.model.state_dict(), build(f"tv:{ARCH}@mean", (3, 32, 32), 4, seed=3).state_dict())


def test_laf_moves_its_extractor_alone_and_repeats_to_the_bit(data, weights):
    key = keep(check(ARCH, "mean", weights, data))
    split = forget_classes(data, [1])
    config = LAFConfig(steps=2, lr_ue=1e-4, lr_ra=1e-3, batch_size=10, vae=VAEConfig(epochs=2))
    model = load_uploaded_model(key, data)
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
