"""Frames made beside a run equal those that the run makes itself, and do not slow it down."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from core.config import EvalConfig
from core.errors import DivergedError
from core.methods import LAF
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.engine.frame_worker import FrameWorker
from core.runs.observer import Observer
from core.runs.run import Phase, Run
from core.runtime.scheduler import Scheduler
from tests import toys
from tests.waiting import until


@pytest.fixture
def runner():
    runner = Scheduler(2)
    yield runner
    runner.close()


def watched(
    split, model, runner: Scheduler | None, *, adapts: bool = False, observer: Observer | None = None
) -> Run:
    if observer is None:
        observer = Observer(split, model, EvalConfig(adapts=adapts, frames=1000))
        observer.projection = Projection(
            observer.original.train.representations.numpy(), toys_map(len(observer.rows)), umap=None
        )
    watching = None if runner is None else FrameWorker(runner)
    return Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints(), watching=watching)


def toys_map(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)


class Slow:
    """An observer that takes as long as it is told to."""

    def __init__(self, observer: Observer, seconds: float) -> None:
        self._observer, self.seconds = observer, seconds
        self.gate = threading.Event()
        self.gate.set()

    def __getattr__(self, name):
        return getattr(self._observer, name)

    def look(self, *args, **more):
        self.gate.wait(20)
        time.sleep(self.seconds)
        return self._observer.look(*args, **more)


def play(run: Run, runner: Scheduler, most_s: float = 60.0) -> None:
    run.play()
    runner.submit(run)
    until(lambda: run.phase is not Phase.RUNNING, most_s)


def test_a_frame_that_is_in_the_history_while_its_job_still_ends_is_counted_once(
    toy_split, toy_model, runner, monkeypatch
):
    run = watched(toy_split, toy_model, runner)
    gate, ending = threading.Event(), threading.Event()

    def charge(_: FrameWorker, seconds: float) -> None:  # the last thing that a job does
        ending.set()
        gate.wait(20)

    monkeypatch.setattr(FrameWorker, "charge", charge)
    while len(run.steps) < 1:
        run.advance()
    assert ending.wait(20)
    assert [f.number for f in run.frames] == [0, 1]
    while len(run.steps) < 2:
        run.advance()
    gate.set()
    while run.advance():
        pass
    until(lambda: run.frames[-1].step == run.total_steps)
    assert [f.number for f in run.frames] == list(range(len(run.frames)))


def test_they_are_the_frames_that_the_run_makes_itself_in_the_same_order(toy_split, toy_model, runner):
    alone = watched(toy_split, toy_model, None)
    while alone.advance():
        pass
    beside = watched(toy_split, toy_model, runner)
    play(beside, runner)
    assert beside.phase is Phase.DONE
    assert beside.steps == alone.steps
    assert [f.number for f in beside.frames] == list(range(len(alone.frames)))
    assert [f.step for f in beside.frames] == [f.step for f in alone.frames]
    for a, b in zip(alone.frames, beside.frames, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.representations, b.representations)
        assert a.reading == b.reading
    assert beside.checkpoints.steps == alone.checkpoints.steps


def test_a_run_that_adapts_goes_on_without_the_frames_there_is_no_time_for(toy_split, toy_model, runner):
    run = watched(toy_split, toy_model, runner, adapts=True)
    run.observer = Slow(run.observer, 0.0)
    run.observer.gate.clear()
    run.play()
    runner.submit(run)
    until(lambda: len(run.steps) >= run.total_steps - 1)
    assert run.phase is Phase.RUNNING  # the last step must have its frame
    run.observer.gate.set()
    until(lambda: run.phase is Phase.DONE)
    assert len(run.frames) < run.total_steps
    assert run.frames[-1].step == run.total_steps
    assert [f.number for f in run.frames] == list(range(len(run.frames)))


def test_taken_back_while_a_frame_is_being_made_nothing_of_later_is_left(toy_split, toy_model, runner):
    run = watched(toy_split, toy_model, runner)
    run.observer = Slow(run.observer, 0.02)
    run.play()
    runner.submit(run)
    until(lambda: len(run.steps) >= 6)
    run.pause()
    run.rewind(3)
    runner.submit(run)
    until(lambda: run.phase is Phase.PAUSED)
    time.sleep(0.1)
    assert len(run.steps) == 3
    assert all(f.step <= 3 for f in run.frames)
    play(run, runner)
    alone = watched(toy_split, toy_model, None)
    while alone.advance():
        pass
    assert run.steps == alone.steps
    assert [f.step for f in run.frames] == [f.step for f in alone.frames]


def test_a_step_that_is_asked_for_alone_ends_with_its_frame(toy_split, toy_model, runner):
    run = watched(toy_split, toy_model, runner)
    run.observer = Slow(run.observer, 0.05)
    run.play(1)
    runner.submit(run)
    until(lambda: run.phase is Phase.PAUSED)
    assert [f.step for f in run.frames] == [0, 1]


def test_a_measurement_that_fails_fails_the_run_in_its_words(toy_split, toy_model, runner):
    run = watched(toy_split, toy_model, runner)

    class Broken(Slow):
        def look(self, *args, **more):
            raise DivergedError("the output of the model", stage="unlearn", step=1, advice="lower lr_UE")

    run.observer = Broken(run.observer, 0)
    run.play()
    runner.submit(run)
    until(lambda: run.phase is not Phase.RUNNING)
    assert run.phase is Phase.FAILED
    assert "the output of the model" in str(run.error)


def test_work_beyond_its_share_of_the_time_is_dear_until_that_has_passed(runner, monkeypatch):
    now = 100.0
    monkeypatch.setattr("core.runs.engine.frame_worker.time", SimpleNamespace(monotonic=lambda: now))
    watching = FrameWorker(runner, share=0.5)
    assert not watching.is_dear
    watching.charge(0.05)  # it began at 99.95, and is worth 0.1 s
    assert watching.is_dear
    now = 100.049
    assert watching.is_dear
    now = 100.051
    assert not watching.is_dear
    assert watching.another().share == 0.5
    free = FrameWorker(runner, share=float("inf"))
    free.charge(100.0)
    assert not free.is_dear


@pytest.mark.parametrize("adapts", [True, False])
def test_a_run_goes_on_without_frames_that_are_too_dear_but_for_its_last(runner, adapts):
    split = toys.split()
    model = toys.model(split)
    run = watched(split, model, runner, adapts=adapts)
    run.watching.charge(1000.0)
    run.play()
    while run.tick():
        pass
    assert len(run.frames) == (2 if adapts else len(run.steps) + 1)  # frame 0 is the original's
    assert run.frames[-1].step == run.total_steps


def test_steps_that_are_asked_for_end_with_the_frame_of_the_last_however_dear(toy_split, toy_model, runner):
    run = watched(toy_split, toy_model, runner, adapts=True)
    run.watching.charge(1000.0)
    run.play(5)
    while run.tick():
        pass
    until(lambda: run.watching.pending == 0)
    assert len(run.steps) == 5 < run.total_steps
    assert [f.step for f in run.frames] == [0, 5]
