"""The size of kept runs: packed, shown and limited; a run that a user wants is never deleted automatically."""

from __future__ import annotations

import errno
import json
import os
import time
import zlib

import numpy as np
import pytest
from safetensors.numpy import save

from core import LAF, forget_noisy, load, train
from core.config import EvalConfig, LAFConfig, replace
from core.errors import RequestError
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints, size_of
from core.runs.observer import Observer
from core.runs.records import Phase
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import (
    list_runs,
    next_deletions,
    note_run,
    past_deletions,
    read_run,
    record,
    rename_run,
    restore,
    run_info,
    share_run,
    storage_quota,
)
from core.runs.storage.frame_store import ARRAYS
from core.runs.storage.serialization import reading_dict
from core.runtime.packing import HALF_MAX
from core.runtime.storage import save_state
from dashboard.cli import main
from tests import toys

STEPS = 16
LONG = replace(toys.QUICK, steps=STEPS)
SETUP = Setup(dataset="toy", classes=(1,))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(Setup, "config", lambda self, split: LONG)
    return tmp_path


@pytest.fixture(scope="module")
def observer(toy_split, toy_model):
    return Observer(toy_split, toy_model, EvalConfig(frames=1000))


@pytest.fixture(scope="module")
def straight(toy_split, toy_model, observer):
    run = Run(LAF(LONG), toy_model, toy_split, seed=3, observer=observer)
    finish(run)
    return run


def begin(split, model, observer, **told) -> Run:
    run = Run(LAF(LONG), model, split, seed=3, observer=observer, checkpoints=Checkpoints(every=1))
    record(run, SETUP, **told)
    return run


def closed(run) -> str:
    run.recorder.close()
    return run.recorder.id


def reopened(run_id, split, model, observer, **how) -> Run:
    return settled(restore(read_run(run_id), split, model, observer, **how))


def settled(run) -> Run:
    while run.tick():
        pass
    return run


def same_frames(mine, theirs) -> bool:
    return len(mine) == len(theirs) and all(
        (a.number, a.step, a.record) == (b.number, b.step, b.record)
        and a.reading == b.reading
        and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ARRAYS if getattr(b, n) is not None)
        for a, b in zip(mine, theirs, strict=True)
    )


# a quarter


def as_it_was(run) -> float:
    """Bytes of all arrays of the frames, and of the states that were once written: one for each 5 frames, at most 40."""
    names = [n for n in ARRAYS if getattr(run.frames[0], n) is not None]
    frames = sum(
        sum(getattr(f, n).nbytes for n in names) + f.reading.forget_probabilities.numel() * 4
        for f in run.frames
    )
    return frames + size_of(run.checkpoints.before(len(run.steps))[1]) * len(run.checkpoints.steps)


def kept_whole(split, model, config, most: int = 40) -> Run:
    observer = Observer(split, model, EvalConfig.preset("digits"))
    observer.projection = Projection.fit(observer.original.train.representations, umap=toys.Flat())
    run = Run(LAF(config), model, split, observer=observer, checkpoints=Checkpoints(most=most))
    record(run, Setup(task=split.task, classes=split.request.classes))
    finish(run)
    return run


def test_a_run_of_digits_takes_less_than_a_quarter_of_its_arrays(class_split, digits_model):
    run = kept_whole(class_split, digits_model, LAFConfig.preset("digits", "class"))
    assert len(run.frames) == 56
    assert as_it_was(run) > 40e6
    assert run.recorder.folder.bytes <= min(10e6, as_it_was(run) / 4)


@pytest.mark.slow
def test_a_long_run_of_digits_takes_less_than_a_quarter_of_its_arrays():
    split = forget_noisy(load("digits"), range(5), 0.6)
    preset = LAFConfig.preset("digits", "noise")
    config = replace(preset, steps=68, vae=replace(preset.vae, epochs=1))
    run = kept_whole(split, train(split, seed=0), config, most=12)  # above 60 steps, states are thinned out
    assert max(np.diff(run.checkpoints.steps)) > 5
    assert as_it_was(run) > 33e6
    assert run.recorder.folder.bytes <= min(10e6, as_it_was(run) / 4)


