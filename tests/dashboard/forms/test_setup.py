"""The line of facts above the Lab: it tells the settings of the run that settings are changed of."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.models.registry import NETS
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.forms import method as methods_form
from dashboard.forms import setup as form
from dashboard.session.lab import Lab
from tests.toys import Flat
from tests.waiting import until


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("home")))
        made = Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), PreparationCache())
        made.open(Setup(device="cpu"))
        until(lambda: made.experiment.run is not None)
        yield made
        made.close()


def facts(lab):
    return dict(re.findall(r"<span class='fact'[^>]*>(.*?) <b>(.*?)</b>", form._facts(lab)))


def test_the_facts_are_those_of_the_fork_while_there_is_one(lab):
    e = lab.experiment
    assert facts(lab)["τ"] == "15"
    assert facts(lab)["Settings"] == "preset"
    e.play(2)
    until(lambda: e.phase is Phase.PAUSED)
    e.fork(1)
    until(lambda: e.phase is Phase.PAUSED)
    e.change(replace(e.driven.config, temperature=4.0))
    found = facts(lab)
    assert (found["τ"], found["Method"], found["Settings"]) == ("4", "LAF, fork", "by hand")
    e.drop_fork()
    assert (facts(lab)["τ"], facts(lab)["Method"]) == ("15", "LAF")


@pytest.mark.parametrize(
    ("setup", "family", "expected"),
    [
        (Setup(), "digits", ["automatic", "preset"]),
        (Setup(), "mnist", ["automatic", "preset", "paper"]),
        (Setup(speed="fast"), "mnist", ["preset"]),
        (Setup(method="finetune"), "mnist", ["preset"]),
    ],
)
def test_settings_may_come_from_where_they_exist(setup, family, expected):
    assert methods_form.possible_settings(setup, family, "class") == expected


def test_a_preset_that_was_not_measured_is_not_called_measured():
    assert methods_form.settings_title("preset", "digits", "class") == "measured preset"
    assert methods_form.settings_title("preset", "own-grey", "class") == "preset, not measured"


def test_the_net_is_chosen_for_the_open_dataset_and_begins_with_the_one_it_has(lab, monkeypatch):
    shown = []

    def selectbox(label, options, *, index, format_func, **_):
        shown.append([format_func(options[index]), *map(format_func, options)])
        return "vit"

    monkeypatch.setattr(form.st, "selectbox", selectbox)
    assert form._net(lab, "digits") == "vit"
    assert form._net(lab, "mnist") is None
    monkeypatch.setattr(lab.experiment, "setup", replace(lab.experiment.setup, net="cnn-wide"))
    form._net(lab, "digits")
    assert [found[0] for found in shown] == ["The dataset's own", "cnn-wide"]
    assert "ViT, a small transformer" in shown[0][1:]
    assert {net for net in form.NETS if net != form.OWN_NET} <= set(NETS)


def test_the_facts_say_that_the_model_ships_so_that_no_training_is_missed(lab):
    assert facts(lab)["Model"] == "ships with the Lab"
    told = re.search(r"title='([^']*)'>Model", form._facts(lab))
    assert told is not None
    assert re.search(r"nothing was trained here\. Its training took [\d.]+ s on another machine\.", told[1])


def test_the_facts_give_a_methods_short_name_and_its_full_one_on_hover(lab, monkeypatch):
    monkeypatch.setattr(lab.experiment, "setup", replace(lab.experiment.setup, method="mda"))
    assert facts(lab)["Method"] == "MDA"
    assert "title='MDA, masked distillation with alignment'>Method" in form._facts(lab)


def test_the_facts_name_a_net_that_was_chosen(lab, monkeypatch):
    monkeypatch.setattr(form, "ships", lambda *_: False)
    assert re.fullmatch(r"trained [\d.]+ s", facts(lab)["Model"])
    monkeypatch.setattr(lab.experiment, "setup", replace(lab.experiment.setup, net="vit"))
    assert re.fullmatch(r"vit, trained [\d.]+ s", facts(lab)["Model"])


@pytest.mark.parametrize(
    ("before", "changed", "settings"),
    [
        (Setup(settings="paper"), {}, "paper"),
        (Setup(settings="paper"), {"clients": 5}, "automatic"),  # no preset was measured with clients
        (Setup(clients=5, settings="automatic"), {"server": "representations"}, "preset"),
        (Setup(settings="preset"), {"net": "vit"}, "automatic"),
    ],
)
def test_another_way_of_training_brings_its_usual_settings(before, changed, settings):
    assert form._of_data(replace(before, **changed), before.dataset, before).settings == settings


def test_a_client_and_ids_belong_to_one_dataset():
    before = Setup(task="indices", classes=(), clients=5, client=2)
    found = form._of_data(before, "wine", before)
    assert (found.dataset, found.task, found.client, found.clients) == ("wine", "class", None, 5)
