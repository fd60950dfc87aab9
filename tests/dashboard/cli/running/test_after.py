"""`laf run --after` names a kept run by its id or folder, and refuses what does not go with it."""

from types import SimpleNamespace

import pytest

from core.errors import RequestError
from core.runs.setup import Setup
from core.runs.storage import runs_home
from dashboard.cli.running.after import _require_fitting, _run_id

RUN = "20260101-000000-aaaaaa"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    (runs_home() / RUN).mkdir(parents=True)


def test_an_id_its_first_letters_and_its_folder_name_the_same_run():
    assert [_run_id(text) for text in (RUN, RUN[:9], str(runs_home() / RUN))] == [RUN] * 3


def test_another_folder_is_no_kept_run(tmp_path):
    with pytest.raises(RequestError, match="is no folder of a kept run"):
        _run_id(str(tmp_path / "elsewhere" / RUN))


NOT_GIVEN = (
    "model",
    "plant",
    "indices",
    "dataset",
    "clients",
    "partition",
    "local_epochs",
    "server",
    "client",
)
RIGHT = {"method": "laf", "classes": "1", **dict.fromkeys(NOT_GIVEN)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "sisa"}, "must train its own original"),
        ({"model": "m.safetensors"}, "--model does not go with --after"),
        ({"plant": "canaries"}, "--plant does not go with --after"),
        ({"classes": None}, "--after needs what to forget next"),
        ({"clients": 5}, "do not go with --after: they are those of that run"),
        ({"server": "images"}, "do not go with --after: they are those of that run"),
        ({"dataset": "mnist"}, "that run is of digits, and --dataset names mnist"),
    ],
)
def test_options_that_do_not_go_with_it_are_named(given, said):
    with pytest.raises(RequestError, match=said):
        _require_fitting(SimpleNamespace(**{**RIGHT, "data_dir": None, **given}), Setup())
    _require_fitting(SimpleNamespace(**RIGHT, data_dir=None), Setup())
