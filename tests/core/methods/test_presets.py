"""Presets of the methods, and the search that finds those of the baselines."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import replace

import pytest

from benchmarks import search_baselines
from benchmarks.tune import SEARCHED, capped, draw, line
from core import config
from core.methods import METHODS, origin_of, preset_of
from core.runs.setup import Setup
from core.runtime import seeding

NAMES = list(METHODS)


# presets
def test_every_method_has_settings_for_every_task_and_says_where_from(digits):
    for name in NAMES:
        for task in config.TASKS:
            classes = (0, 1)
            split = Setup("digits", task, classes, ids=(1, 2)).split(digits)
            assert preset_of(name, split) is not None
            assert origin_of(name, "digits", task)


def test_chosen_images_begin_with_data_removals_settings(monkeypatch, digits):
    from core.methods import presets

    monkeypatch.setattr(presets, "TUNED", {("neggrad", "digits", "data"): {"lr": 0.5}})
    chosen = preset_of("neggrad", Setup("digits", "indices", ids=(1, 2)).split(digits))
    assert chosen.lr == 0.5
    assert origin_of("neggrad", "digits", "indices") == "data removal's on digits, not measured for this task"
    assert origin_of("neggrad", "own-small", "data") == "those of digits, not measured on these images"
    assert origin_of("neggrad", "cifar10", "data") == "its paper's, not measured here"
    assert "benchmarks.tune" in origin_of("neggrad", "digits", "data")


def test_every_preset_that_was_found_is_one_the_method_takes():
    from core.methods.presets import TUNED

    assert TUNED
    for (name, _, task), settings in TUNED.items():
        assert task in config.TASKS
        METHODS[name].Config(**settings)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_search_draws_valid_candidates_that_cost_no_more_than_retraining(name, class_split, data_split):
    trained = config.TrainConfig.preset("digits", "class")
    drawn = set()
    for split in (class_split, data_split):
        generator = seeding.generator(0, "test", name)
        for candidate in (METHODS[name].Config(), *(draw(name, generator) for _ in range(30))):
            settled = capped(name, candidate, split)
            drawn.add(settled.lr)
            steps = METHODS[name](settled).steps(split, settled)
            passed = steps * settled.batch_size * METHODS[name].passes
            assert passed <= trained.epochs * len(split.remain_rows)
    assert len(drawn) > 25


def test_what_the_search_prints_is_an_entry_of_the_table():
    candidate = draw("scrub", seeding.generator(0, "test"))
    printed = line("scrub", "digits", "class", candidate)
    ((key, settings),) = ast.literal_eval("{" + printed + "}").items()
    assert key == ("scrub", "digits", "class")
    assert METHODS["scrub"].Config(**settings) == candidate


@pytest.mark.parametrize("name", ["neggrad+", "guided", "ssd", "jit", "esc", "mda", "laf"])
def test_every_method_gets_the_same_number_of_candidates_and_prints_them_as_presets(name):
    made = search_baselines.candidates(name, 8)
    assert len(made) == 8
    usual = made[0]
    for candidate in made:
        own = tomllib.loads(f"own = {search_baselines.differences(name, candidate)}")["own"]
        assert replace(usual, **own) == candidate
    assert search_baselines.candidates(name, 8) == made


def test_mda_and_the_new_search_say_where_their_settings_come_from():
    assert "benchmarks.search_baselines" in origin_of("finetune", "digits", "class")
    assert "measured on one class" in origin_of("mda", "mnist", "class")
    assert origin_of("mda", "cifar10", "class") == "its defaults, not measured here"
