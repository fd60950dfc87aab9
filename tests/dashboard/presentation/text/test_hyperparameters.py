"""LAF's knobs: complete, in the page's words, and none of them lets a wrong value through."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from core.config import LAFConfig, LAFRConfig, VAEConfig
from core.errors import ConfigError
from core.methods import METHODS, preset_for
from core.methods.base import reason_against_change
from core.methods.baselines.neggrad import NegGradConfig
from core.methods.laf.laf import LAF
from dashboard.presentation.text.hyperparameters import (
    HYPERPARAMETERS,
    NEXT_RUN,
    NEXT_STEP,
    describe_changes,
    differences,
    hyperparameters_of,
    laf_config,
    with_values,
)

BASE = LAFConfig.preset("digits", "class")


def another(parameter, value):
    if parameter.choices is not None:
        return next(v for v in parameter.choices if v != value)
    return value + 1 if parameter.whole else value * 2


SPEED = {"learns", "most_remain", "most_forget", "precision"}  # chosen together, with the method


def test_all_settings_of_laf_have_a_knob_but_those_of_speed_and_the_batches():
    keys = {k.key for k in HYPERPARAMETERS} | {"steps"}
    left = {f.name for f in fields(LAFConfig)} - keys
    assert left == {"vae", "threads", "batch_size", *SPEED}
    assert {f"vae.{f.name}" for f in fields(VAEConfig)} - keys == {"vae.batch_size"}


@pytest.mark.parametrize("parameter", HYPERPARAMETERS, ids=lambda k: k.key)
def test_each_knob_counts_from_when_it_says(parameter):
    now = with_values(BASE, {parameter.key: another(parameter, parameter.of(BASE))})
    assert parameter.of(now) == another(parameter, parameter.of(BASE))
    refused = reason_against_change(LAF(BASE), BASE, now)
    assert (refused is None) == (parameter.when == NEXT_STEP)
    assert (refused is not None) == (parameter.when == NEXT_RUN)
    assert [d[0].key for d in differences(BASE, now)] == [parameter.key]
    assert parameter.help.endswith(".")


def test_what_was_changed_is_told_in_the_names_of_the_page():
    now = replace(BASE, lr_ra=1e-3, temperature=100.0, losses="ue")
    assert describe_changes(BASE, now) == "Step only both → L_UE, lr_RA 0.006 → 0.001, τ 15 → 100"
    assert describe_changes(BASE, BASE) == "nothing changed"


@pytest.mark.parametrize(
    ("values", "beginning"),
    [
        ({"temperature": 0.0}, "τ must be"),
        ({"lr_ue": -1.0}, "lr_UE must be"),
        ({"weight_repel": float("nan")}, "Weight of repel must be"),
        ({"vae.latent": 0}, "Latent size must be"),
        ({"vae.kl_weight": -0.1}, "KL weight must be"),
        ({"lr_ra": None}, "lr_RA is empty; it was 0.006"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_parameters_label(values, beginning):
    with pytest.raises(ConfigError) as error:
        with_values(BASE, values)
    assert str(error.value).startswith(beginning)
    assert "\n" not in str(error.value)


def test_the_repair_of_laf_r_is_kept_and_other_methods_have_no_hyperparameters():
    both = LAFRConfig(BASE)
    now = with_values(both, {"temperature": 3.0})
    assert (now.laf.temperature, now.repair) == (3.0, both.repair)
    assert describe_changes(both, now) == "τ 15 → 3"
    assert laf_config(NegGradConfig()) is None


def test_a_run_counted_in_steps_has_a_hyperparameter_for_them():
    counted = replace(BASE, steps=20)
    assert "steps" in {k.key for k in hyperparameters_of(counted)}
    assert "epochs" not in {k.key for k in hyperparameters_of(counted)}
    assert with_values(counted, {"steps": 30}).steps == 30


def test_mda_has_knobs_for_all_but_its_optimiser_and_batches():
    mda = preset_for("mda", "digits", "noise")
    keys = {k.key for k in hyperparameters_of(mda)} | {"epochs", "steps"}
    left = {f.name for f in fields(mda)} - keys
    assert left == {"batch_size", "optimiser", "momentum", "weight_decay", "threads"}
    for parameter in hyperparameters_of(mda):
        value = parameter.of(mda)
        plain = parameter.choices is None and not parameter.whole
        now = with_values(mda, {parameter.key: (value / 2 or 0.1) if plain else another(parameter, value)})
        assert [d[0] for d in differences(mda, now)] == [parameter]
        refused = reason_against_change(METHODS["mda"](mda), mda, now)
        assert (refused is None) == (parameter.when == NEXT_STEP)


def test_a_wrong_value_of_mda_is_told_by_its_label():
    with pytest.raises(ConfigError, match=r"^Weight of align must be .* Nothing was changed\.$"):
        with_values(preset_for("mda", "digits", "class"), {"weight_align": -1.0})
