"""Settings are checked when they are made, and presets exist."""

from __future__ import annotations

from dataclasses import fields

import pytest

from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig, origin, paper_preset
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


# (dataset, task): lr_UE, lr_RA, tau, latent, epochs of the tables in arXiv 2404.00506
PAPER = {
    ("mnist", "data"): (5e-5, 1e-4, 5, 8, 20),
    ("fashion_mnist", "class"): (5e-5, 1e-4, 20, 8, 20),
    ("mnist", "noise"): (5e-5, 1e-4, 20, 8, 20),
    ("cifar10", "data"): (1e-5, 4e-5, 20, 16, 40),
    ("svhn", "class"): (1e-5, 5e-5, 20, 16, 40),
    ("cifar10", "noise"): (1e-5, 4e-5, 5, 16, 40),
}


@pytest.mark.parametrize(("key", "values"), PAPER.items(), ids=[" ".join(key) for key in PAPER])
def test_the_papers_settings_are_those_of_its_tables(key, values):
    c = paper_preset(*key)
    assert (c.lr_ue, c.lr_ra, c.temperature, c.vae.latent, c.epochs) == values
    assert c.batch_size == c.vae.batch_size == 32


@pytest.mark.parametrize("key", [("digits", "class"), ("mnist", "indices")])
def test_settings_that_the_paper_does_not_give_name_those_that_it_gives(key):
    with pytest.raises(
        RequestError, match=f"for '{' '.join(key)}'; there is one for: cifar10 class, .*svhn noise"
    ):
        paper_preset(*key)


def test_svhn_is_not_measured_and_digits_noise_has_a_decaying_rate():
    assert origin("svhn", "class").startswith("not measured")
    assert TrainConfig.preset("digits", "noise").decays
    assert not TrainConfig.preset("digits", "class").decays
