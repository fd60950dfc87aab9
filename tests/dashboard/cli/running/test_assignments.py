"""``--set FIELD=VALUE``: any field of a method's settings, or a sentence."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from core import LAFConfig
from core.config import LAFRConfig
from core.errors import RequestError
from core.experiments.studies.parameters import settings_of
from core.methods import METHODS, preset_for
from dashboard.cli.running.assignments import with_set

PRESET = LAFConfig.preset("digits", "class")


def test_numbers_words_and_truths_are_set_by_name():
    found = with_set(
        PRESET, ["lr_ra=3e-3", "steps=80", "schedule=joint", "bounded=false", "vae.latent=16", "threads=2"]
    )
    assert (found.lr_ra, found.steps, found.schedule, found.bounded) == (3e-3, 80, "joint", False)
    assert (found.vae.latent, found.threads) == (16, 2)
    assert with_set(PRESET, []) is PRESET


@pytest.mark.parametrize("name", list(METHODS))
def test_every_field_of_every_method_is_known(name):
    config = preset_for(name, "digits", "class")
    assert is_dataclass(config)
    for field, value in settings_of(config).items():
        if value is not None and not isinstance(value, tuple):
            with_set(config, [f"{field}={value}"])
    if any(f.name == "threads" for f in fields(config)):
        assert with_set(config, ["threads=2"]).threads == 2


def test_the_fields_of_laf_go_by_their_own_names_in_laf_r():
    assert with_set(LAFRConfig.preset("digits", "class"), ["lr_ra=3e-3"]).laf.lr_ra == 3e-3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lr_ra", "takes FIELD=VALUE"),
        ("=3", "takes FIELD=VALUE"),
        ("lr_ra=", "takes FIELD=VALUE"),
        ("learning_rate=3", r"no setting of this method; its settings are: .*lr_ue, lr_ra"),
        ("lr_ra=fast", "lr_ra is a number"),
        ("lr_ra=nan", "lr_ra"),
        ("lr_ra=-1", "lr_ra"),
        ("epochs=2.5", "epochs"),
        ("epochs=99999999999", "epochs"),
        ("threads=40000", "threads"),
        ("threads=x", "threads"),
        ("vae.latent=0", "latent"),
        ("schedule=[1]", "schedule"),
        ("a" * 5000 + "=1", "no setting"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(words, said):
    with pytest.raises(RequestError, match=said) as raised:
        with_set(PRESET, [words])
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


def test_a_field_named_twice_and_a_method_without_settings_are_refused():
    with pytest.raises(RequestError, match="twice"):
        with_set(PRESET, ["lr_ra=1e-3", "lr_ra=2e-3"])
    with pytest.raises(RequestError, match="has none"):
        with_set(None, ["lr_ra=1e-3"])
