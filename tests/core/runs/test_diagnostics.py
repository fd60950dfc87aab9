"""Each alarm by settings that truly fail on digits, and none by the presets; real runs, no made-up curves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from core.config import EvalConfig, LAFConfig
from core.errors import LabError
from core.methods import LAF, preset_for
from core.methods.baselines.label_free.mda import MDA
from core.runs import diagnostics as module
from core.runs.diagnostics import Alarm, alarms
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.run import Run
from core.runtime.progress import run_to_end

pytestmark = pytest.mark.slow

PRESET = LAFConfig.preset("digits", "class")
DATA = LAFConfig.preset("digits", "data")
# Enough images for every alarm, in a third of the time.
FEW = replace(EvalConfig.preset("digits"), max_points=400, max_test=200)


@pytest.fixture(scope="module")
def lab(class_split, digits_model):
    """Plays settings on class 0, each once, and gives the run and its alarms, with three retrained models."""
    observer = Observer(class_split, digits_model, FEW, seed=0)
    theirs = [observer.look(r.model).reading for r in references(class_split, digits_model, count=3, seed=0)]
    return cache(lambda config, seed=0: played(class_split, digits_model, observer, theirs, config, seed))


@pytest.fixture(scope="module")
def data_lab(data_split):
    """The same for data removal."""
    model = run_to_end(original(data_split))
    observer = Observer(data_split, model, FEW, seed=0)
    theirs = [observer.look(r.model).reading for r in references(data_split, model, count=3, seed=0)]
    return lambda config: played(data_split, model, observer, theirs, config)


def played(split, model, observer, theirs, config, seed=0):
    method = LAF(config) if isinstance(config, LAFConfig) else MDA(config)
    run = Run(method, model, split, seed=seed, observer=observer)
    try:
        while run.advance():
            pass
    except LabError:
        pass
    return run, alarms(run, theirs)


def named(found: list[Alarm], name: str) -> Alarm:
    assert name in [a.name for a in found], [(a.name, a.began, a.until) for a in found]
    return next(a for a in found if a.name == name)


def test_the_preset_of_class_removal_raises_no_alarm(lab):
    assert [lab(PRESET, seed)[1] for seed in range(2)] == [[], []]


def test_the_variants_preset_raises_no_alarm_and_its_collapse_has_its_own_advice(lab):
    """MDA has no τ, so LAF's advice would mean nothing there."""
    preset = preset_for("mda", "digits", "class")
    assert lab(preset)[1] == []
    assert named(lab(replace(preset, lr=0.1))[1], "Collapse").advice == MDA.advice["Collapse"]


def test_l_ue_alone_falls_without_forgetting(lab):
    run, found = lab(replace(PRESET, losses="ue"))
    alarm = named(found, "Collapse")
    assert 0 < alarm.began < run.total_steps
    assert alarm.until is None
    assert "L_UE alone" in alarm.advice
    assert run.frames[-1].reading.train_f > 0.9


def test_a_joint_step_and_a_low_temperature_wreck_the_model(lab):
    joint = replace(PRESET, schedule="joint", lr_ue=3 * PRESET.lr_ue, lr_ra=3 * PRESET.lr_ra)
    assert "sum" in named(lab(joint)[1], "Collapse").advice
    assert "τ" in named(lab(replace(PRESET, temperature=0.3))[1], "Collapse").advice
    assert named(lab(replace(PRESET, temperature=1.0))[1], "Collapse").until is not None  # it recovers


def test_a_high_temperature_lets_the_losses_cancel(lab):
    run, found = lab(replace(PRESET, temperature=100.0))
    alarm = named(found, "Cancellation")
    at = next(f for f in run.frames if f.step == alarm.began)
    assert at.reading.train_f > 0.95
    assert {"ue", "ra"} <= set(at.record.moves)
    assert alarm.until is not None  # here it begins to forget in the last quarter
    assert alarm.at(alarm.began)
    assert not alarm.at(alarm.until)


def test_equal_rates_are_in_conflict_from_the_beginning(lab):
    run, found = lab(replace(PRESET, lr_ra=PRESET.lr_ue))
    alarm = named(found, "Conflict")
    assert alarm.began <= 2
    cosines = [s.grad_cosine for s in run.steps[: module.WINDOW]]
    assert np.mean(cosines) < module.CONFLICT


def test_rates_that_move_nothing_stall(lab):
    run, found = lab(replace(PRESET, lr_ue=1e-7, lr_ra=1e-7))
    assert "lr_UE and lr_RA" in named(found, "Stalled").advice
    assert run.frames[-1].reading.train_f == 1.0


def test_a_vae_with_a_tiny_rate_never_improves(lab):
    slow = named(lab(replace(PRESET, vae=replace(PRESET.vae, lr=1e-6)))[1], "VAE never improves")
    assert slow.began == 0


def test_a_vae_with_a_huge_rate_diverges_and_the_step_without_a_number_is_named(lab):
    """How far a rate must go is a matter of rounding, so one rate and seed or another must show each."""
    played = [
        lab(replace(PRESET, vae=replace(PRESET.vae, lr=lr)), seed) for seed in range(2) for lr in (0.07, 0.1)
    ]
    curves = [
        run.progress["vae_f"].curve
        for run, found in played
        if "vae_f" in run.progress and [a.began for a in found if a.name == "VAE diverges"]
    ]
    assert any(len(curve) == PRESET.vae.epochs and max(curve) > 1e6 for curve in curves)
    broken = [(run, found) for run, found in played if run.error is not None and run.steps]
    assert broken
    for run, found in broken:
        assert named(found, "NaN").began == run.error.step > 0


def test_a_loss_that_is_no_number_is_named_with_its_stage(lab):
    run, found = lab(replace(PRESET, vae=replace(PRESET.vae, lr=1.0)))
    alarm = named(found, "NaN")
    assert str(run.error).startswith(alarm.sentence.rstrip(".")[0].lower())
    assert alarm.began == 0
    assert "lr" in alarm.advice


def test_vaes_that_learnt_little_and_weak_repair_send_the_class_to_one_answer(lab):
    """Which answer all share, and for how long, is a matter of rounding, so one seed or another must show it."""
    weak = replace(PRESET, vae=replace(PRESET.vae, lr=1e-4), lr_ra=PRESET.lr_ra / 4, temperature=5.0)
    runs = (lab(weak, seed) for seed in range(6))
    run, found = next((run, found) for run, found in runs if "One answer" in [a.name for a in found])
    alarm = named(found, "One answer")
    at = next(f for f in run.frames if f.step == alarm.began)
    assert at.reading.commonest_share > 0.8
    assert at.reading.train_f < 0.05


def test_a_low_temperature_forgets_data_that_retrained_models_recognise(data_lab):
    run, found = data_lab(replace(DATA, temperature=1.0))
    assert named(found, "Over-forgetting").until is None
    assert run.frames[-1].reading.train_f < 0.5


def test_without_retrained_models_nothing_is_said_that_needs_them(lab):
    run, _ = lab(replace(PRESET, vae=replace(PRESET.vae, lr=1e-4)))
    assert not {"One answer", "Over-forgetting", "Stalled", "Cancellation"} & {a.name for a in alarms(run)}


def test_every_alarm_says_since_when_and_what_to_try(lab):
    for config in (replace(PRESET, losses="ue"), replace(PRESET, temperature=100.0)):
        run, found = lab(config)
        for a in found:
            assert 0 <= a.began <= run.total_steps
            assert a.sentence.endswith(".")
            assert a.advice.endswith(".")
