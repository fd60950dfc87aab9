"""Runs whose original no usual training gives: opened again in a process that knows only their files."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core import wrap
from core.errors import StoreError
from core.methods import LAF
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import open_run, record, stop_run
from core.runs.storage.originals import keep_original, kept_original
from core.runs.storage.serialization import weights_key
from core.runtime.content_cache import models
from core.training.supervised import train
from tests import toys

SETUP = Setup(dataset="toy", classes=(1,), device="cpu")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr("core.data.registry.load", lambda *_, **__: toys.dataset())
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)  # the toy has no preset
    models._memory.clear()
    return tmp_path


def files(home) -> int:
    return len(list((home / "models").glob("*.safetensors"))) if (home / "models").exists() else 0


def test_a_run_recorded_from_python_opens_with_the_model_it_began_with(toy_split, toy_model, home):
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    kept = record(run, SETUP)
    finish(run)
    stop_run(run)
    models._memory.clear()  # another process has none of it
    found = open_run(kept.id)
    assert weights_key(found.stepper.model) == weights_key(toy_model)
    assert found.stepper.model.provenance.config == toys.TRAIN
    assert toys.same(toys.weights(found.result), toys.weights(run.result))
    stop_run(found)
    assert files(home) == 1


def test_a_kept_model_stays_as_it_was_when_the_caller_trains_on(toy_split, home):
    model = train(toy_split, seed=1, config=replace(toys.TRAIN, epochs=1))
    before, weights = weights_key(model), toys.weights(model)
    keep_original(model, toy_split)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    assert toys.same(toys.weights(kept_original(before, toy_split, "cpu")), weights)
    assert kept_original(weights_key(model), toy_split, "cpu") is None


def test_the_usual_original_and_models_of_the_callers_own_are_not_kept_twice(toy_split, toy_model, home):
    from core.runs.original_models import original_key

    provenance = toy_model.provenance
    key = original_key(toy_split, provenance.config, provenance.seed, "cpu")
    models.put(key, {"weights": toy_model.state_dict(), "seconds": 0.0})
    keep_original(toy_model, toy_split)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6), torch.nn.Linear(6, 4))
    keep_original(wrap(module, "1"), toy_split)
    keep_original(torch.nn.Linear(2, 2), toy_split)  # trained nowhere that is known
    assert files(home) == 1


def test_a_model_of_an_unknown_version_is_one_sentence(toy_split, toy_model):
    keep_original(toy_model, toy_split)
    (kept,) = models._memory.values()
    kept["config"]["momentum"] = 0.9
    with pytest.raises(StoreError, match="momentum"):
        kept_original(weights_key(toy_model), toy_split, "cpu")
