"""The address of a Lab: what it says of settings that were chosen, and that it says nothing of others."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.session.lab import Lab
from dashboard.session.url_params import read_request
from tests.toys import Flat


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    made = Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), PreparationCache())
    yield made
    made.close()


def ready(lab):
    end = time.monotonic() + 120
    while lab.experiment.run is None:
        assert lab.experiment.error is None
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["laf", "finetune"])
def test_it_names_no_setting_that_nobody_chose(lab, name):
    assert lab.change(Setup(method=name, device="cpu")) is None
    ready(lab)
    assert lab.address() == {
        "dataset": "digits",
        "method": name,
        "seed": "0",
        "task": "class",
        "classes": "0",
    }


def test_what_was_chosen_opens_again(lab):
    assert lab.change(Setup(device="cpu"), settings={"temperature": 3.0}) is None
    ready(lab)
    found = read_request(lab.address())
    assert (found.setup, found.settings) == (Setup(), {"temperature": 3.0})
    chosen = lab.experiment.config
    assert lab.change(replace(found.setup, device="cpu"), settings=found.settings) is None
    assert lab.experiment.config == chosen
