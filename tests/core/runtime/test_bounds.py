"""Every number in settings has bounds, each config checks them when it is made, and usual values are inside."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import typing
from dataclasses import fields, is_dataclass, replace

import pytest

import core
from core.config import (
    EvalConfig,
    LAFConfig,
    LAFRConfig,
    RepairConfig,
    TrainConfig,
    VAEConfig,
    as_dict,
)
from core.errors import ConfigError, RequestError
from core.methods import METHODS
from core.methods.sisa import SISAConfig
from core.methods.unroll import UnrollConfig
from core.runs.setup import Setup
from core.runtime import bounds


def configs() -> list[type]:
    """Every frozen dataclass of core that is called a config, and the Setup."""
    for module in pkgutil.walk_packages(core.__path__, "core."):
        importlib.import_module(module.name)
    found = {
        made
        for name, module in sys.modules.items()
        if name.startswith("core.")
        for made in vars(module).values()
        if isinstance(made, type) and is_dataclass(made) and made.__name__.endswith("Config")
    }
    return sorted({*found, Setup}, key=lambda c: c.__qualname__)


CONFIGS = configs()


def numbers(config: type) -> list[str]:
    """Fields that may hold a number, by their own annotations and not by the table that is tested."""
    hints = typing.get_type_hints(config)
    return [
        f.name
        for f in fields(config)
        if {int, float} & {hints[f.name], *typing.get_args(hints[f.name])}
        and typing.get_origin(hints[f.name]) is not tuple
    ]


def wholes(config: type) -> list[str]:
    hints = typing.get_type_hints(config)
    return [n for n in numbers(config) if int in {hints[n], *typing.get_args(hints[n])}]


ALL = [(c, n) for c in CONFIGS for n in numbers(c)]


def test_the_walk_finds_the_configs_of_all_methods():
    mine = {made.Config for name in METHODS if hasattr(made := METHODS[name], "Config")}
    known = {
        EvalConfig,
        LAFConfig,
        LAFRConfig,
        RepairConfig,
        TrainConfig,
        VAEConfig,
        SISAConfig,
        UnrollConfig,
        Setup,
    }
    assert mine | known <= set(CONFIGS)
    assert len(ALL) > 100


def refused(config: type, name: str, wrong: object) -> str | None:
    """Return the refusal of ``wrong``; None where it is taken."""
    try:
        config(**{name: wrong})
    except ConfigError as error:
        return str(error)
    return None


def test_no_number_is_without_a_bound():
    assert {c.__name__: found for c in CONFIGS if (found := bounds.fields_without_bound(c))} == {}


@pytest.mark.parametrize(
    "wrong",
    [True, "7", float("nan"), float("inf"), -float("inf"), 10**31, -1, [], {}, 10**5000],
    ids=["bool", "word", "nan", "inf", "-inf", "huge", "negative", "list", "dict", "thousands of digits"],
)
def test_a_value_of_another_kind_or_size_is_refused_in_one_line(wrong):
    said = {(config.__name__, name): refused(config, name, wrong) for config, name in ALL}
    assert {
        field: text
        for field, text in said.items()
        if text is None or not text.startswith(f"{field[1]} must ") or "\n" in text or len(text) >= 200
    } == {}


@pytest.mark.parametrize("wrong", [1.0, 1.5, 1e30])
def test_a_whole_number_is_no_fraction(wrong):
    said = {(c.__name__, n): refused(c, n, wrong) for c in CONFIGS for n in wholes(c)}
    assert {field: text for field, text in said.items() if text is None or field[1] not in text} == {}


@pytest.mark.parametrize(
    ("config", "values", "said"),
    [
        (TrainConfig, {"threads": 40000}, "threads must be at most 256, got 40000"),
        (VAEConfig, {"latent": 200000}, "latent must be at most 4,096, got 200000"),
        (LAFConfig, {"epochs": 10**30}, "epochs must be at most 10,000, got 1000000000000000000000000000000"),
        (LAFConfig, {"vae": {"latent": 8}}, "vae must be a VAEConfig, got {'latent': 8}"),
        (LAFConfig, {"bounded": 1}, "bounded must be true or false, got 1"),
        (LAFConfig, {"schedule": ["joint"]}, "schedule must be a word, got ['joint']"),
        (TrainConfig, {"net": 7}, "net must be a word, got 7"),
        (RepairConfig, {"share": 1.5}, "share must lie in (0, 1], got 1.5"),
        (SISAConfig, {"train": 3}, "train must be a TrainConfig, got 3"),
    ],
)
def test_the_sentence_says_what_would_be_right(config, values, said):
    with pytest.raises(ConfigError) as caught:
        config(**values)
    assert str(caught.value) == said


# what people use lies inside


def test_what_researchers_use_is_inside():
    TrainConfig(net="resnet18", epochs=1000, batch_size=8192, threads=64)
    VAEConfig(latent=1024, epochs=5000, batch_size=65536)
    LAFConfig(epochs=10_000, steps=1_000_000, temperature=100.0, lr_ue=1e-9, most_remain=1_200_000)
    EvalConfig(frames=1000, max_points=60_000, max_test=100_000)


def test_bounds_of_a_base_class_hold_in_its_subclasses():
    for name in METHODS:
        made = getattr(METHODS[name], "Config", None)
        if made is not None and "epochs" in {f.name for f in fields(made)}:
            with pytest.raises(ConfigError, match="epochs must be at most 10,000"):
                made(epochs=10_001)


# a Setup


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": 2**31}, "seed must be at most 2,147,483,647, got 2147483648"),
        ({"seed": True}, "seed must be a whole number"),
        ({"fraction": float("nan")}, "fraction must lie between 0 and 1, both excluded, got nan"),
        ({"share": 0.0}, "share must lie in (0, 1], got 0.0"),
        ({"ids": (1, -2)}, "ids must be whole numbers from 0 up, got -2"),
        ({"ids": (True,)}, "ids must be whole numbers from 0 up, got True"),
        ({"ids": (2**63,)}, "ids must be whole numbers from 0 up"),
        ({"classes": (0, 1.5)}, "classes must be whole numbers or names, got 1.5"),
        ({"dataset": 7}, "dataset must be a word, got 7"),
        ({"model": 7}, "model must be a word, got 7"),
        ({"task": None}, "task must be a word, got None"),
    ],
)
def test_a_setup_refuses_what_cannot_be(values, said):
    with pytest.raises(RequestError) as caught:
        Setup(**values)
    assert str(caught.value).startswith(said)
    with pytest.raises(RequestError):
        replace(Setup(), **values)


def test_a_setup_takes_all_seeds_that_the_page_and_a_study_offer():
    assert Setup(seed=2**31 - 1).seed == 2**31 - 1


def test_settings_are_the_same_values_after_the_check():
    assert as_dict(LAFConfig())["temperature"] == 20.0
    assert LAFConfig(temperature=15).temperature == 15