def test_the_first_the_newest_and_every_fourth_state_are_kept_and_the_vaes_once(
    toy_split, toy_model, observer
):
    run = begin(toy_split, toy_model, observer)
    run.play(10)
    settled(run)
    files = {int(p.name[:8]): p.stat().st_size for p in run.recorder.folder.states.glob("*.safetensors")}
    assert sorted(files) == [0, 4, 8, 10]
    assert run.checkpoints.steps == list(range(11))  # in memory all of them, so that a jump takes no longer
    whole = run.recorder.folder.path / "whole.safetensors"
    save_state(whole, run.checkpoints.before(10)[1])
    vaes = sum(size_of(run.checkpoints.before(10)[1][name]) for name in ("vae", "vae_f"))
    assert files[10] < whole.stat().st_size - 0.95 * vaes
    assert files[8] < files[10]  # packed


# to the bit


@pytest.mark.parametrize("step", [0, 1, 3, 4, 13, STEPS - 1, STEPS])
def test_from_the_compact_store_a_run_is_taken_back_and_forked_anywhere(
    toy_split, toy_model, observer, straight, step
):
    run = begin(toy_split, toy_model, observer)
    finish(run)
    run_id = closed(run)
    fork = settled(reopened(run_id, toy_split, toy_model, observer, as_copy=True).fork(step))
    record(fork, SETUP, parent=run_id, step=step)
    finish(fork)
    back = reopened(run_id, toy_split, toy_model, observer)
    assert toys.same(toys.weights(back.result), toys.weights(straight.result))
    back.rewind(step)
    settled(back)
    assert back.steps == straight.steps[:step]
    finish(back)
    for one in (fork, back):
        assert one.steps == straight.steps
        assert toys.same(toys.weights(one.result), toys.weights(straight.result))
        assert same_frames(read_run(closed(one)).frames, straight.frames)


@pytest.mark.parametrize("harm", ["first", "all", "none"])
def test_states_that_are_gone_or_broken_cost_only_time(toy_split, toy_model, observer, straight, harm):
    run = begin(toy_split, toy_model, observer)
    run.play(10)
    settled(run)
    files = sorted(run.recorder.folder.states.glob("*.safetensors"))
    run_id = closed(run)
    for path in {"first": files[:1], "all": files, "none": []}[harm]:
        path.write_bytes(b"broken")
    if harm == "none":
        for path in files:
            path.unlink()
    back = reopened(run_id, toy_split, toy_model, observer)
    assert len(back.steps) == 10
    finish(back)
    assert back.steps == straight.steps
    assert same_frames(read_run(closed(back)).frames, straight.frames)


def written_as_before(run, folder) -> None:
    """The files of a run as they were written when arrays were not packed: each array of a frame, each state whole, one for each 5 frames."""
    for frame in run.frames:
        arrays = {n: np.ascontiguousarray(a) for n in ARRAYS if (a := getattr(frame, n)) is not None}
        arrays["forget_probabilities"] = frame.reading.forget_probabilities.numpy()
        crc = 0
        for name in sorted(arrays):
            crc = zlib.crc32(np.ascontiguousarray(arrays[name]).data, crc)
        plain = {
            "number": frame.number,
            "step": frame.step,
            "reading": reading_dict(frame.reading),
            "seconds": dict(frame.seconds),
        }
        header = json.dumps({"format": 1, "frame": plain, "crc": crc})
        folder.frame_path(frame.number).write_bytes(save(arrays, metadata={"laf": header}))
    for path in folder.states.iterdir():
        path.unlink()
    last = len(run.steps)
    for step in {*range(0, last, 5), last}:
        save_state(folder.states / f"{step:08d}-{step:06d}.safetensors", run.checkpoints.before(step)[1])


