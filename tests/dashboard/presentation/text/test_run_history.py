"""What the browser is told of a run's way: kept frames, a fork's frames, marks, doors, alarms, gradients by layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config import LAFConfig
from core.experiments.session.experiment import Experiment
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text import run_history
from dashboard.presentation.text.readouts.loss_charts import loss_terms
from dashboard.presentation.wire import outbox as stream
from dashboard.presentation.wire import scene
from dashboard.presentation.wire.packet import unpack
from tests.waiting import until

SHORT = replace(LAFConfig.preset("digits", "class"), epochs=2)  # ten steps


@pytest.fixture(scope="module")
def prepared():
    made = Experiment(Setup(device="cpu"), Scheduler(1), reference_count=1, config=SHORT)
    made.start()
    until(lambda: made.error or (made.run is not None and made.references))
    assert made.error is None
    yield made
    made.close()


@pytest.fixture
def experiment(prepared):
    prepared.begin_with(SHORT)
    return prepared


def play(e, steps=None):
    e.play(steps)
    until(lambda: e.phase is not Phase.RUNNING)


def packets(outbox, e, count=4):
    return [unpack(outbox.packet(e, "t")) for _ in range(count)]


def test_after_a_way_back_only_what_comes_later_is_sent(experiment):
    outbox = stream.Outbox()
    play(experiment)
    packets(outbox, experiment)
    assert not outbox.is_behind(experiment)
    life = experiment.life
    experiment.rewind(6)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert outbox.is_behind(experiment)
    header, _ = packets(outbox, experiment, 1)[0]
    assert (header["life"], header["kept"], header["total"]) == (life + 1, 7, 7)
    assert [m["step"] for m in header["marks"]] == [6]
    play(experiment)
    header, arrays = packets(outbox, experiment, 1)[0]
    assert set(range(7, 11)) <= set(header["seqs"])
    newest = dict(zip(header["seqs"], arrays["position"], strict=True))[10]
    half = scene.map_radius(experiment)
    np.testing.assert_array_equal(newest, scene.position_units(experiment.run.frames[10].positions, half))


def test_a_page_that_missed_a_life_gets_all_of_it(experiment):
    outbox = stream.Outbox()
    play(experiment)
    packets(outbox, experiment)
    for step in (8, 6):
        experiment.rewind(step)
        until(lambda: experiment.phase is Phase.PAUSED)
    header, _ = packets(outbox, experiment, 1)[0]
    assert header["seqs"][0] == 0


def test_a_forks_frames_are_numbered_on_from_where_it_left(experiment):
    outbox = stream.Outbox()
    play(experiment)
    experiment.fork(4)
    until(lambda: experiment.phase is Phase.PAUSED)
    experiment.change(replace(SHORT, temperature=1.0))
    header, _ = packets(outbox, experiment, 1)[0]
    assert header["status"]["phase"] == "paused"
    fork = header["fork"]
    assert (fork["from"], fork["shared"], fork["total"], fork["text"]) == (4, 5, 5, "τ 15 → 1")
    assert fork["marks"][0]["step"] == 4
    assert header["travel"]["continue"] == run_history.FORKED
    play(experiment)
    got, readings = {}, {}
    while outbox.is_behind(experiment):
        header, arrays = packets(outbox, experiment, 1)[0]
        got |= dict(zip(header["fork_seqs"], arrays.get("fork_position", ()), strict=True))
        readings |= {r["seq"]: r for r in header["fork_readings"]}
    assert sorted(got) == sorted(readings) == list(range(5, 11))
    half = scene.map_radius(experiment)
    for number, position in got.items():
        frame = experiment.fork_run.frames[number]
        np.testing.assert_array_equal(position, scene.position_units(frame.positions, half))
        assert readings[number]["values"]["forget_train"] == frame.reading.train_f
    assert experiment.run.frames[10].reading.train_f != experiment.fork_run.frames[10].reading.train_f
    until(lambda: experiment.fork_verdict is not None)
    header, _ = packets(outbox, experiment, 1)[0]
    assert header["fork"]["verdict"]["head"] == experiment.fork_verdict.findings[0].what
    outbox.rewind(
        {"life": header["life"], "from": header["total"], "rev": header["rev"], "follow": 0, "fork": 7}
    )
    header, _ = packets(outbox, experiment, 1)[0]
    assert {7, 8, 9, 10} <= set(header["fork_seqs"])
    experiment.want_follow()
    until(lambda: experiment.fork_follow is not None and len(experiment.fork_follow.positions) == 11)
    header, arrays = packets(outbox, experiment, 1)[0]
    assert header["fork_follow_seqs"] == list(range(5, 11))
    np.testing.assert_array_equal(
        arrays["fork_follow"][-1], scene.position_units(experiment.fork_follow.positions[10], half)
    )
    outbox.rewind({"life": header["life"], "fork_follow": 8})
    assert {8, 9, 10} <= set(packets(outbox, experiment, 1)[0][0]["fork_follow_seqs"])
    experiment.drop_fork()
    assert outbox.is_behind(experiment)
    assert packets(outbox, experiment, 1)[0][0]["fork"] is None


def test_doors_are_shut_with_the_reason(experiment):
    assert set(run_history.travel(experiment).values()) == {run_history.NOT_BEGUN}
    play(experiment, 2)
    assert run_history.travel(experiment) == {"continue": None, "fork": None}
    experiment.set_slow(True)
    experiment.play()
    assert set(run_history.travel(experiment).values()) == {run_history.PLAYING}
    experiment.pause()
    experiment.set_slow(False)


def test_changes_are_marked_in_words(experiment):
    play(experiment, 3)
    experiment.change(replace(SHORT, lr_ra=1e-3))
    header, _ = packets(stream.Outbox(), experiment, 1)[0]
    assert header["changes"] == [{"step": 3, "text": "lr_RA 0.006 → 0.001"}]
    assert header["alarms"] == []


def test_alarms_carry_what_the_page_says_of_them(experiment):
    experiment.begin_with(replace(SHORT, vae=replace(SHORT.vae, lr=1.0)))
    play(experiment)
    header, _ = packets(stream.Outbox(), experiment, 1)[0]
    assert [set(a) for a in header["alarms"]] == [{"name", "sentence", "step", "until", "advice"}]
    assert header["alarms"][0]["name"] == "NaN"


def test_gradients_by_layer_are_told_until_the_run_moves_on(experiment):
    play(experiment, 2)
    found = experiment.by_layer()
    told = run_history.layers(experiment)
    assert told["step"] == 2
    assert [row["name"] for row in told["rows"]] == list(found)
    assert [row["title"] for row in told["rows"]] == [
        "conv 3×3, 1 → 32",
        "conv 3×3, 32 → 64",
        "linear, 256 → 128",
    ]
    play(experiment, 1)
    assert run_history.layers(experiment) is None


def test_the_share_of_the_last_move_is_a_share_and_norms_are_those_of_the_representations(experiment):
    play(experiment, 2)
    step = experiment.run.steps[-1]
    terms = loss_terms(step)
    assert terms["share_ue"] + terms["share_ra"] == pytest.approx(100)
    assert terms["share_ue"] == pytest.approx(100 * step.moves["ue"] / sum(step.moves.values()))
    header, _ = packets(stream.Outbox(), experiment, 1)[0]
    frame = experiment.run.frames[-1]
    forget = experiment.observer.evaluator.is_forget.numpy()
    lengths = np.sqrt((frame.representations.astype(np.float64) ** 2).sum(1))
    assert header["readings"][-1]["norm"]["forget"] == pytest.approx(np.median(lengths[forget]), rel=1e-4)


def test_without_a_model_no_move_is_possible_and_each_says_why():
    before = Experiment(Setup(device="cpu"), Scheduler(1))
    header, _ = unpack(stream.Outbox().packet(before, "t"))
    assert header["travel"] == {"continue": run_history.NO_MODEL, "fork": run_history.NO_MODEL}
