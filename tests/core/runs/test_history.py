"""RunHistory: truncated, copied, written and read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.history import RunHistory
from core.runs.records import Change, Mark
from core.runs.run import Phase, Run, finish
from core.runtime.progress import Progress
from tests import toys


@pytest.fixture
def history(toy_split, toy_model):
    run = Run(LAF(toys.QUICK), toy_model, toy_split)
    finish(run)
    run.history.changes = [
        Change(3, toys.QUICK, replace(toys.QUICK, lr_ra=0.1)),
        Change(6, replace(toys.QUICK, lr_ra=0.1), toys.QUICK),
    ]
    run.history.marks = [Mark(2, "early"), Mark(7, "late")]
    return run.history


def test_cut_it_has_nothing_of_later_and_lists_that_were_read_before_stay_whole(history):
    before, seconds = history.steps, history.seconds["unlearn"]
    dropped = sum(s.seconds for s in before[6:])
    history.truncate(6)
    assert len(before) == 10
    assert [s.number for s in history.steps] == [1, 2, 3, 4, 5, 6]
    assert [c.after for c in history.changes] == [3, 6]  # what was changed after step 6 belongs to step 7
    assert history.marks == [Mark(2, "early")]
    assert history.seconds["unlearn"] == pytest.approx(seconds - dropped)


def test_a_copy_grows_on_its_own(history):
    twin = history.copy()
    twin.truncate(0)
    twin.seconds["vae"] += 1
    twin.progress["vae"] = Progress("vae", 0, 1)
    assert len(history.steps) == 10
    assert len(history.marks) == 2
    assert history.seconds["vae"] != twin.seconds["vae"]
    assert history.progress["vae"] != twin.progress["vae"]


def test_written_and_read_again_it_is_the_same(history):
    again = RunHistory.from_dict(
        history.to_dict(),
        lambda values: replace(toys.QUICK, lr_ra=values["lr_ra"]),
        steps=history.steps,
        frames=history.frames,
    )
    for name in ("steps", "frames", "changes", "marks", "seconds", "progress"):
        assert getattr(again, name) == getattr(history, name)


def test_settings_changed_twice_after_one_step_leave_the_settings_of_the_steps_before(toy_split, toy_model):
    run = Run(LAF(toys.QUICK), toy_model, toy_split, checkpoints=Checkpoints())
    run.play(4)
    while run.tick():
        pass
    run.change(replace(toys.QUICK, lr_ra=0.1))
    run.change(replace(toys.QUICK, lr_ra=0.2))
    assert run.config_at(4) == toys.QUICK
    assert [(c.before.lr_ra, c.now.lr_ra) for c in run.changes] == [(toys.QUICK.lr_ra, 0.2)]
    run.change(toys.QUICK)
    assert run.changes == []
    steps = list(run.steps)
    run.rewind(3)
    while run.phase is Phase.RUNNING and run.tick():
        pass
    run.play(1)
    while run.tick():
        pass
    assert run.steps == steps


def test_a_mark_is_noted_once(history):
    history.add_mark(7, "late")
    history.add_mark(8, "late")
    assert history.marks == [Mark(2, "early"), Mark(7, "late"), Mark(8, "late")]


def test_seconds_are_summed_while_the_run_enters_its_next_stage():
    """The other thread is played by the set of stages, which adds one whenever it is asked."""
    history = RunHistory()
    history.seconds["vae"], history.seconds["unlearn"] = 1.0, 2.0

    class Meanwhile(set):
        def __contains__(self, stage):
            history.seconds[f"after {stage}"] = 4.0
            return super().__contains__(stage)

    assert history.seconds_except(Meanwhile({"vae"})) == 2.0
