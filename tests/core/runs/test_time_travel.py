"""Rewinds, forks, changes of settings and checkpoints: every step is repeated bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import EvalConfig, LAFRConfig, RepairConfig
from core.errors import IllegalMoveError, RequestError
from core.methods import LAF, METHODS
from core.methods.laf.laf_r import LAFR
from core.runs.checkpoints import Checkpoints, size_of
from core.runs.observer import Observer
from core.runs.records import Mark
from core.runs.run import Phase, Run, finish
from tests import toys


@pytest.fixture(scope="module")
def observer(toy_split, toy_model):
    return Observer(toy_split, toy_model, EvalConfig(frames=1000))


def make(split, model, observer, unlearner=None, **kept) -> Run:
    return Run(
        unlearner or LAF(toys.QUICK), model, split, seed=3, observer=observer, checkpoints=Checkpoints(**kept)
    )


def to_its_place(run: Run) -> None:
    while run.phase is Phase.RUNNING and run.tick():
        pass


@pytest.fixture(scope="module")
def straight(toy_split, toy_model, observer):
    """A run played to its end, never to be changed: its records and its last weights."""
    run = make(toy_split, toy_model, observer, every=3)
    finish(run)
    return run, list(run.steps), toys.weights(run.result)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_taken_back_anywhere_and_played_on_it_repeats_itself_to_the_bit(
    straight, toy_split, toy_model, observer, data
):
    run = make(toy_split, toy_model, observer, every=data.draw(st.integers(1, 4), "every"))
    finish(run)
    _, steps, weights = straight
    for _ in range(data.draw(st.integers(1, 3), "times")):
        step = data.draw(st.integers(0, len(run.steps)), "step")
        run.rewind(step)
        to_its_place(run)
        assert run.phase is (Phase.DONE if step == len(steps) else Phase.PAUSED)
        assert [s.number for s in run.steps] == list(range(1, step + 1))
        assert all(f.step <= step for f in run.frames)
        more = data.draw(st.integers(1, 5), "steps")
        if run.phase is Phase.PAUSED:
            run.play(more)
            while run.tick():
                pass
    if run.phase is not Phase.DONE:
        finish(run)
    assert run.steps == steps
    assert toys.same(toys.weights(run.result), weights)
    assert [f.step for f in run.frames] == [f.step for f in straight[0].frames]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(step=st.integers(0, 10))
def test_a_fork_with_nothing_changed_goes_the_way_of_its_parent(straight, step):
    parent, steps, weights = straight
    twin = parent.fork(step)
    to_its_place(twin)
    assert (twin.phase is Phase.DONE, len(twin.steps)) == (step == len(steps), step)
    finish(twin)
    assert twin.steps == steps
    assert toys.same(toys.weights(twin.result), weights)
    assert parent.steps == steps
    assert toys.same(toys.weights(parent.result), weights)


def test_a_fork_with_other_settings_shares_the_past_and_not_the_future(straight):
    parent, steps, _ = straight
    twin = parent.fork(4, replace(toys.QUICK, lr_ra=1e-2))
    finish(twin)
    assert twin.steps[:4] == steps[:4]
    assert twin.steps[5] != steps[5]
    assert [(c.after, c.now.lr_ra) for c in twin.changes] == [(4, 1e-2)]
    assert parent.changes == []


def test_settings_changed_while_paused_apply_from_the_next_step_as_if_begun_so(
    toy_split, toy_model, observer
):
    """Against a run that is stepped by hand with the settings of each step."""
    other = replace(toys.QUICK, temperature=5.0, lr_ue=2e-3)
    run = make(toy_split, toy_model, observer)
    run.play(4)
    while run.tick():
        pass
    run.change(other)
    finish(run)
    unlearner = LAF(toys.QUICK)
    state = unlearner.start(toy_model, toy_split.unlabelled(), seed=3)
    while unlearner.prepare(state, toys.QUICK) is not None:
        pass
    by_hand = [unlearner.step(state, toys.QUICK if k < 4 else other) for k in range(10)]
    assert run.steps == by_hand


def test_a_changed_run_taken_back_behind_the_change_has_the_old_settings_and_at_it_the_new_ones(
    toy_split, toy_model, observer
):
    run = make(toy_split, toy_model, observer, every=1)
    run.play(4)
    while run.tick():
        pass
    other = replace(toys.QUICK, temperature=5.0)
    run.change(other)
    finish(run)
    steps = list(run.steps)
    run.rewind(4)
    to_its_place(run)
    assert run.config == other
    finish(run)
    assert run.steps == steps
    run.rewind(3)
    to_its_place(run)
    assert (run.config, run.changes) == (toys.QUICK, [])


@pytest.mark.parametrize("name", ["finetune", "neggrad+", "scrub", "retrain"])
def test_every_kind_of_method_can_be_taken_back(toy_split, toy_model, observer, name):
    run = make(toy_split, toy_model, observer, METHODS[name](), every=2)
    run.play(7)
    while run.tick():
        pass
    steps, weights = list(run.steps), toys.weights(run.result)
    run.rewind(3)
    to_its_place(run)
    run.play(4)
    while run.tick():
        pass
    assert run.steps == steps
    assert toys.same(toys.weights(run.result), weights)


def test_a_repair_can_be_taken_back_into_laf(toy_split, toy_model, observer):
    config = LAFRConfig(toys.QUICK, RepairConfig(epochs=2, batch_size=32, lr=1e-3))
    run = make(toy_split, toy_model, observer, LAFR(config), every=4)
    finish(run)
    steps = list(run.steps)
    assert {s.stage for s in steps} == {"unlearn", "repair"}
    for step in (12, 7):
        run.rewind(step)
        to_its_place(run)
        finish(run)
        assert run.steps == steps


# what is refused


def test_what_cannot_be_changed_or_reached_is_refused_in_a_sentence(straight, toy_split, toy_model, observer):
    parent, _, _ = straight
    with pytest.raises(IllegalMoveError, match="step 11"):
        parent.fork(11)
    with pytest.raises(RequestError, match="batch_size"):
        parent.fork(4, replace(toys.QUICK, batch_size=4))
    run = make(toy_split, toy_model, observer)
    with pytest.raises(IllegalMoveError, match="rewind"):
        run.rewind(0)
    run.play(4)
    with pytest.raises(IllegalMoveError):
        run.change(toys.QUICK)
    while run.tick():
        pass
    with pytest.raises(RequestError, match="4 steps are taken"):
        run.change(replace(toys.QUICK, steps=4))
    bare = Run(LAF(toys.QUICK), toy_model, toy_split)
    bare.advance()
    bare.pause()
    with pytest.raises(IllegalMoveError, match="no state"):
        bare.rewind(0)


def test_before_it_has_begun_everything_can_be_changed(toy_split, toy_model, observer):
    run = make(toy_split, toy_model, observer)
    other = replace(toys.QUICK, batch_size=16, vae=replace(toys.QUICK.vae, latent=2))
    run.change(other)
    assert run.changes == []
    finish(run)
    assert run.steps == toys_run(other, toy_split, toy_model).steps


def toys_run(config, split, model) -> Run:
    run = Run(LAF(config), model, split, seed=3)
    finish(run)
    return run


# the states that are kept


def state(size: int = 1000) -> dict:
    return {"model": {"w": torch.zeros(size)}, "list": [torch.zeros(10)], "n": 3}


def test_more_states_than_wanted_are_thinned_to_twice_the_distance_and_first_and_newest_stay():
    kept = Checkpoints(every=1, most=8)
    for frame in range(100):
        if kept.due(frame):
            kept.put(10 * frame, frame, state())
        assert len(kept.steps) <= 8
    assert kept.steps[0] == 0
    gaps = {b - a for a, b in zip(kept.steps[:-1], kept.steps[1:], strict=True)}
    assert kept.every & (kept.every - 1) == 0
    assert max(gaps) <= 10 * kept.every
    assert 990 - kept.steps[-1] < 10 * kept.every


def test_what_does_not_fit_in_memory_lies_on_disk_and_comes_back_the_same(tmp_path):
    one = size_of(state())
    assert one == 4 * 1010
    kept = Checkpoints(every=1, most=20, memory_mb=3 * one / 1e6, folder=tmp_path)
    for frame in range(10):
        kept.put(frame, frame, {**state(), "n": frame})
    assert len(list(tmp_path.glob("*.safetensors"))) == 7
    assert [kept.before(k)[1]["n"] for k in range(10)] == list(range(10))
    assert kept.before(100)[0] == 9
    kept.forget_after(4)
    assert kept.steps == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.glob("*.safetensors"))) <= 5


def test_a_fork_reads_its_parents_files_and_for_a_broken_one_an_earlier_state_is_taken(tmp_path):
    kept = Checkpoints(every=1, memory_mb=0.001, folder=tmp_path)
    for frame in range(4):
        kept.put(frame, frame, {**state(), "n": frame})
    twin = kept.copy_until(2)
    assert twin.before(2)[1]["n"] == 2
    assert twin.steps == [0, 1, 2]
    next(iter(tmp_path.glob("*0001*"))).write_bytes(b"no")
    assert twin.before(1)[0] == 0
    assert twin.steps == [0, 2]


def test_a_run_can_be_taken_back_from_files_alone(straight, toy_split, toy_model, observer):
    _, steps, _ = straight
    run = make(toy_split, toy_model, observer, every=2, memory_mb=1e-6)
    finish(run)
    run.rewind(5)
    to_its_place(run)
    finish(run)
    assert run.steps == steps


# a finished run that goes on


LONGER = replace(toys.QUICK, steps=14)
REASON = "LAF stopped here: it was enough"


def without_total(steps):
    return [replace(step, total=0) for step in steps]


@pytest.fixture(scope="module")
def long(toy_split, toy_model, observer):
    """A run that was set to 14 steps from the beginning, never to be changed."""
    run = make(toy_split, toy_model, observer, LAF(LONGER))
    finish(run)
    return run


@pytest.fixture
def extended(toy_split, toy_model, observer):
    """A run of 10 steps that a search said should stop there, finished, extended by 4 and paused there."""
    run = make(toy_split, toy_model, observer)
    run.history.stop = Mark(run.total_steps, REASON)
    finish(run)
    assert run.marks == [Mark(10, REASON)]
    run.extend(4)
    assert (run.phase, run.total_steps, len(run.steps)) == (Phase.PAUSED, 14, 10)
    return run


def test_a_run_that_goes_on_is_the_run_that_was_set_to_so_many_steps(extended, long):
    finish(extended)
    assert without_total(extended.steps) == without_total(long.steps)
    assert toys.same(toys.weights(extended.result), toys.weights(long.result))
    assert [f.step for f in extended.frames] == [f.step for f in long.frames]
    assert extended.marks == [Mark(10, REASON)]


@pytest.mark.parametrize(("step", "total"), [(6, 10), (10, 14), (12, 14)])
def test_taken_back_it_ends_where_it_would_have_from_there(extended, long, step, total):
    finish(extended)
    extended.rewind(step)
    to_its_place(extended)
    assert (len(extended.steps), extended.total_steps) == (step, total)
    finish(extended)
    assert without_total(extended.steps) == without_total(long.steps[:total])
    assert extended.marks == [Mark(10, REASON)]


def test_a_fork_of_it_goes_on_as_it_does(extended, long):
    finish(extended)
    twin = extended.fork(11)
    to_its_place(twin)
    finish(twin)
    assert toys.same(toys.weights(twin.result), toys.weights(long.result))


def test_it_can_go_on_again_and_saved_it_continues(extended, long, toy_split, toy_model):
    extended.advance()
    saved = extended.state_dict()
    twin = Run(LAF(extended.config), toy_model, toy_split, seed=3)
    twin.load_state_dict(saved)
    finish(twin)
    assert toys.same(toys.weights(twin.result), toys.weights(long.result))
    finish(extended)
    extended.extend(2)
    finish(extended)
    assert len(extended.steps) == 16


@pytest.mark.parametrize("change", [{"lr_ra": 1e-5}, {"steps": 12}])
def test_a_run_that_was_changed_does_not_say_that_it_stops_where_the_search_said(
    toy_split, toy_model, observer, change
):
    run = make(toy_split, toy_model, observer)
    run.history.stop = Mark(run.total_steps, REASON)
    run.advance()
    run.pause()
    run.change(replace(run.config, **change))
    finish(run)
    assert run.marks == []


def test_only_a_finished_run_of_a_method_that_can_goes_on(toy_split, toy_model, observer, straight):
    run = make(toy_split, toy_model, observer)
    with pytest.raises(IllegalMoveError, match="ready; it must be done"):
        run.extend(3)
    run.advance()
    run.pause()
    with pytest.raises(IllegalMoveError, match="must be done"):
        run.extend(3)
    finish(run)
    with pytest.raises(IllegalMoveError, match="at least 1 step, not 0"):
        run.extend(0)
    assert run.phase is Phase.DONE
    for unlearner in (METHODS["retrain"](toys.TRAIN), LAF(replace(toys.QUICK, schedule="two-stage"))):
        other = Run(unlearner, toy_model, toy_split)
        finish(other)
        with pytest.raises(IllegalMoveError, match="cannot go on past its last step"):
            other.extend(3)
        assert other.phase is Phase.DONE