@pytest.mark.parametrize("played", [12, STEPS])
def test_a_run_of_the_former_format_is_replayed_continued_forked_and_taken_back(
    toy_split, toy_model, straight, monkeypatch, played
):
    def unrounded(rows):
        return np.clip(rows, -HALF_MAX, HALF_MAX).astype(np.float16)

    with monkeypatch.context() as patch:
        patch.setattr("core.runs.observer.rounded_rows", unrounded)
        observer = Observer(toy_split, toy_model, EvalConfig(frames=1000))
        run = begin(toy_split, toy_model, observer)
        run.play(played)
        settled(run)
        before = list(run.frames)
        written_as_before(run, run.recorder.folder)
        run_id = closed(run)
    observer = Observer(toy_split, toy_model, EvalConfig(frames=1000))
    assert same_frames(read_run(run_id).frames, before)
    fork = settled(reopened(run_id, toy_split, toy_model, observer, as_copy=True).fork(7))
    record(fork, SETUP, parent=run_id, step=7)
    back = reopened(run_id, toy_split, toy_model, observer)
    assert len(back.steps) == played
    for one in (fork, back):
        finish(one)
        assert one.steps == straight.steps
        assert toys.same(toys.weights(one.result), toys.weights(straight.result))
    kept = read_run(closed(back)).frames
    assert same_frames(kept[: played + 1], before)
    assert same_frames(kept[played + 1 :], straight.frames[played + 1 :])
    again = reopened(run_id, toy_split, toy_model, observer)
    again.rewind(9)
    finish(settled(again))
    assert again.steps == straight.steps


# told, and limited


def kept(
    split, model, observer, *, days: float = 3, token: str | None = "mine", steps: int | None = None
) -> str:
    """A finished run that was left alone so long."""
    run = begin(split, model, observer, token=token)
    if steps is None:
        finish(run)
    else:
        run.play(steps)
        settled(run)
    folder = run.recorder.folder
    run_id = closed(run)
    age(folder, days)
    return run_id


def age(folder, days: float) -> None:
    for name in ("run.json", "steps.jsonl", "frames"):
        os.utime(folder.path / name, (time.time() - 86_400 * days,) * 2)


def may_take(monkeypatch, share: float) -> None:
    """A limit at a share of what is kept now."""
    monkeypatch.setenv("LAF_RUNS_MB", str(share * storage_quota().used / 1e6))


def states_of(run_id) -> int:
    return sum(1 for _ in read_run(run_id).folder.states.glob("*.safetensors"))


def test_at_the_limit_states_in_between_go_first_and_those_of_the_oldest(
    toy_split, toy_model, observer, monkeypatch
):
    newer = kept(toy_split, toy_model, observer, days=2)
    older = kept(toy_split, toy_model, observer, days=5)
    before = states_of(older)
    assert before > 3
    monkeypatch.setenv("LAF_RUNS_MB", "1000")
    assert not storage_quota().is_near
    may_take(monkeypatch, 0.99)
    assert storage_quota().is_near
    assert older in next_deletions()[0]
    assert "states in between" in next_deletions()[0]
    assert past_deletions() == []
    run = begin(toy_split, toy_model, observer, token="mine")
    run.advance()
    assert run.recorder.is_kept
    assert (states_of(older), states_of(newer)) == (2, before)
    (told,) = past_deletions("mine")
    assert older in told
    assert past_deletions("another's") == []
    back = reopened(older, toy_split, toy_model, observer)
    assert len(back.steps) == STEPS


def test_then_whole_runs_go_the_oldest_first_and_never_one_that_a_user_wants(
    toy_split, toy_model, observer, monkeypatch
):
    make = (toy_split, toy_model, observer)
    named, noted, shared = kept(*make), kept(*make), kept(*make)
    rename_run(named, "mine")
    note_run(noted, "why")
    share_run(shared)
    terminal, young = kept(*make, token=None), kept(*make, days=0)
    for run_id in (named, noted, shared):
        age(read_run(run_id).folder, 9)
    open_run = begin(*make, token="mine")
    open_run.play(5)
    settled(open_run)
    age(open_run.recorder.folder, 9)
    first, second = kept(*make, days=6, steps=8), kept(*make, days=4)
    may_take(monkeypatch, 0.001)
    run = begin(*make, token="mine")
    finish(run)  # it goes on
    assert run.phase is Phase.DONE
    assert not run.recorder.is_kept
    assert "none of them may be deleted automatically" in run.recorder.problem
    assert "LAF_RUNS_MB" in run.recorder.problem
    left = {i.id for i in list_runs()[0]}
    assert left == {named, noted, shared, terminal, young, open_run.recorder.id}
    assert [first in w for w in reversed(past_deletions())].index(True) < [
        second in w and "deleted all" in w for w in reversed(past_deletions())
    ].index(True)
    assert all(states_of(r) > 2 for r in (named, noted, shared, terminal, young))
    assert list_runs()[1] == []


