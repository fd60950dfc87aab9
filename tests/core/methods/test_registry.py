"""Every method in the registry, played by an Experiment and in the terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from core import config
from core.config import EvalConfig
from core.experiments.session.experiment import Experiment
from core.methods import METHODS, origin_of
from core.methods.base import has_own_original
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.cli import main
from tests import toys
from tests.waiting import until

NAMES = list(METHODS)


# an Experiment
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_plays_every_method_step_by_step(name, toy_world):
    made = Experiment(
        Setup("toy", "class", (1,), device="cpu", method=name),
        Scheduler(workers=1),
        umap=toys.Flat(),
        config=toys.quick(name).config,
        eval_config=EvalConfig(),
        reference_count=2,
    )
    try:
        made.start()
        until(lambda: made.run is not None or made.error)
        assert made.error is None, made.error
        assert made.model.width == made.projection.representations.shape[1]
        if made.run.total_steps > 1:
            made.play(1)
            until(lambda: made.run.phase is Phase.PAUSED)
            assert len(made.run.frames) == 2
        made.play()
        until(lambda: made.run.phase.over)
        assert made.run.error is None
        until(lambda: len(made.references) == 2)
        for reference in made.references:
            assert made.retrain_error is None
            assert reference.frame.positions.shape == made.projection.positions.shape
            assert reference.fit is None or -1 <= reference.fit <= 1
        turned = [r.fit is not None for r in made.references]
        assert turned == [has_own_original(METHODS[name]), True], (
            "only the first began where the original did"
        )
        assert all(np.isfinite(f.positions).all() for f in made.run.frames)
        made.want_follow()
        until(lambda: made.follow is not None and len(made.follow.positions) == len(made.run.frames))
        steps = made.run.steps
        made.reset()
        made.play(1)
        until(lambda: made.run.phase in (Phase.PAUSED, Phase.DONE))
        assert made.run.steps == steps[:1]
        if not made.run.phase.over:
            made.run.cancel()
            assert made.run.tick() is False
    finally:
        made.close()


def test_a_method_with_its_own_original_and_a_brought_model_is_one_sentence(
    toy_world, monkeypatch, toy_split
):
    monkeypatch.setattr(Setup, "split", lambda *a: toy_split)
    setup = Setup("toy", "class", (1,), device="cpu", method="sisa", model="mine")
    made = Experiment(setup, Scheduler(workers=1), umap=toys.Flat())
    made.start()
    until(lambda: made.error)
    assert str(made.error) == "SISA must train its own original; choose no model, or another method"
    made.close()


# the terminal
def _quick(name):
    """Return quick settings, of those that the method has."""
    has = {field.name for field in fields(METHODS[name].Config)}
    return {key: value for key, value in {"epochs": 1, "lr": 1e-4}.items() if key in has}


@pytest.mark.parametrize("name", NAMES)
def test_laf_run_plays_every_method(name, monkeypatch, capsys, tmp_path):
    laf = config._LAF["digits", "class"]
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
    monkeypatch.setitem(
        config._LAF, ("digits", "class"), replace(laf, epochs=1, vae=replace(laf.vae, epochs=1))
    )
    if name not in ("nothing", "retrain", "laf", "laf+r", "sisa", "unroll"):
        monkeypatch.setitem(
            sys.modules["core.methods.presets"].TUNED, (name, "digits", "class"), _quick(name)
        )
    target = tmp_path / "out.json"
    argv = ["run", "--method", name, "--settings", "preset", "--json", str(target), "--device", "cpu"]
    assert main.main(argv) == 0
    out = capsys.readouterr().out
    result = json.loads(target.read_text())
    assert result["method"] == name
    assert 0 <= result["metrics"]["unlearned"]["train_r"] <= 1
    assert f"settings: preset, {origin_of(name, 'digits', 'class')}" in out


def test_a_model_for_a_method_with_its_own_original_is_refused_before_any_work(capsys):
    assert main.main(["run", "--method", "unroll", "--model", "m.safetensors", "--arch", "resnet18"]) == 2
    assert (
        capsys.readouterr().err
        == "laf: Unrolling SGD must train its own original; choose no model, or another method\n"
    )
