"""The address of a Lab: what it says of settings that were chosen, and that it says nothing of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.session.lab import Lab
from dashboard.session.url_params import read_request, to_params, usual_setup, with_usual_settings
from tests.toys import Flat
from tests.waiting import until_prepared


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    made = Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), PreparationCache())
    yield made
    made.close()


@pytest.mark.parametrize("name", ["laf", "finetune"])
def test_it_names_no_setting_that_nobody_chose(lab, name):
    assert lab.change(with_usual_settings(Setup(method=name, device="cpu"))) is None
    until_prepared(lab.experiment)
    assert lab.address() == {
        "dataset": "digits",
        "method": name,
        "seed": "0",
        "task": "class",
        "classes": "0",
    }


def test_what_was_chosen_opens_again(lab):
    assert lab.change(Setup(device="cpu"), settings={"temperature": 3.0}) is None
    until_prepared(lab.experiment)
    found = read_request(lab.address())
    assert lab.address()["settings"] == "preset"
    assert (found.setup, found.settings) == (Setup(), {"temperature": 3.0})
    chosen = lab.experiment.config
    assert lab.change(replace(found.setup, device="cpu"), settings=found.settings) is None
    assert lab.experiment.config == chosen


def test_settings_found_and_then_changed_open_again_as_they_were(lab):
    until_prepared(lab.experiment)
    found = lab.experiment.automatic.settings.config
    lab.experiment.begin_with(replace(found, temperature=3.0))
    until_prepared(lab.experiment)
    asked = read_request(lab.address())
    assert "settings" not in lab.address()
    assert asked.setup == usual_setup()
    chosen = lab.experiment.config
    assert lab.change(asked.setup, settings=asked.settings) is None
    until_prepared(lab.experiment)
    assert lab.experiment.config == chosen == replace(found, temperature=3.0)
    assert lab.experiment.preset() == found


@pytest.mark.parametrize("name", ["automatic", "preset", "paper"])
@pytest.mark.parametrize(("dataset", "usual"), [("mnist", "preset"), ("fashion_mnist", "automatic")])
def test_the_origin_of_the_settings_travels_in_the_address_unless_it_is_the_usual_one(dataset, usual, name):
    setup = Setup(dataset, settings=name)
    words = to_params(setup, None, None, None, None)
    assert words.get("settings") == (None if name == usual else name)
    assert read_request(words).setup == setup


def test_a_method_without_automatic_settings_has_its_preset():
    assert read_request({"dataset": "digits", "classes": "0", "method": "finetune"}).setup == Setup(
        method="finetune"
    )
    assert read_request({"dataset": "digits", "classes": "0", "speed": "fast"}).setup == Setup(speed="fast")


def test_a_chosen_net_travels_in_the_address():
    setup = Setup(net="vit", settings="automatic")
    params = to_params(setup, None, None, None, None)
    assert params["net"] == "vit"
    assert read_request(params).setup == setup
    assert "unknown net 'lenet'" in read_request({**params, "net": "lenet"}).problem


def test_an_address_of_an_earlier_version_changes_the_preset():
    found = read_request({"dataset": "digits", "classes": "0", "settings": '{"temperature": 3.0}'})
    assert (found.setup, found.settings) == (Setup(), {"temperature": 3.0})


def test_an_unknown_origin_of_settings_is_one_sentence():
    found = read_request({"dataset": "digits", "settings": "best"})
    assert found.setup is None
    assert found.problem == "unknown settings 'best' in the address; there are: automatic, preset, paper"


@pytest.mark.parametrize(
    "setup",
    [
        Setup(clients=10, settings="automatic"),
        Setup(task="indices", classes=(), clients=7, partition="shards", local_epochs=5, client=6),
        Setup(clients=7, server="representations"),
    ],
)
def test_clients_and_who_leaves_open_again(setup):
    assert read_request(to_params(setup, None, None, None, None)).setup == setup


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"clients": "1"}, "clients must be a whole number of at least 2, got 1"),
        ({"clients": "5", "partition": "fair"}, "unknown partition 'fair'"),
        ({"client": "2", "task": "indices"}, "choose how many clients there are"),
        ({"clients": "5", "client": "2", "task": "class"}, "the client who leaves decides what is forgotten"),
    ],
)
def test_clients_of_an_address_that_cannot_be_are_told(words, said):
    found = read_request({"dataset": "digits", **words})
    assert found.setup is None
    assert said in found.problem


@pytest.mark.parametrize(
    ("params", "dataset", "task", "classes"),
    [
        ({"dataset": "wine"}, "wine", "class", (0,)),
        ({"dataset": "wine", "task": "data"}, "wine", "data", (1, 2)),  # the upper half of three classes
        ({"dataset": "digits", "task": "noise"}, "digits", "noise", (0, 1, 2, 3, 4)),
        ({"classes": "3"}, "digits", "class", (3,)),
        ({"seed": "7"}, "digits", "class", (0,)),
    ],
)
def test_what_an_address_leaves_out_is_as_usual(params, dataset, task, classes, lab):
    asked = read_request(params)
    assert asked.problem is None
    opened = lab._open_asked(asked)
    setup = lab.experiment.setup
    assert (opened, lab.notice) == (True, None)
    assert (setup.dataset, setup.task, setup.classes) == (dataset, task, classes)
    assert setup.seed == int(params.get("seed", 0))


def test_an_unknown_dataset_or_field_is_one_sentence(lab):
    asked = read_request({"dataset": "wines"})
    assert asked.setup is None
    assert asked.problem.startswith("unknown dataset 'wines'; there are: digits, ")
    asked = read_request({"dataset": "wine", "tsak": "noise"})
    assert lab._open_asked(asked)
    assert lab.experiment.setup.dataset == "wine"
    assert lab.notice.startswith(
        "The address has an unknown field, 'tsak', which was left out. There are: dataset, task, "
    )
    assert read_request({"datset": "wine"}).problem.startswith("The address has an unknown field, 'datset'")


def test_fields_of_a_lessons_link_are_known():
    assert (
        read_request(
            {"lesson": "why", "class": "a", "controls": "hidden", "present": "1", "student": "7"}
        ).problem
        is None
    )
