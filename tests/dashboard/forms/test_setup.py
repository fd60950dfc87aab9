"""The line of facts above the Lab: it tells the settings of the run that settings are changed of."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.forms import method as methods_form
from dashboard.forms import setup as form
from dashboard.session.lab import Lab
from tests.toys import Flat


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("home")))
        made = Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), PreparationCache())
        made.open(Setup(device="cpu"))
        until(lambda: made.experiment.run is not None)
        yield made
        made.close()


def until(met):
    end = time.monotonic() + 120
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


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
