"""An Experiment rewinds, forks, changes settings and plays in slow motion."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.config import EvalConfig
from core.errors import IllegalMoveError, RequestError
from core.evaluation.metrics import evaluate
from core.experiments.session.experiment import Experiment
from core.projection.projection import NoiseFloor, Placement
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runs.storage import read_run
from core.runtime.scheduler import Scheduler
from dashboard.presentation.charts.runs import on_all_images
from tests import toys
from tests.waiting import until


@pytest.fixture
def experiment(monkeypatch, toy_split):
    def flat_map(self, model, observer):
        yield
        nothing = np.zeros((len(observer.rows), 2), np.float32)
        made = SimpleNamespace(
            positions=nothing,
            place=lambda e: Placement(nothing, nothing[:, 0]),
            noise_floor=lambda: NoiseFloor(0.0, 0.0),
            state=lambda: {"positions": nothing, "noise_floor": np.zeros(2)},
        )
        return made, "no key"

    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr("core.config.TrainConfig.preset", lambda *a: toys.TRAIN)
    monkeypatch.setattr(Setup, "split", lambda self, dataset: toy_split)
    monkeypatch.setattr("core.experiments.session.preparation.Preparation._map", flat_map)
    setup, often = Setup(dataset="toy", classes=(1,), device="cpu"), EvalConfig(frames=1000)
    made = Experiment(setup, Scheduler(workers=1), config=toys.QUICK, eval_config=often, reference_count=1)
    made.start()
    until(lambda: made.run is not None or made.error)
    assert made.error is None
    yield made
    made.close()


def played(experiment, steps=None):
    experiment.play(steps)
    until(lambda: experiment.phase is not Phase.RUNNING)
    return experiment.run


def test_taken_back_and_played_on_it_is_the_same_run_again_and_says_that_the_step_was_chosen(experiment):
    run = played(experiment)
    assert run.phase is Phase.DONE
    steps, life = list(run.steps), experiment.life
    experiment.rewind(4)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert [s.number for s in run.steps] == [1, 2, 3, 4]
    assert (experiment.life, experiment.kept_frames) == (life + 1, len(run.frames))
    assert [(m.step, "by eye" in m.text) for m in run.marks] == [(4, True)]
    played(experiment)
    assert run.steps == steps
    experiment.reset()
    assert experiment.run.marks == []
    assert experiment.kept_frames == 0


def test_going_on_from_the_newest_step_chooses_nothing(experiment):
    run = played(experiment, 3)
    experiment.rewind(3)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert run.marks == []


def test_a_fork_plays_beside_its_parent_with_its_own_settings(experiment):
    run = played(experiment, 4)
    twin = experiment.fork(2)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert (len(run.steps), len(twin.steps)) == (4, 2)
    experiment.change(replace(twin.config, lr_ra=toys.QUICK.lr_ra / 10))
    assert run.config == toys.QUICK
    played(experiment)
    assert run.phase is twin.phase is Phase.DONE
    assert twin.steps[:2] == run.steps[:2]
    assert twin.steps[2:] != run.steps[2:]
    assert [c.after for c in twin.changes] == [2]
    assert "by eye" in twin.marks[0].text
    with pytest.raises(IllegalMoveError, match="drop the fork"):
        experiment.rewind(2)
    experiment.reset()
    assert experiment.fork_run is None


def test_what_a_running_fork_cannot_have_is_refused_and_nothing_is_lost(experiment):
    played(experiment, 4)
    wrong = replace(toys.QUICK, vae=replace(toys.QUICK.vae, latent=3))
    with pytest.raises(RequestError, match="before the first step"):
        experiment.fork(2, wrong)
    assert experiment.fork_run is None
    experiment.begin_with(wrong)
    assert experiment.run.config == wrong
    assert experiment.run.phase is Phase.READY


def test_gradients_by_layer_belong_to_a_step_and_need_a_run_that_stands_still(experiment):
    with pytest.raises(IllegalMoveError, match="paused"):
        experiment.by_layer()
    run = played(experiment, 2)
    found = experiment.by_layer()
    assert experiment.layers == (2, found)
    assert all(set(of) == {"ue", "ra", "cosine"} for of in found.values())
    before = list(run.steps)
    assert played(experiment, 1).steps[:2] == before


def test_slow_motion_leaves_the_workers_to_others(experiment):
    experiment.set_slow(True)
    experiment.play()
    until(lambda: experiment.run.progress)
    until(lambda: len(experiment.runner) == 0)  # it waits outside of the Runner
    assert experiment.phase is Phase.RUNNING
    assert len(experiment.run.steps) < experiment.run.total_steps
    experiment.set_slow(False)
    until(lambda: experiment.phase is Phase.DONE)


def test_a_finished_fork_is_measured_on_all_images_as_its_parent_is_and_keeps_that(
    experiment, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    experiment.token = "0" * 32
    split = experiment.split
    # as where frames are of a share of the images
    monkeypatch.setattr(experiment.observer.evaluator, "is_everything", False)
    experiment.reset()
    run = played(experiment)
    until(lambda: experiment.references and not experiment.work)
    twin = experiment.fork(4)
    until(lambda: experiment.phase is Phase.PAUSED)
    experiment.change(replace(twin.config, lr_ra=toys.QUICK.lr_ra / 10))
    played(experiment)
    until(lambda: experiment.fork_report is not None and experiment.report is not None)
    for of, report in ((run, experiment.report), (twin, experiment.fork_report)):
        whole = evaluate(of.result, split, references=[r.model for r in experiment.references])
        assert report == whole
        assert report.js_to_references == whole.js_to_references
        kept = read_run(of.recorder.id).about["report"]
        assert (kept["train_f"], kept["test"]) == (whole.train_f, whole.test)
        assert kept["js_to_references"] == list(whole.js_to_references)
        assert f"Test {100 * whole.test:.1f} %" in on_all_images(read_run(of.recorder.id).about)
    assert experiment.report != experiment.fork_report
    experiment.drop_fork()
    assert experiment.fork_report is None
    experiment.rewind(4)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert "report" not in read_run(run.recorder.id).about


def test_the_follow_map_of_a_fork_begins_where_its_parents_was_when_it_left(experiment):
    drift = np.float32(1.0)  # each layout moves all points by one: how many there were can be read off
    experiment.projection.follow = lambda before, e: before + drift
    played(experiment, 6)
    twin = experiment.fork(3)
    until(lambda: experiment.phase is Phase.PAUSED)
    assert experiment.fork_follow is None  # nobody wanted it yet
    played(experiment)
    experiment.want_follow()
    until(
        lambda: (
            experiment.fork_follow is not None and len(experiment.fork_follow.positions) == len(twin.frames)
        )
    )
    mine, theirs = experiment.follow.positions, experiment.fork_follow.positions
    shared = sum(f.step <= 3 for f in twin.frames)
    assert shared == 4
    assert all(a is b for a, b in zip(mine[:shared], theirs[:shared], strict=True))
    assert [p[0, 0] for p in theirs] == list(range(len(twin.frames)))
    experiment.drop_fork()
    assert experiment.fork_follow is None
