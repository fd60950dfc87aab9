"""What `laf run --save` says and returns when a run was stopped, failed, or could not be kept."""

from __future__ import annotations

import pytest

from core.config import EvalConfig
from core.errors import LabError
from core.methods import METHODS
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import list_runs, record
from dashboard.cli import main, run
from dashboard.cli.running.keeping import kept_when_stopped


class Breaks(METHODS["finetune"]):
    """Raises ``error`` at its third step."""

    error: BaseException

    def step(self, state, config):
        if state.number == 2:
            raise self.error
        return super().step(state, config)


@pytest.fixture
def kept(toy_split, toy_model, tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    observer = Observer(toy_split, toy_model, EvalConfig(frames=2))
    one = Run(Breaks(), toy_model, toy_split, observer=observer, checkpoints=Checkpoints())
    record(one, Setup(dataset="toy", method="finetune", classes=(1,)))
    return one


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), LabError("the method failed")], ids=["Ctrl-C", "a failure"]
)
def test_a_run_that_ends_early_names_what_is_kept_and_can_be_opened(error, kept, capsys):
    kept.unlearner.error = error
    with pytest.raises(type(error)), kept_when_stopped(kept):
        finish(kept)
    assert f"laf: kept as {kept.recorder.id} up to step 2; " in capsys.readouterr().err
    found, problems = list_runs()
    assert [info.id for info in found] == [kept.recorder.id]
    assert problems == []


def test_a_run_that_is_not_kept_says_nothing_of_it(toy_split, toy_model, capsys):
    with pytest.raises(KeyboardInterrupt), kept_when_stopped(Run("nothing", toy_model, toy_split)):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_a_run_that_could_not_be_kept_is_told_and_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("core.runs.storage.folder.RunFolder.append_step", _full)
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    assert main.main(["run", "--method", "nothing", "--save"]) == run.NOT_KEPT == 1
    out, err = capsys.readouterr()
    assert "Nothing was forgotten" in out, "the run's result is shown all the same"
    assert "laf: the run is no longer kept: " in err
    assert "cannot be written (No space left on device)" in err


def _full(*_):
    raise OSError(28, "No space left on device")
