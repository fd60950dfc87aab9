"""A Setup says which settings its method gets, and refuses settings that the method does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.config import LAFConfig, paper_preset
from core.data.clients import with_clients
from core.errors import ConfigError, RequestError
from core.methods.laf.automatic.trials import start_config
from core.runs.setup import SETTINGS, EarlierRequest, Setup
from core.runs.storage.serialization import setup_dict, setup_from


def test_the_default_is_the_preset_and_a_setup_that_was_kept_before_there_was_a_choice_has_it(class_split):
    assert Setup().config(class_split) == LAFConfig.preset("digits", "class")
    old = setup_dict(Setup(seed=4))
    del old["settings"]
    assert setup_from(old) == Setup(seed=4)
    assert setup_from(setup_dict(Setup(settings="automatic"))).settings == "automatic"


def test_classes_and_ids_may_be_lists():
    assert Setup(classes=[1, "b"]) == Setup(classes=(1, "b"))
    assert Setup(task="indices", ids=[3]).ids == (3,)


def test_automatic_settings_begin_as_every_trial_does(class_split):
    found = Setup(settings="automatic").config(class_split)
    assert found == start_config(class_split.unlabelled(), "class")


def test_the_papers_settings_are_those_of_its_table(class_split):
    data = replace(class_split.dataset, family="mnist")
    assert Setup(settings="paper").config(replace(class_split, dataset=data)) == paper_preset(
        "mnist", "class"
    )
    with pytest.raises(RequestError, match=r"digits.*there is one for.*fashion_mnist"):
        Setup(settings="paper").config(class_split)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"settings": "best"}, "unknown settings 'best'; there are: " + ", ".join(SETTINGS)),
        ({"settings": "automatic", "method": "retrain"}, "exact LAF in float32 only"),
        ({"settings": "automatic", "method": "laf+r"}, "exact LAF in float32 only"),
        ({"settings": "automatic", "speed": "fast"}, "exact LAF in float32 only"),
        ({"settings": "automatic", "precision": "bf16"}, "exact LAF in float32 only"),
        ({"settings": "paper", "method": "finetune"}, "those of LAF, not of 'finetune'"),
    ],
)
def test_settings_that_the_method_does_not_have_are_refused_in_one_sentence(
    digits, class_split, choice, words
):
    setup = Setup(**choice)
    for ask in (lambda: setup.split(digits), lambda: setup.config(class_split)):
        with pytest.raises(RequestError) as told:
            ask()
        assert words in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("choice", "usual"),
    [
        ({}, "automatic"),
        ({"task": "data"}, "automatic"),
        ({"dataset": "fashion_mnist"}, "automatic"),
        ({"task": "noise"}, "preset"),
        ({"dataset": "mnist"}, "preset"),
        ({"plant": "canaries"}, "preset"),
        ({"method": "finetune"}, "preset"),
        ({"speed": "fast"}, "preset"),
    ],
)
def test_the_usual_settings_are_automatic_unless_a_measured_preset_is_better(choice, usual):
    assert Setup(**choice).usual_settings == usual


def test_a_chosen_net_has_automatic_settings_even_where_a_preset_is_better_for_the_usual_net():
    assert Setup(task="noise").usual_settings == "preset"
    assert Setup(task="noise", net="vit").usual_settings == "automatic"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"net": "alexnet"}, "unknown net 'alexnet'; there are: digits-cnn,"),
        ({"net": "vit", "model": "own-0"}, "leave it out with a model of your own"),
    ],
)
def test_a_net_that_cannot_be_trained_is_one_sentence(choice, words):
    with pytest.raises(ConfigError, match=words):
        Setup(**choice)


def test_clients_divide_the_images_by_the_seed_of_the_first_request(digits):
    setup = Setup(task="indices", classes=(), clients=5, partition="class", client=3, seed=7)
    split = setup.split(digits)
    assert torch.equal(split.dataset.clients.of, with_clients(digits, 5, "class", seed=7).clients.of)
    assert split.request.client == 3
    assert setup_from(setup_dict(setup)) == setup
    before = EarlierRequest("", "", "indices", client=3, seed=7)
    later = replace(setup, client=4, seed=8, earlier=(before,)).split(digits)
    assert set(later.dataset.clients.of[later.newest_rows].tolist()) == {4}
    assert len(later.forget_rows) == len(split.forget_rows) + split.dataset.clients.sizes()[4]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"clients": 1}, "clients must be a whole number of at least 2, got 1"),
        ({"clients": 101}, "clients must be at most 100, got 101"),
        ({"clients": 5, "local_epochs": 0}, "local_epochs must be a whole number of at least 1, got 0"),
        ({"clients": 5, "partition": "fair"}, "unknown partition 'fair'; there are: iid, class, shards"),
        ({"clients": 5, "server": "labels"}, "unknown server 'labels'; there are: images, representations"),
        ({"server": "representations"}, "choose how many clients there are"),
        ({"client": 2, "task": "indices"}, "choose how many clients there are"),
        ({"clients": 5, "client": 2}, "the client who leaves decides what is forgotten"),
        ({"clients": 5, "model": "own-x"}, "leave them out with a model of your own"),
    ],
)
def test_choices_about_clients_that_cannot_be_are_refused_in_one_sentence(choice, words):
    with pytest.raises(ConfigError, match=words):
        Setup(**choice)


def test_a_server_without_images_runs_laf_on_the_last_layer_and_nothing_that_reads_images(digits):
    setup = Setup(clients=5, server="representations")
    split = setup.split(digits)
    assert setup.usual_settings == "preset"
    found = setup.config(split)
    assert found == replace(LAFConfig.preset("digits", "class"), learns="last")
    setup.require_held(found)
    with pytest.raises(RequestError, match="LAF reads images at every step"):
        setup.require_held(replace(found, learns="all"))
    for method in ("finetune", "sisa"):
        with pytest.raises(RequestError, match=f"'{method}' reads images"):
            replace(setup, method=method).split(digits)
    with pytest.raises(RequestError, match="in float32 only, on images"):
        replace(setup, settings="automatic").split(digits)
    assert replace(setup, method="nothing").config(split) == Setup(method="nothing").config(split)
