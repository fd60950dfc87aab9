"""A Run and its moves; the same records however it is driven."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.config import EvalConfig, LAFConfig
from core.data import plant
from core.errors import CancelledError, DataError, IllegalMoveError, LabError, RequestError
from core.evaluation.evaluator import Evaluator
from core.evaluation.metrics import evaluate
from core.experiments.automatic_run import find_settings
from core.methods import LAF, METHODS
from core.methods.laf import laf as laf_module
from core.runs.observer import Observer
from core.runs.reference_models import references
from core.runs.run import Phase, Run, finish
from core.runs.setup import Setup
from core.runs.storage import record
from core.runtime.progress import run_to_end
from core.runtime.scheduler import Scheduler
from core.runtime.storage import load_state, save_state
from tests import toys


@pytest.fixture
def run(toy_split, toy_model):
    return Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)


@pytest.fixture(scope="module")
def straight(toy_split, toy_model):
    """Run through without a stop: what all others must equal."""
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    finish(run)
    return run


def assert_same(run, straight):
    assert run.phase is Phase.DONE
    assert run.steps == straight.steps
    assert toys.same(run.result.state_dict(), straight.result.state_dict())


def bring(run, phase):
    """``run`` in ``phase``."""
    if phase in ("running", "paused", "failed"):
        run.play()
    if phase == "paused":
        run.pause()
    if phase == "cancelled":
        run.cancel()
    if phase == "done":
        finish(run)
    if phase == "failed":
        run.unlearner.step = None  # a bug in a method
        while run.tick():
            pass
    assert run.phase == phase
    return run


MOVES = {
    "play": lambda run: run.play(),
    "pause": lambda run: run.pause(),
    "cancel": lambda run: run.cancel(),
    "advance": lambda run: run.advance(),
    "load": lambda run: run.load_state_dict({}),
}
ILLEGAL = [
    ("ready", "pause"),
    *[("running", move) for move in ("play", "load")],
    *[("paused", move) for move in ("pause", "load")],
    *[("done", move) for move in ("play", "pause", "cancel", "load")],
    *[(phase, move) for phase in ("failed", "cancelled") for move in MOVES],
]


@pytest.mark.parametrize(("phase", "move"), ILLEGAL)
def test_an_illegal_move_is_refused_and_changes_nothing(run, phase, move):
    bring(run, phase)
    steps = list(run.steps)
    state = "has failed" if phase == "failed" else f"is {phase}"
    with pytest.raises(IllegalMoveError, match=f"cannot {move} a run that {state}"):
        MOVES[move](run)
    assert run.phase == phase
    assert run.steps == steps


LEGAL = [
    ("ready", "play", "running"),
    ("ready", "cancel", "cancelled"),
    ("ready", "advance", "running"),
    ("running", "pause", "paused"),
    ("running", "cancel", "cancelled"),
    ("running", "advance", "running"),
    ("paused", "play", "running"),
    ("paused", "cancel", "cancelled"),
    ("paused", "advance", "paused"),
    ("done", "advance", "done"),
]


@pytest.mark.parametrize(("phase", "move", "after"), LEGAL)
def test_a_legal_move_leads_where_the_diagram_says(run, phase, move, after):
    MOVES[move](bring(run, phase))
    assert run.phase == after


def test_every_pair_of_phase_and_move_is_in_one_of_the_tables():
    told = {*ILLEGAL, *[(phase, move) for phase, move, _ in LEGAL]}
    assert told | {("ready", "load")} == {(str(phase), move) for phase in Phase for move in MOVES}


def test_nothing_happens_in_a_phase_that_does_not_run(run):
    for phase in ("ready", "cancelled"):
        bring(run, phase)
        assert run.tick() is False
        assert run.steps == []


def test_advance_gives_each_new_step_and_then_nothing(run, straight):
    given = []
    while new := run.advance():
        given += new
    assert given == straight.steps == run.steps
    assert run.advance() == ()
    assert run.phase is Phase.DONE


def test_a_loop_over_a_run_takes_its_remaining_steps(run, straight):
    run.advance()
    assert list(run) == straight.steps[1:]
    assert list(run) == []
    assert run.phase is Phase.DONE


@pytest.mark.parametrize("steps", [0, -1])
def test_a_run_plays_for_at_least_one_step(run, steps):
    with pytest.raises(IllegalMoveError, match="at least 1 step"):
        run.play(steps)
    assert run.phase is Phase.READY


def test_playing_some_steps_pauses_by_itself(run, straight):
    for expected in (1, 4, 10):
        run.play(expected - len(run.steps))
        while run.tick():
            pass
        assert len(run.steps) == expected
    assert_same(run, straight)


def test_a_run_that_was_not_started_has_no_result(run):
    with pytest.raises(IllegalMoveError, match="no result"):
        _ = run.result


def test_the_result_is_a_copy(run):
    finish(run)
    first = run.result
    with torch.no_grad():
        for p in first.parameters():
            p.zero_()
    assert not toys.same(first.state_dict(), run.result.state_dict())


def test_finishing_a_cancelled_run_says_that_it_was_cancelled(run):
    run.advance()
    run.cancel()
    with pytest.raises(CancelledError, match="cancelled"):
        finish(run)


def test_a_cancelled_run_keeps_its_steps(run):
    run.advance()
    run.cancel()
    assert len(run.steps) == 1
    assert run.tick() is False
    assert len(run.steps) == 1


def test_a_bug_in_a_method_becomes_one_sentence(run):
    bring(run, "failed")
    assert str(run.error).startswith("LAF failed: TypeError")


# the same records, however it is driven


def disturb():
    torch.manual_seed(random.randrange(10**6))
    torch.rand(2)
    random.seed(1)
    np.random.seed(3)  # noqa: NPY002


def test_the_same_seed_gives_the_same_records_and_another_seed_others(run, straight, toy_split, toy_model):
    finish(run)
    assert_same(run, straight)
    other = Run(LAF(toys.QUICK), toy_model, toy_split, seed=1)
    assert other.config == toys.QUICK
    assert other.advance()[0] != straight.steps[0]


def test_paused_resumed_and_disturbed_it_makes_the_same_records(run, straight):
    run.play()
    while run.tick():
        disturb()
        run.pause()
        disturb()
        run.play()
    assert_same(run, straight)


def test_a_run_moves_no_global_generator(run):
    torch.manual_seed(1)
    random.seed(1)
    finish(run)
    after = torch.rand(3), random.random()
    torch.manual_seed(1)
    random.seed(1)
    assert torch.equal(after[0], torch.rand(3))
    assert after[1] == random.random()


def test_two_runs_beside_each_other_in_threads_make_the_same_records(straight, toy_split, toy_model):
    runner = Scheduler(workers=2)
    runs = [Run(LAF(toys.QUICK), toy_model, toy_split, seed=0) for _ in range(2)]
    retrain = Run(METHODS["retrain"](), toy_model, toy_split, seed=0)
    for run in (*runs, retrain):
        run.play()
        runner.submit(run)
    deadline = time.monotonic() + 60
    while len(runner) and time.monotonic() < deadline:
        disturb()
        threading.Event().wait(0.005)
    for run in runs:
        assert_same(run, straight)
    assert retrain.phase is Phase.DONE


# saved, and continued in a fresh process

CONTINUE = """
import sys, torch; from tests import toys
from core.runtime.storage import load_state, save_state
torch.manual_seed(99)
run = toys.laf_run()
run.load_state_dict(load_state(sys.argv[1]))
assert str(run.phase) == "paused", run.phase
while run.advance():
    torch.rand(1)
