"""Worker threads that take turns; no wait here is longer than a few seconds, and none decides a result."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from core.experiments.session.run_task import RunTask
from core.methods import LAF
from core.projection.projection import NoiseFloor, Placement
from core.runs.run import Phase, Run
from core.runtime.scheduler import Scheduler
from tests import toys

PATIENCE_S = 20


class Counted:
    """A task of ``slices`` slices that notes each, and whether two threads ever met in it."""

    def __init__(self, name, slices, log, *, fail_at=None, gate=None):
        self.name, self.left, self.log, self.fail_at, self.gate = name, slices, log, fail_at, gate
        self.done = threading.Event()
        self.inside = threading.Semaphore(1)
        self.met = False
        self.started = threading.Event()

    def tick(self):
        if not self.inside.acquire(blocking=False):
            self.met = True
        self.started.set()
        try:
            if self.gate is not None:
                assert self.gate.wait(PATIENCE_S)
            self.log.append(self.name)
            self.left -= 1
            if self.left == self.fail_at:
                self.done.set()
                raise RuntimeError("a task's own bug")
            return self.left > 0
        finally:
            self.inside.release()
            if self.left == 0:
                self.done.set()


def wait(*tasks):
    for task in tasks:
        assert task.done.wait(PATIENCE_S), task.name


def until(condition):
    for _ in range(PATIENCE_S * 100):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("waited in vain")


class Clock:
    """Seconds that pass only when somebody says so: what else the machine does changes no share."""

    now = 0.0

    def __call__(self):
        return self.now


class Timed(Counted):
    """Its slices take so long by a ``Clock``; for a Runner of one worker."""

    def __init__(self, name, slices, log, clock, seconds, weight=1.0):
        super().__init__(name, slices, log)
        self.clock, self.seconds, self.weight = clock, seconds, weight

    def tick(self):
        self.clock.now += self.seconds
        return super().tick()


def opened(*tasks, clock):
    """A Runner of one worker that has all of ``tasks`` before it takes the first."""
    gate, runner = threading.Event(), Scheduler(workers=1, clock=clock)
    first = Counted("first", 1, [], gate=gate)
    for task in (first, *tasks):
        runner.submit(task)
    gate.set()
    wait(first)
    return runner


@pytest.mark.parametrize(("long", "weight"), [(0.03, 1.0), (0.003, 0.1)])
def test_time_is_shared_by_weight_not_by_slices(long, weight):
    """A slice of the first one counts as ten of the other: long ones, or ones of little weight."""
    log, clock = [], Clock()
    dear, cheap = Timed("dear", 5, log, clock, long, weight), Timed("cheap", 100, log, clock, 0.003)
    opened(dear, cheap, clock=clock)
    wait(dear, cheap)
    last = len(log) - 1 - log[::-1].index("dear")
    assert log[:last].count("cheap") == pytest.approx(4 * 10, abs=4)


def test_tasks_of_one_account_have_one_share_together():
    log, clock, account = [], Clock(), threading.Event()
    pair = [Timed("pair", 100, log, clock, 0.003), Timed("pair", 100, log, clock, 0.003)]
    for task in pair:
        task.account = account
    alone = Timed("alone", 40, log, clock, 0.003)
    opened(*pair, alone, clock=clock)
    wait(alone, *pair)
    last = len(log) - 1 - log[::-1].index("alone")
    assert log[:last].count("pair") == pytest.approx(40, abs=2)  # one share each were twice as many


def test_who_comes_back_soon_is_not_first_again():
    """A run's frames leave and come back for each one: served at once each time, they kept other runs' from their turns."""
    log, clock = [], Clock()
    leaves, stays = Timed("leaves", 1, log, clock, 0.02), Timed("stays", 60, log, clock, 0.003)

    class Returns:
        """Has the one that left come back, as a run does with its frames."""

        done = stays.done

        @staticmethod
        def tick():
            runner.submit(leaves)
            return stays.tick()

    runner = opened(clock=clock)
    for task in (leaves, Returns):
        runner.submit(task)
    wait(stays)
    assert log.count("leaves") == pytest.approx(
        60 * 0.003 / 0.02, abs=2
    )  # as often as it came back, it were 60


def test_a_task_that_only_waits_comes_after_those_that_work():
    log, clock = [], Clock()
    idle, busy = Counted("idle", 10**9, log), Timed("busy", 20, log, clock, 0.002)
    idle.waits = True
    runner = opened(idle, busy, clock=clock)
    wait(busy)
    until(lambda: "idle" in log)
    runner.discard(idle)
    assert "idle" not in log[: len(log) - 1 - log[::-1].index("busy")]


def test_a_late_task_has_its_turn_after_one_slice_of_each():
    log, gate, runner = [], threading.Event(), Scheduler(workers=1)
    long, late = Counted("long", 50, log, gate=gate), Counted("late", 1, log)
    runner.submit(long)
    assert long.started.wait(PATIENCE_S)
    runner.submit(late)
    gate.set()
    wait(long, late)
    assert log.index("late") <= 2


def test_a_task_is_never_in_two_threads_however_often_it_is_submitted():
    log, runner = [], Scheduler(workers=4)
    tasks = [Counted(str(i), 200, log) for i in range(3)]
    for _ in range(100):
        for task in tasks:
            runner.submit(task)
    wait(*tasks)
    until(lambda: len(runner) == 0)
    assert not any(task.met for task in tasks)
    assert all(log.count(task.name) >= 200 for task in tasks)


def test_submitted_while_its_last_slice_runs_it_has_another_turn():
    log, gate, runner = [], threading.Event(), Scheduler(workers=1)
    task = Counted("a", 1, log, gate=gate)
    runner.submit(task)
    assert task.started.wait(PATIENCE_S)
    runner.submit(task)
    gate.set()
    until(lambda: len(log) >= 2)
    assert log[:2] == ["a", "a"]


def test_discarded_it_has_no_more_turns_and_submitted_again_it_has():
    log, gate, runner = [], threading.Event(), Scheduler(workers=1)
    running, waiting, other = (
        Counted("running", 9, log, gate=gate),
        Counted("waiting", 9, log),
        Counted("other", 3, log),
    )
    for task in (running, waiting, other):
        runner.submit(task)
    assert running.started.wait(PATIENCE_S)
    runner.discard(running)
    runner.discard(waiting)
    runner.discard(Counted("never submitted", 1, log))
    gate.set()
    wait(other)
    until(lambda: len(runner) == 0)
    assert log == ["running", "other", "other", "other"]
    runner.submit(waiting)
    wait(waiting)
    assert log.count("waiting") == 9


def test_an_error_in_one_task_leaves_the_others(caplog):
    log, runner = [], Scheduler(workers=1)
    bad, good = Counted("bad", 5, log, fail_at=3), Counted("good", 20, log)
    runner.submit(bad)
    runner.submit(good)
    wait(bad, good)
    until(lambda: len(runner) == 0)
    assert log.count("good") == 20
    assert log.count("bad") == 2
    assert "a task raised" in caplog.text


def test_no_more_threads_than_workers():
    before = threading.active_count()
    log, gate, runner = [], threading.Event(), Scheduler(workers=2)
    tasks = [Counted(str(i), 1, log, gate=gate) for i in range(8)]
    for task in tasks:
        runner.submit(task)
    until(lambda: sum(task.started.is_set() for task in tasks) == 2)
    assert threading.active_count() - before == 2
    gate.set()
    wait(*tasks)


def test_a_run_in_the_runner_ends_and_a_paused_one_gives_its_turns_back(toy_split, toy_model):
    runner = Scheduler(workers=1)
    done, paused = (Run(LAF(toys.QUICK), toy_model, toy_split) for _ in "ab")
    done.play()
    paused.play(3)
    runner.submit(done)
    runner.submit(paused)
    until(lambda: len(runner) == 0)
    assert (done.phase, len(done.steps)) == (Phase.DONE, 10)
    assert (paused.phase, len(paused.steps)) == (Phase.PAUSED, 3)


# an Experiment and its work


def flat_map(preparing, model, observer):
    """A map without UMAP: every point at the origin."""
    yield
    nothing = np.zeros((len(observer.rows), 2), np.float32)
    made = SimpleNamespace(
        positions=nothing,
        span=1.0,
        place=lambda e: Placement(nothing, nothing[:, 0]),
        noise_floor=lambda: NoiseFloor(0.0, 0.0),
        state=lambda: {"positions": nothing, "noise_floor": np.zeros(2)},
    )
    return made, "no key"


@pytest.fixture
def experiment(monkeypatch, toy_split, toy_model):
    """An Experiment on the toy data, without a map, that a test may start; its Runner has one thread."""
    module = pytest.importorskip("core.experiments.session.experiment")

    class Setup:
        dataset, data_dir, device, seed, method, model = "toy", None, "cpu", 0, "laf", None

        def split(self, dataset):
            return toy_split

    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr("core.config.TrainConfig.preset", lambda *a: toys.TRAIN)
    monkeypatch.setattr("core.experiments.session.preparation.Preparation._map", flat_map)
    made = module.Experiment(Setup(), Scheduler(workers=1), config=toys.QUICK)
    yield made
    made.close()


def test_an_experiment_prepares_plays_and_retrains(experiment):
    experiment.start()
    until(lambda: experiment.run is not None or experiment.error)
    assert experiment.error is None
    experiment.play()
    until(lambda: experiment.run.phase is Phase.DONE and experiment.references)
    assert len(experiment.run.frames) == 11
    until(lambda: len(experiment.references) == 3 == experiment.revision)
    assert experiment.references[0].frame.reading.train_f == 0
    until(lambda: not experiment.work)


def test_a_second_experiment_of_one_setup_is_ready_at_once_and_has_its_own_run(experiment, monkeypatch):
    import core.experiments.session.experiment as module

    monkeypatch.setattr(type(experiment.setup), "config", lambda *a: toys.QUICK, raising=False)
    monkeypatch.setattr(module.EvalConfig, "preset", lambda *a: module.EvalConfig())
    from core.experiments.session.preparation_cache import PreparationCache

    kept, setup = PreparationCache(), experiment.setup
    first = module.Experiment(setup, experiment.runner, kept=kept)
    first.start()
    until(lambda: kept.get(setup) and len(kept.get(setup).references) == 3)
    second = module.Experiment(setup, experiment.runner, kept=kept)
    second.start()
    assert second.run is not None
    assert second.run is not first.run
    assert second.references == first.references
    assert second.run.frames[0] is first.run.frames[0]
    first.play()
    until(lambda: first.run.phase is Phase.DONE)
    assert (second.run.phase, len(second.run.frames)) == (Phase.READY, 1)
    second.play()
    until(lambda: second.run.phase is Phase.DONE)
    assert second.run.steps == first.run.steps
    for made in (first, second):
        made.close()


def test_only_the_last_few_setups_are_kept():
    from core.experiments.session.preparation_cache import PreparationCache
    from core.runtime.purge_watch import generation

    kept = PreparationCache(most=2)
    made = {name: SimpleNamespace(generation=generation()) for name in "abc"}
    for name in "abac":
        kept.put(name, made[name])
    assert [kept.get(name) for name in "abc"] == [made["a"], None, made["c"]]


def test_closing_an_experiment_stops_its_work(experiment):
    experiment.start()
    until(lambda: experiment.run is not None)
    experiment.play()
    until(lambda: experiment.run.steps)
    experiment.close()
    until(lambda: len(experiment.runner) == 0)
    count = len(experiment.run.steps)
    assert experiment.run.phase in (Phase.CANCELLED, Phase.DONE)
    threading.Event().wait(0.1)
    assert len(experiment.run.steps) == count
    assert len(experiment.runner) == 0


def test_closing_while_preparing_leaves_nothing_behind(experiment):
    experiment.start()
    experiment.close()
    until(lambda: len(experiment.runner) == 0)
    assert experiment.run is None or not experiment.run.steps
    assert experiment.references == []


def test_a_reset_gives_a_fresh_run_and_keeps_the_references(experiment):
    experiment.start()
    until(lambda: experiment.references)
    experiment.play(3)
    until(lambda: experiment.run.phase is Phase.PAUSED)
    old = experiment.run
    experiment.reset()
    assert experiment.run is not old
    assert (experiment.run.phase, experiment.run.steps, experiment.life) == (Phase.READY, [], 1)
    assert (old.phase, len(old.steps)) == (Phase.CANCELLED, 3)
    assert experiment.references
    experiment.play()
    until(lambda: experiment.run.phase is Phase.DONE)
    assert experiment.run.steps[:3] == old.steps


def test_preparing_that_fails_is_one_sentence(experiment, monkeypatch):
    from core.errors import DataError, RequestError

    def broken(*args, **kwargs):
        raise DataError("the file is broken")

    monkeypatch.setattr("core.experiments.session.preparation.load", broken)
    experiment.start()
    until(lambda: experiment.error)
    assert str(experiment.error) == "the file is broken"
    with pytest.raises(RequestError, match="still being prepared"):
        experiment.play()
    assert experiment.work == {}


def test_what_waits_for_umap_holds_up_no_run(experiment):
    """A slow map process once took all worker threads, and a page opened meanwhile stayed empty."""
    gate, runner, waiting = threading.Event(), Scheduler(1), Scheduler(1)
    experiment.runner, experiment.map_runner = runner, waiting

    def blocked():
        gate.wait(60)
        yield

    experiment.pool._measure_noise = blocked
    try:
        experiment.start()
        until(lambda: experiment.references)
        until(lambda: len(waiting) == 0 or len(runner) == 0)
        experiment.play(2)
        until(lambda: len(experiment.run.steps) == 2)
    finally:
        gate.set()
        experiment.close()


def test_what_is_left_is_told_by_the_clock_on_the_wall_and_not_by_what_is_computed(
    toy_split, toy_model, monkeypatch
):
    now = 0.0
    monkeypatch.setattr("core.experiments.session.run_task.time", SimpleNamespace(monotonic=lambda: now))
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    drive, stage = RunTask(run, lambda _: None), run.stages[-1]
    assert drive.left_s(stage) is None
    run.play()

    def on(seconds):
        nonlocal now
        now += seconds
        drive.tick()

    while len(run.steps) < 2:
        on(2.0)
    assert drive.left_s(stage) == pytest.approx(2.0 * (stage.total - 2))
    assert drive.left_s(run.stages[0]) is None  # it is over
    drive.pace_s = 1.0  # slow motion: the pace is another one
    assert drive.left_s(stage) is None
    on(9.0)
    on(3.0)
    assert drive.left_s(stage) == pytest.approx(3.0 * (stage.total - 4))
    run.pause()
    drive.tick()
    now += 1000.0  # nobody plays
    run.play()
    on(3.0)
    on(3.0)
    assert drive.left_s(stage) == pytest.approx(3.0 * (stage.total - 6))