@pytest.mark.parametrize("said", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_one_sentence(monkeypatch, said):
    monkeypatch.setenv("LAF_RUNS_MB", said)
    with pytest.raises(RequestError, match=r"LAF_RUNS_MB must be a number"):
        storage_quota()


def test_without_a_limit_nothing_goes(toy_split, toy_model, observer, monkeypatch):
    monkeypatch.setenv("LAF_RUNS_MB", "0")
    one = kept(toy_split, toy_model, observer)
    run = begin(toy_split, toy_model, observer)
    run.advance()
    assert states_of(one) > 2
    assert "without a limit" in storage_quota().describe()


def test_the_terminal_says_what_runs_take_and_what_goes_first(
    toy_split, toy_model, observer, monkeypatch, capsys
):
    run_id = kept(toy_split, toy_model, observer)
    size = f"{run_info(run_id).bytes / 1e6:,.1f} MB"
    assert main.main(["runs", "list"]) == 0
    told = capsys.readouterr().out
    assert size in told
    assert "of 5,000.0 MB" in told
    assert "first deletes" in told
    assert main.main(["runs", "show", run_id]) == 0
    assert size in capsys.readouterr().out
    may_take(monkeypatch, 1.1)
    assert main.main(["runs", "list"]) == 0
    told = capsys.readouterr().out
    assert "Next to go: states in between" in told
    assert run_id in told.split("Next to go")[1]


# a disk that does not take it


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["a step", "a frame", "a state", "the first state", "run.json"])
def test_a_full_disk_ends_the_keeping_not_the_run(
    toy_split, toy_model, observer, straight, monkeypatch, what
):
    run = begin(toy_split, toy_model, observer)
    if what != "the first state":
        run.play(5)
        settled(run)
    with monkeypatch.context() as patch:
        if what == "a step":
            patch.setattr(run.recorder.folder, "append_step", full)
        elif what == "a frame":
            patch.setattr("pathlib.Path.replace", full)
        else:
            patch.setattr("os.fsync", full)
        finish(run)
    assert run.phase is Phase.DONE
    assert run.steps == straight.steps
    assert same_frames(run.frames, straight.frames)
    assert "no longer kept" in run.recorder.problem
    assert "full" in run.recorder.problem or "No space left" in run.recorder.problem
    infos, problems = list_runs()
    assert problems == []
    if what == "the first state":
        assert infos == []
        assert not list((read_home() / "runs").iterdir())
    else:
        back = reopened(run.recorder.id, toy_split, toy_model, observer)
        assert len(back.steps) >= 5
        finish(back)
        assert back.steps == straight.steps
    run.rewind(3)
    finish(settled(run))
    assert run.steps == straight.steps


def read_home():
    from core.runtime.storage import home

    return home()


def test_a_home_that_cannot_be_written_ends_the_keeping_not_the_run(
    toy_split, toy_model, observer, straight, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "file"))
    run = begin(toy_split, toy_model, observer)
    finish(run)
    assert run.steps == straight.steps
    assert "no longer kept" in run.recorder.problem


def test_a_tab_whose_run_went_on_elsewhere_changes_nothing_there(toy_split, toy_model, observer, straight):
    first = begin(toy_split, toy_model, observer)
    first.play(9)
    settled(first)
    second = reopened(first.recorder.id, toy_split, toy_model, observer)
    states = sorted(p.name for p in second.recorder.folder.states.iterdir())
    first.rewind(2)
    settled(first)
    first.play(3)
    settled(first)
    assert sorted(p.name for p in second.recorder.folder.states.iterdir()) == states
    finish(second)
    assert second.steps == straight.steps
