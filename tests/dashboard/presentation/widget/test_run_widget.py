"""RunWidget: what its views are sent while a run is played, what a late view finds, and its answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core import config, load
from core.config import EvalConfig
from core.errors import LabError, RequestError
from core.methods import method
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.run import Phase, Run, finish
from core.runs.setup import Setup
from core.runs.storage import record
from core.runtime.content_cache import ContentCache
from core.runtime.progress import run_to_end
from dashboard.presentation.widget.run_widget import RunWidget
from dashboard.presentation.wire.packet import unpack


def packets(sent):
    return [unpack(buffers[0]) for content, buffers in sent if content.get("kind") == "packet"]


def test_a_loop_over_the_run_sends_every_frame_once_and_its_end(run, toy_model, sent):
    widget = RunWidget(run, references=[toy_model])
    assert [step.number for step in run] == list(range(1, 11))
    headers = [header for header, _ in packets(sent)]
    assert [seq for h in headers for seq in h["seqs"]] == list(range(11)), "frame 0 is the original"
    assert headers[-1]["status"]["phase"] == "done"
    assert {header["run"] for header in headers} == {unpack(widget.scene)[0]["run"]}
    assert sum(h["total"] < 11 for h in headers) >= 9, "frames are sent as they come, not at the end"


def test_a_view_that_opens_late_finds_all_frames_in_the_traits(run, toy_model, sent):
    widget = RunWidget(run, references=[toy_model])
    begun = unpack(widget.held)[0]
    assert (begun["total"], begun["seqs"]) == (1, [0])
    finish(run)
    header, arrays = unpack(widget.held)
    assert header["seqs"] == list(range(11))
    assert [reading["step"] for reading in header["readings"]] == [f.step for f in run.frames]
    assert header["references"]["done"] == header["references"]["total"] == 1
    np.testing.assert_array_equal(arrays["prediction"], [f.predictions for f in run.frames])
    assert header["verdict"]["step"] == 10


def test_the_traits_grow_in_doublings_so_that_a_long_run_is_not_sent_again_with_each_frame(
    run, toy_model, sent
):
    widget = RunWidget(run, references=[toy_model])
    sizes = []
    widget.observe(lambda change: sizes.append(unpack(change["new"])[0]["total"]), "held")
    finish(run)
    assert sizes == [2, 4, 8, 11]


def test_a_view_that_lacks_frames_is_sent_them_again(run, toy_model, sent):
    widget = RunWidget(run, references=[toy_model])
    finish(run)
    sent.clear()
    lack = {"life": 0, "from": 7, "rev": 1, "follow": 11, "fork": None, "fork_follow": None}
    widget._hear(None, {"lack": lack}, [])
    assert [seq for header, _ in packets(sent) for seq in header["seqs"]] == [7, 8, 9, 10]
    widget._hear(None, {"near": {"id": int(run.observer.rows[0]), "seq": 3, "life": 0}}, [])
    assert set(sent[-1][0]["near"]["rows"]) == {"before", "now", "retrained"}
    json.dumps(sent[-1][0])


def test_a_scene_to_watch_offers_no_moves_that_need_the_lab(run, toy_model):
    header, arrays = unpack(RunWidget(run, references=[toy_model]).scene)
    assert header["watch"] is True
    assert len(arrays["ids"]) == header["n"] == len(run.observer.rows)


def test_without_retrained_models_it_says_so_and_gives_no_verdict(run, sent):
    widget = RunWidget(run, references=0)
    finish(run)
    header = unpack(widget.held)[0]
    assert header["verdict"] is None
    assert header["readings"][-1]["sentence"]["more"].endswith("There is no retrained model to compare with.")
    assert header["status"]["clock"]["sentence"] == ""


def test_a_run_that_is_kept_goes_on_being_kept_and_told(run, toy_model, sent):
    seen: dict[str, list] = {"step": [], "frame": [], "note": [], "progress": []}

    class Spy:
        begin = cut = lose = staticmethod(lambda *a: None)

        def step(self, step):
            seen["step"].append(step.number)

        def frame(self, frame):
            seen["frame"].append(frame.number)
            return frame

        def note(self, run):
            seen["note"].append(run.phase)

    run.recorder, run.on_progress = Spy(), seen["progress"].append
    RunWidget(run, references=[toy_model])
    finish(run)
    assert seen["step"] == seen["frame"] == list(range(1, 11))
    assert seen["note"][-1] is Phase.DONE
    assert seen["progress"]


def test_a_run_that_is_taken_back_drops_its_later_frames_in_the_views_too(run, toy_model, sent):
    run.checkpoints = Checkpoints()
    widget = RunWidget(run, references=[toy_model])
    finish(run)
    sent.clear()
    run.rewind(4)
    while run.tick():
        pass
    widget.update()
    header = packets(sent)[-1][0]
    assert (header["life"], header["kept"], header["total"], header["status"]["phase"]) == (1, 5, 5, "paused")
    assert unpack(widget.held)[0]["seqs"] == list(range(5))
    finish(run)
    assert [seq for header, _ in packets(sent) for seq in header["seqs"]] == list(range(5, 11))


def test_a_run_without_frames_is_refused_once_it_has_begun(run):
    run.advance()
    with pytest.raises(RequestError, match="make the RunWidget before the first step"):
        RunWidget(run, references=0)


@pytest.mark.parametrize(
    ("references", "told"),
    [
        (-1, "references must be at least 0, or a list of models, got -1"),
        (["laf"], "references must be a whole number, or a list of models"),
        (None, "references must be a whole number, or a list of models"),
    ],
)
def test_references_that_are_no_models_are_refused(run, references, told):
    with pytest.raises(RequestError, match=told):
        RunWidget(run, references=references)


def test_what_is_no_run_is_refused():
    with pytest.raises(RequestError, match="run must be a Run, or a kept run or its id, got int"):
        RunWidget(7)
    with pytest.raises(LabError, match="20200101-000000-abcdef"):
        RunWidget("20200101-000000-abcdef")


def test_a_kept_run_is_replayed_with_its_retrained_models_and_not_changed(tmp_path, monkeypatch, sent):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(
        "core.runs.reference_models.models", ContentCache("models")
    )  # others may have such models
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
    setup = Setup(device="cpu", method="nothing")
    split = setup.split(load("digits"))
    unlearner = method("nothing")
    model = run_to_end(original(split, unlearner))
    observer = Observer(split, model, EvalConfig.preset("digits"))
    observer.projection = Projection.fit(observer.original.train.representations)
    kept = Run(unlearner, model, split, observer=observer, checkpoints=Checkpoints())
    recorder = record(kept, setup, token="mine")
    finish(kept)
    recorder.close()
    references(split, model, count=1)
    files = {p: p.read_bytes() for p in recorder.folder.path.rglob("*") if p.is_file()}
    header, arrays = unpack(RunWidget(recorder.id).held)
    assert header["total"] == len(kept.frames)
    assert header["status"]["phase"] == "done"
    assert header["references"]["done"] == 1
    np.testing.assert_array_equal(arrays["prediction"][-1], kept.frames[-1].predictions)
    assert {p: p.read_bytes() for p in recorder.folder.path.rglob("*") if p.is_file()} == files
