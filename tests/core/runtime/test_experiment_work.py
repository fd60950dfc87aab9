"""An Experiment and the work that it gives to a Scheduler."""

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
from tests.waiting import until


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
    """An Experiment on the toy data, without a map, that a test may start; its Scheduler has one thread."""
    module = pytest.importorskip("core.experiments.session.experiment")

    class Setup:
        dataset, data_dir, device, seed, method, model = "toy", None, "cpu", 0, "laf", None
        settings, net, earlier = "preset", None, ()

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
    from core.runtime.purge_watch import purge_generation

    kept = PreparationCache(most=2)
    made = {name: SimpleNamespace(generation=purge_generation()) for name in "abc"}
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
    now += 1000.0  # the run is paused
    run.play()
    on(3.0)
    on(3.0)
    assert drive.left_s(stage) == pytest.approx(3.0 * (stage.total - 6))
