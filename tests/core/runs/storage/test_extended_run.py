"""A kept run that went on past its end: its reports, its marks and its automatic settings come back, and it goes on to the bit."""

from __future__ import annotations

import pytest

from core.config import EvalConfig, TrainConfig, as_dict
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.records import Mark
from core.runs.run import Phase, Run, finish
from core.runs.setup import Setup
from core.runs.storage import read_run, record, restore, stop_run
from tests import toys

TRAINING = {"config": as_dict(TrainConfig("cnn", epochs=7)), "tried": [[5, 0.9]], "reason": "a reason"}


@pytest.fixture
def kept(toy_split, toy_model, tmp_path, monkeypatch):
    """Return a function that restores a run of 10 steps that was kept at its end, extended by 4 and stopped after 12."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)
    observer = Observer(toy_split, toy_model, EvalConfig(frames=1000))
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=3, observer=observer, checkpoints=Checkpoints())
    run.history.stop = Mark(10, "LAF stopped here: it was enough")
    recorder = record(run, Setup(dataset="toy", classes=(1,)), automatic={"chosen": 2, "training": TRAINING})
    finish(run)
    recorder.tell(report={"test": 0.5}, verdict={"text": "Forgotten."})
    assert read_run(recorder.id).verdict == {"text": "Forgotten."}
    run.extend(4)
    assert not recorder.folder.model.exists()
    run.advance()
    run.advance()
    stop_run(run)

    def open_again() -> Run:
        found = restore(read_run(recorder.id), toy_split, toy_model, observer)
        while found.tick():
            pass
        return found

    return recorder.id, open_again


def test_what_was_found_at_its_former_end_is_no_longer_there_and_its_automatic_settings_are(kept):
    found = read_run(kept[0])
    assert "report" not in found.about
    assert found.verdict is None
    assert found.automatic["chosen"] == 2
    assert found.training == TrainConfig("cnn", epochs=7)
    assert (found.about["total_steps"], len(found.steps)) == (14, 12)


def test_it_goes_on_to_the_bit_with_its_mark(kept, toy_split, toy_model):
    run = kept[1]()
    assert (run.phase, len(run.steps), run.total_steps) == (Phase.PAUSED, 12, 14)
    finish(run)
    assert run.marks == [Mark(10, "LAF stopped here: it was enough")]
    assert run.recorder.folder.model.exists()
    straight = Run(LAF(toys.QUICK), toy_model, toy_split, seed=3)
    finish(straight)
    straight.extend(4)
    finish(straight)
    assert toys.same(toys.weights(run.result), toys.weights(straight.result))


def test_taken_back_after_a_restart_it_says_again_where_it_stopped(kept):
    run = kept[1]()
    run.rewind(8)
    while run.tick():
        pass
    assert (run.marks, run.total_steps) == ([], 10)
    finish(run)
    assert run.marks == [Mark(10, "LAF stopped here: it was enough")]


def test_a_run_that_was_kept_without_automatic_settings_has_none(toy_split, toy_model, tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    recorder = record(run, Setup(dataset="toy", classes=(1,)))
    run.advance()
    about = recorder.folder.read_about()
    for name in ("automatic", "stop"):  # as an earlier version wrote it
        del about[name]
    recorder.folder.write_about(about)
    found = read_run(recorder.id)
    assert (found.automatic, found.verdict) == (None, None)
    assert found.training == toys.TRAIN  # that of its original
    stop_run(run)