save_state(sys.argv[2], {"run": run.state_dict(), "result": run.result.state_dict()})
"""


@pytest.fixture
def two_batches_a_slice(monkeypatch):
    """A clock that moves as it is read, so that a slice of preparation is two minibatches on any machine."""
    now = [0.0]

    def tick():
        now[0] += 0.02
        return now[0]

    monkeypatch.setattr(laf_module, "time", SimpleNamespace(perf_counter=tick))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["mid-VAE", "mid-unlearning"])
def test_saved_and_continued_in_a_fresh_process_it_makes_the_same_records(
    run, straight, tmp_path, two_batches_a_slice, moment
):
    run.play()
    while run.tick() and not (
        0 < run.stepper.state.vae.number < run.stepper.state.vae.total
        if moment == "mid-VAE"
        else len(run.steps) == 7
    ):
        pass
    assert len(run.steps) == (0 if moment == "mid-VAE" else 7)
    save_state(tmp_path / "saved", run.state_dict())
    command = [sys.executable, "-c", CONTINUE, str(tmp_path / "saved"), str(tmp_path / "after")]
    path = f"{Path(__file__).parents[3]}:{Path(__file__).parents[3]}"
    subprocess.run(
        command,
        check=True,
        env={"PYTHONPATH": path, "PATH": "", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
    )
    after = load_state(tmp_path / "after")
    strip = [{k: v for k, v in s.as_dict().items() if k != "seconds"} for s in straight.steps]
    assert [{k: v for k, v in s.items() if k != "seconds"} for s in after["run"]["steps"]] == strip
    assert toys.same(after["result"], straight.result.state_dict())


def test_a_saved_run_keeps_its_steps_seconds_and_phase(run, straight, toy_split, toy_model):
    run.load_state_dict(straight.state_dict())
    assert_same(run, straight)
    assert run.seconds.keys() == straight.seconds.keys()
    ready = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    ready.load_state_dict(Run(LAF(toys.QUICK), toy_model, toy_split, seed=0).state_dict())
    finish(ready)
    assert_same(ready, straight)


def test_a_saved_state_does_not_change_when_the_run_goes_on(run, straight, toy_split, toy_model):
    for _ in range(4):
        run.advance()
    saved = run.state_dict()
    finish(run)
    again = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
    again.load_state_dict(saved)
    finish(again)
    assert_same(again, straight)


def test_a_state_of_other_settings_is_refused(run, toy_split, toy_model):
    for other in (
        Run(LAF(toys.QUICK), toy_model, toy_split, seed=1),
        Run(METHODS["retrain"](), toy_model, toy_split),
    ):
        with pytest.raises(DataError, match="another method, config or seed"):
            run.load_state_dict(other.state_dict())


# frames


def test_frames_come_at_the_cadence_and_always_at_the_end(toy_split, toy_model):
    config = EvalConfig(frames=3)
    run = Run(LAF(toys.QUICK), toy_model, toy_split, observer=Observer(toy_split, toy_model, config))
    finish(run)
    assert [f.step for f in run.frames] == [0, 3, 6, 9, 10]
    assert [f.number for f in run.frames] == [0, 1, 2, 3, 4]
    assert run.frames[0].record is None
    assert [f.record for f in run.frames[1:]] == [run.steps[i - 1] for i in (3, 6, 9, 10)]
    for frame in run.frames:
        assert frame.positions is None
        assert frame.off_map is None
        assert len(frame.predictions) == len(frame.confidences) == len(frame.angles) == 160
        assert frame.representations.dtype == np.float16
    assert run.frames[0].angles.max() < 1e-3
    assert run.frames[-1].angles.mean() > 1


def test_an_observer_changes_no_record(toy_split, toy_model, straight):
    run = Run(LAF(toys.QUICK), toy_model, toy_split, observer=Observer(toy_split, toy_model, EvalConfig()))
    finish(run)
    assert_same(run, straight)
    assert set(run.seconds) == {"vae", "vae_f", "unlearn", "evaluate"}
    assert all(s > 0 for s in run.seconds.values())


def test_progress_is_told_for_each_stage(toy_split, toy_model):
    seen = []
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    run.on_progress = seen.append
    finish(run)
    assert {p.stage for p in seen} >= {"vae", "vae_f"}
    assert (run.progress["unlearn"].done, run.progress["unlearn"].total) == (10, 10)
    assert (run.progress["vae"].done, run.progress["vae"].total) == (15, 15)


def test_every_stage_of_a_run_reports_to_on_progress(toy_split, toy_model):
    """ "told of each slice", says its comment: also of the steps, or a long unlearning shows no progress."""
    seen = []
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    run.on_progress = seen.append
    finish(run)
    assert [p.done for p in seen if p.stage == "unlearn"] == list(range(1, 11))


def test_frames_hold_positions_where_there_is_a_map(toy_split, toy_model):
    projection = pytest.importorskip("core.projection.projection")
    observer = Observer(toy_split, toy_model, EvalConfig())

    class Flat:
        def place(self, e):
            return SimpleNamespace(positions=np.asarray(e[:, :2]), off_map=np.zeros(len(e)))

    assert hasattr(projection.Projection, "place")
    observer.projection = Flat()
    frame = observer.look(toy_model)
    assert frame.positions.shape == (160, 2)
    assert frame.off_map.shape == (160,)


# what a notebook gives


@pytest.mark.parametrize("name", ["laf", "retrain", "finetune"])
def test_a_method_may_be_named(name, toy_split, toy_model, monkeypatch):
    monkeypatch.setattr("core.config.LAFConfig.preset", classmethod(lambda *a: toys.QUICK))
    run = Run(name, toy_model, toy_split)
    assert run.unlearner.name == name
    assert repr(run).startswith(f"Run: {run.unlearner.title} on Toy, class b, seed 0: ready, 0 of ")
    assert "\n" not in repr(run)


WRONG_METHODS = {
    "a name": (lambda: "lav", "unknown method 'lav'; there are: nothing, retrain"),
    "a class": (lambda: LAF, r"a run takes an object, not the class LAF; write LAF\(\)"),
    "nothing": (lambda: None, "an object of NoneType is not a method of unlearning: it lacks name, title"),
    "a dict": (
        lambda: LAF({"epochs": 3}),
        r"LAF takes a LAFConfig, got a dict; write LAFConfig\(\*\*settings\)",
    ),
    "another config": (
        lambda: LAF(toys.TRAIN),
        r"LAF takes a LAFConfig, got a TrainConfig; write LAFConfig\(",
    ),
    "a config's class": (lambda: LAF(LAFConfig), "LAF takes a LAFConfig, got the class LAFConfig"),
    "of a baseline": (lambda: METHODS["scrub"](toys.QUICK), "SCRUB takes a ScrubConfig, got a LAFConfig"),
    "of retraining": (lambda: METHODS["retrain"]({}), "takes a TrainConfig, got a dict"),
}


@pytest.mark.parametrize(("make", "words"), WRONG_METHODS.values(), ids=WRONG_METHODS)
def test_a_wrong_method_or_config_is_told_in_one_sentence(make, words, toy_split, toy_model):
    with pytest.raises(RequestError, match=words) as caught:
        Run(make(), toy_model, toy_split)
    assert "\n" not in str(caught.value)


MISUSED = {
    "a dataset": (lambda m, s: Run("laf", m, s.dataset), "a run takes a Split, got Dataset: Toy"),
    "swapped": (lambda m, s: Run("laf", s, m), "a run takes a Split, got "),
    "a seed": (lambda m, s: Run("laf", m, s, seed="x"), "seed must be a whole number of at least 0, got 'x'"),
    "finish a name": (lambda m, s: finish("laf"), r"finish takes a Run, got 'laf'; write finish\(Run"),
    "no listener": (
        lambda m, s: finish(Run("nothing", m, s), progress=True),
        "progress must be a function that takes a Progress, got True",
    ),
    "one reference": (lambda m, s: evaluate(m, s, references=m), r"write references=\[model\]"),
    "references of a swap": (lambda m, s: references(m, s), "references takes a Split, got DigitsCNN"),
    "a count": (
        lambda m, s: references(s, m, count=-1),
        "count must be a whole number of at least 0, got -1",
    ),
    "settings of a dataset": (
        lambda m, s: find_settings(s.dataset, m, seed=0),
        "find_settings takes a Split, got Dataset: Toy",
    ),
    "an observer's split": (lambda m, s: Observer(s.dataset, m), "an evaluation takes a Split, got Dataset"),
    "an evaluator's split": (lambda m, s: Evaluator(m, s), "an evaluator takes a Split, got "),
    "a run as a model": (
        lambda m, s: run_to_end(Evaluator(s, m).judge(Run("nothing", m, s))),
        "a model must be an nn.Module, got Run: Do nothing on Toy",
    ),
    "a plant in a split": (
        lambda m, s: plant(s, "canaries"),
        "a forget request takes a Dataset, got Split: Toy",
    ),
    "steps as text": (
        lambda m, s: Run("nothing", m, s).play("3"),
        "steps must be a whole number of at least 1",
    ),
    "a setup of another method": (
        lambda m, s: record(Run("nothing", m, s), Setup(dataset="toy", classes=(1,))),
        r"the run is of the method 'nothing' and its Setup of 'laf'; write Setup\(method='nothing'",
    ),
    "a setup of another request": (
        lambda m, s: record(Run("nothing", m, s), Setup(dataset="toy", method="nothing", classes=("c",))),
        r"the run forgets class b and its Setup says otherwise; write Setup\(task='class', classes=\(1,\)",
    ),
    "no setup": (lambda m, s: record(Run("nothing", m, s), None), "record takes a Setup, got None"),
    "evaluate a dataset": (lambda m, s: evaluate(m, s.dataset), "evaluate takes a Split, got Dataset: Toy"),
}


@pytest.mark.parametrize(("ask", "words"), MISUSED.values(), ids=MISUSED)
def test_an_argument_of_another_kind_is_told_in_one_sentence(ask, words, toy_split, toy_model):
    with pytest.raises(RequestError, match=words):
        ask(toy_model, toy_split)


def test_other_settings_of_a_run_must_be_of_its_methods_type(run):
    with pytest.raises(RequestError, match="LAF takes a LAFConfig, got a dict"):
        run.change({"epochs": 3})


def test_finish_reports_each_slice_and_keeps_a_report_that_was_set_before(toy_split, toy_model):
    told, before = [], []
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    finish(run, progress=told.append)
    assert {p.stage for p in told} == {"vae", "vae_f", "unlearn"}
    assert [p.done for p in told if p.stage == "unlearn"] == list(range(1, len(run.steps) + 1))
    other = Run(LAF(toys.QUICK), toy_model, toy_split)
    other.on_progress = before.append
    finish(other)
    # how many slices the VAEs take depends on the machine's speed
    steps = [[(p.stage, p.done) for p in one if p.stage == "unlearn"] for one in (told, before)]
    assert steps[0] == steps[1]


def test_a_failing_run_raises_with_its_cause_and_logs_no_traceback(run, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(run.unlearner, "step", broken, raising=False)
    with pytest.raises(LabError, match="LAF failed: ZeroDivisionError: by nought") as caught:
        finish(run)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caplog.records == []
    with pytest.raises(IllegalMoveError, match="has failed; make a new Run; it failed so: LAF failed: Zero"):
        finish(run)  # as a notebook's cell that is run again


def test_a_run_that_fails_in_a_worker_logs_the_traceback_once(run, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(run.unlearner, "step", broken, raising=False)
    run.play()
    while run.tick():
        pass
    assert [r.exc_info[0] for r in caplog.records] == [ZeroDivisionError]
