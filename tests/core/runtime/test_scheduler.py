"""The Scheduler's worker threads. No wait here is longer than a few seconds, and none decides a result."""

from __future__ import annotations

import threading

import pytest

from core.methods import LAF
from core.runs.run import Phase, Run
from core.runtime.scheduler import Scheduler
from tests import toys
from tests.waiting import until

PATIENCE_S = 20


class Counted:
    """A task of ``slices`` slices that logs each, and notes when two threads run it at once."""

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


class Clock:
    """A clock that only moves when a test moves it, so that the load of the machine changes no share."""

    now = 0.0

    def __call__(self):
        return self.now


class Timed(Counted):
    """A task whose slices take a given time by a ``Clock``; for a Scheduler of one worker."""

    def __init__(self, name, slices, log, clock, seconds, weight=1.0):
        super().__init__(name, slices, log)
        self.clock, self.seconds, self.weight = clock, seconds, weight

    def tick(self):
        self.clock.now += self.seconds
        return super().tick()


def opened(*tasks, clock):
    """Return a Scheduler of one worker that has all of ``tasks`` before it takes the first."""
    gate, runner = threading.Event(), Scheduler(workers=1, clock=clock)
    first = Counted("first", 1, [], gate=gate)
    for task in (first, *tasks):
        runner.submit(task)
    gate.set()
    wait(first)
    return runner


@pytest.mark.parametrize(("long", "weight"), [(0.03, 1.0), (0.003, 0.1)])
def test_time_is_shared_by_weight_not_by_slices(long, weight):
    """A slice of the first task counts as ten of the other's, since it is long or of little weight."""
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
    """A task that is submitted again and again must not come before the others each time."""
    log, clock = [], Clock()
    leaves, stays = Timed("leaves", 1, log, clock, 0.02), Timed("stays", 60, log, clock, 0.003)

    class Returns:
        """Submit the task that ended again, as a run does with its frames."""

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
