"""Settings are checked when they are made, and presets exist."""

from __future__ import annotations

from dataclasses import fields

import pytest

from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
from core.errors import ConfigError, RequestError

WRONG = [
    (TrainConfig, {"epochs": 0}, "epochs"),
    (TrainConfig, {"epochs": 1.5}, "epochs"),
    (TrainConfig, {"batch_size": True}, "batch_size"),
    (TrainConfig, {"lr": 0}, "lr"),
    (TrainConfig, {"lr": float("nan")}, "lr"),
    (TrainConfig, {"weight_decay": -1}, "weight_decay"),
    (TrainConfig, {"threads": 0}, "threads"),
    (VAEConfig, {"latent": 0}, "latent"),
    (VAEConfig, {"kl_weight": float("inf")}, "kl_weight"),
    (VAEConfig, {"output": "tanh"}, "tanh"),
    (LAFConfig, {"lr_ue": float("inf")}, "lr_ue"),
    (LAFConfig, {"lr_ra": -1}, "lr_ra"),
    (LAFConfig, {"temperature": 0}, "temperature"),
    (LAFConfig, {"batch_size": -3}, "batch_size"),
    (EvalConfig, {"max_points": 0}, "max_points"),
]


@pytest.mark.parametrize(("config", "values", "word"), WRONG)
def test_a_setting_out_of_range_is_refused_and_quoted(config, values, word):
    with pytest.raises(ConfigError, match=word) as caught:
        config(**values)
    assert repr(next(iter(values.values()))) in str(caught.value)


@pytest.mark.parametrize("config", [TrainConfig, VAEConfig, LAFConfig, EvalConfig])
def test_settings_are_frozen(config):
    made = config()
    with pytest.raises(AttributeError):
        setattr(made, fields(made)[0].name, 1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: TrainConfig.preset("imagenet"),
        lambda: LAFConfig.preset("digits", "undo"),
        lambda: LAFConfig.preset("imagenet", "class"),
    ],
)
def test_a_preset_that_is_not_there_says_which_are(ask):
    with pytest.raises(RequestError, match=r"there is one for: .*digits"):
        ask()


@pytest.mark.parametrize(
    ("dataset", "total", "cadence"),
    [
        ("digits", 55, 1),
        ("digits", 1499, 1),
        ("digits", 10_000, 10),
        ("mnist", 1, 1),
        ("mnist", 186, 12),
        ("mnist", 1000, 62),
        ("mnist", 12000, 750),
        ("own-small", 1000, 10),
    ],
)
def test_frames_come_at_every_step_of_a_usual_run_on_digits_and_as_often_as_they_are_cheap_elsewhere(
    dataset, total, cadence
):
    assert EvalConfig.preset(dataset).cadence(total) == cadence
