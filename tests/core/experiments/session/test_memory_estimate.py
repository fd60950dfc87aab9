"""The memory estimate of a run is above the measured memory, and not far above; each run has its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from torch import nn

from core import wrap
from core.config import LAFConfig, replace
from core.errors import RequestError
from core.experiments.session import memory_estimate
from core.experiments.session.memory_estimate import (
    Memory,
    estimate,
    machine_mb,
    net_size,
    require_room,
    vae_numbers,
)
from core.models.registry import build
from core.models.vae import VAE
from core.runs.setup import Setup
from core.training.recipe import plan
from dashboard.cli.main import main

PROGRAM = """
import json, os, sys
import torch
torch.set_num_threads(1)
import scipy.stats, sklearn.linear_model, sklearn.datasets, sklearn.model_selection
from dataclasses import replace
from core import forget_classes, load
from core.runs.checkpoints import Checkpoints
from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
from core.runtime.device import peak_memory_mb
from core.data.images import Dataset, LabelledImages
from core.experiments.session.memory_estimate import estimate
from core.methods import METHODS
from core.evaluation.metrics import evaluate
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.models.registry import build

load("digits")
METHODS["laf"], METHODS["retrain"]
for case in sys.argv[1:]:
    child = os.fork()
    if not child:
        break
    assert os.waitpid(child, 0)[1] == 0, case
else:
    sys.exit()
count, latent, batch = map(int, case.split())
before = peak_memory_mb()
if count == 0:
    data = load("digits")
else:  # so many images of as many pixels as MNIST's, noise around a pattern for each class
    g = torch.Generator().manual_seed(0)
    patterns = torch.randint(0, 200, (10, 1, 28, 28), generator=g, dtype=torch.uint8)
    def part(n, first):
        y = torch.arange(n) % 10
        x = patterns[y] + torch.randint(0, 55, (n, 1, 28, 28), generator=g, dtype=torch.uint8)
        return LabelledImages(x, torch.arange(n) + first, 255, y)
    data = Dataset("generated", "Generated", tuple(map(str, range(10))), part(count, 0), part(count // 6, count), family="mnist")
split = forget_classes(data, [0], seed=0)
config = LAFConfig.preset(data.family, "class")
config = replace(config, epochs=1, steps=6, batch_size=batch, vae=replace(config.vae, latent=latent, epochs=1))
found = estimate(Setup(), split, config, references=1)
quick = replace(TrainConfig.preset(data.family, "class"), epochs=1)
model = build(quick.net, data.shape, 10, seed=0)  # training it holds no more than the retraining below
observer = Observer(split, model, EvalConfig.preset(data.family))
runs = [Run(METHODS["laf"](config), model, split, observer=observer, checkpoints=Checkpoints())]
runs.append(Run(METHODS["retrain"](quick), model, split))
for run in runs:
    finish(run)
evaluate(runs[0].result, split, references=[runs[1].result])
print(json.dumps({"estimate": found.total_mb, "parts": dict(found.parts), "measured": peak_memory_mb() - before}), flush=True)
"""


# images generated (0 stands for digits), latent dimensions, batch size: MB, twice what an idle machine measured
MOST = {(0, 8, 32): 300, (6_000, 8, 32): 750, (2_400, 8, 1024): 800, (2_400, 4096, 32): 700}


@pytest.fixture(scope="module")
def runs():
    """Return what each case of MOST estimated and measured; one process imports, and forks a child for each."""
    cases = [" ".join(map(str, case)) for case in MOST]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *cases], capture_output=True, text=True, check=True, timeout=300
    )
    return dict(zip(MOST, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs are forked")
@pytest.mark.parametrize(("case", "most"), MOST.items())
def test_the_estimate_is_above_what_is_measured_and_not_far(runs, case, most):
    """A system short of memory takes pages back, so this run's own peak is no bound."""
    found = runs[case]
    assert found["measured"] <= found["estimate"], found
    assert found["estimate"] <= most, found


@pytest.mark.parametrize("net", ["digits-cnn", "cnn", "resnet18", "cnn-deep"])
def test_a_net_is_measured(net):
    shape = (3, 32, 32) if net == "resnet18" else (1, 28, 28)
    model = build(net, shape, 10, seed=0)
    weights = sum(t.numel() for t in (*model.parameters(), *model.buffers()))
    found = net_size(net, shape, 10)
    assert (found.weights, found.width) == (weights, model.width)
    assert found.activations > model.width


@pytest.mark.parametrize(("width", "latent"), [(128, 8), (257, 4096), (3, 1)])
def test_a_vae_is_counted(width, latent):
    assert vae_numbers(width, latent) == sum(p.numel() for p in VAE(width, latent).parameters())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda c: replace(c, vae=replace(c.vae, latent=4096)), "VAEs"),
        (lambda c: replace(c, epochs=1000, batch_size=1), "steps"),
        (lambda c: replace(c, batch_size=1000), "batches"),
    ],
)
def test_more_is_estimated_where_more_is_asked_for(class_split, change, part):
    config = LAFConfig.preset("digits", "class")
    a, b = (estimate(Setup(), class_split, c) for c in (config, change(config)))
    assert b.parts[part] > 1.5 * a.parts[part]
    assert b.total_mb > a.total_mb


def test_automatic_settings_count_the_trials_models_and_the_net_that_their_recipe_plans(class_split):
    config, weights = LAFConfig.preset("digits", "class"), net_size("digits-cnn", (1, 8, 8), 10).weights
    preset, found = (estimate(Setup(settings=s), class_split, config) for s in ("preset", "automatic"))
    trials = found.parts["networks"] - preset.parts["networks"]
    assert trials == memory_estimate.MOST_TRIALS * 4 * weights
    large = replace(class_split.dataset.train, x=class_split.dataset.train.x.repeat(1, 1, 3, 3))
    data = replace(class_split.dataset, train=large, family="own-small")
    assert plan(data)[0].net == "cnn"
    planned = estimate(Setup(settings="automatic"), replace(class_split, dataset=data), config)
    assert planned.parts["networks"] > found.parts["networks"]


def test_the_sentence_names_the_largest_part_and_what_to_do():
    found = Memory({"process": 9e9, "images": 1e6, "batches": 2e9})
    with pytest.raises(RequestError) as refused:
        found.require(4000)
    assert str(refused.value) == (
        "this run would hold up to 11,001 MB of memory, most of it for batches, and the limit is 4,000 MB; choose smaller batches"
    )
    found.require(12_000)


def test_the_limit_is_a_share_of_the_container_where_that_is_less(tmp_path, monkeypatch):
    usual = machine_mb()
    limit = tmp_path / "memory.max"
    limit.write_text("1000000000\n")
    monkeypatch.setattr(memory_estimate, "_CGROUP", (str(limit),))
    assert machine_mb() == min(usual, 500.0)
    limit.write_text("max\n")
    assert machine_mb() >= usual


def test_a_classroom_has_a_smaller_limit(class_split):
    small = SimpleNamespace(states_mb=8, run_limit_mb=64.0)
    with pytest.raises(RequestError, match="the limit is 64 MB"):
        require_room(Setup(), class_split, LAFConfig.preset("digits", "class"), small)


def test_the_command_line_refuses_a_run_that_does_not_fit(monkeypatch, capsys):
    monkeypatch.setattr(memory_estimate, "machine_mb", lambda: 50.0)
    assert main(["run", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "this run would hold up to" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999999"])
def test_the_command_line_refuses_a_seed_that_is_none(seed, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--quiet", "--seed", seed])
    said = capsys.readouterr().err
    assert "--seed: must be a whole number from 0" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("made", [True, False])
def test_a_wrapped_module_is_estimated_by_its_own_size(toy_split, made):
    """It has no entry among the uploaded models, and without a factory no other is built to be measured."""

    def large() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3000), nn.Linear(3000, 4))

    model = wrap(large(), "1", make=large if made else None)
    weights = 65 * 3000 + 3001 * 4
    found = estimate(Setup("toy", model=model.key), toy_split, None, watched=False, references=0)
    plain = estimate(Setup("toy"), toy_split, None, watched=False, references=0)
    assert found.parts["networks"] == pytest.approx(
        4 * weights * (memory_estimate.COPIES + memory_estimate.TRAINING)
    )
    assert found.total_mb > plain.total_mb
    require_room(Setup("toy", model=model.key), toy_split, None)
