"""Kept runs: written while they play, read after a kill, restored to the bit; a damaged file is named."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config import EvalConfig, LAFConfig
from core.errors import DataError, RequestError
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.diagnostics import alarms
from core.runs.observer import Observer
from core.runs.records import Mark
from core.runs.run import Phase, Run, finish
from core.runs.setup import Setup
from core.runs.storage import (
    list_runs,
    note_run,
    read_run,
    record,
    remove_run,
    rename_run,
    restore,
    run_info,
    share_run,
)
from core.runs.storage.frame_store import ArrayCache, StoredFrame
from core.runs.storage.locks import is_open, lock_run, open_run_here
from core.runs.storage.serialization import config_dict, config_like, setup_dict, setup_from
from tests import toys
from tests.core.runs.storage import nursery as nurseries

SETUP = Setup(dataset="toy", classes=(1,))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _toy_preset(monkeypatch):
    """The toy has no preset of its own."""
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)


@pytest.fixture(scope="module")
def observer(toy_split, toy_model):
    return Observer(toy_split, toy_model, EvalConfig(frames=1000))


def begin(split, model, observer, config=toys.QUICK, **told) -> Run:
    run = Run(LAF(config), model, split, seed=3, observer=observer, checkpoints=Checkpoints(every=3))
    record(run, SETUP, **told)
    return run


def again(run_id, split, model, observer) -> Run:
    found = restore(read_run(run_id), split, model, observer)
    while found.tick():
        pass
    return found


def let_go(run) -> str:
    run.recorder.close()
    return run.recorder.id


def same_frames(mine, theirs) -> bool:
    def equal(a, b):
        return (a is None and b is None) or np.array_equal(a, b)

    names = ("positions", "off_map", "predictions", "confidences", "angles", "representations")
    return len(mine) == len(theirs) and all(
        (a.number, a.step, a.record) == (b.number, b.step, b.record)
        and a.reading == b.reading
        and np.array_equal(a.reading.forget_probabilities, b.reading.forget_probabilities)
        and all(equal(getattr(a, n), getattr(b, n)) for n in names)
        for a, b in zip(mine, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def straight(toy_split, toy_model, observer):
    """The same run, never kept: what every kept one must be equal to."""
    run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=3, observer=observer, checkpoints=Checkpoints())
    finish(run)
    return run


def test_a_page_that_is_only_looked_at_leaves_nothing(toy_split, toy_model, observer, home):
    run = begin(toy_split, toy_model, observer)
    assert not run.recorder.is_kept
    assert list_runs() == ([], [])
    assert not (home / "runs").exists()


def test_a_kept_run_is_the_run_that_was_not_kept(toy_split, toy_model, observer, straight):
    run = begin(toy_split, toy_model, observer)
    finish(run)
    assert run.steps == straight.steps
    assert same_frames(run.frames, straight.frames)
    kept = read_run(run.recorder.id)
    assert kept.steps == straight.steps
    assert same_frames(kept.frames, straight.frames)
    assert kept.folder.model.exists()


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 9])
def test_taken_up_again_it_goes_on_to_the_bit(toy_split, toy_model, observer, straight, stop):
    run = begin(toy_split, toy_model, observer)
    run.play(stop)
    while run.tick():
        pass
    back = again(let_go(run), toy_split, toy_model, observer)
    assert back.phase is Phase.PAUSED
    assert back.steps == straight.steps[:stop]
    finish(back)
    assert back.steps == straight.steps
    assert same_frames(back.frames, straight.frames)
    assert toys.same(toys.weights(back.result), toys.weights(straight.result))
    assert run_info(back.recorder.id).phase is Phase.DONE


def test_a_finished_run_is_opened_finished_and_can_be_taken_back(toy_split, toy_model, observer, straight):
    run = begin(toy_split, toy_model, observer)
    finish(run)
    back = again(let_go(run), toy_split, toy_model, observer)
    assert back.phase is Phase.DONE
    assert toys.same(toys.weights(back.result), toys.weights(straight.result))
    back.rewind(4)
    while back.tick():
        pass
    assert run_info(back.recorder.id).steps == 4
    assert len(read_run(back.recorder.id).frames) == 5
    finish(back)
    assert same_frames(read_run(back.recorder.id).frames, straight.frames)


def test_changes_of_settings_and_forks_come_back(toy_split, toy_model, observer):
    run = begin(toy_split, toy_model, observer)
    run.play(4)
    while run.tick():
        pass
    run.change(replace(toys.QUICK, lr_ue=5e-4))
    run.play(2)
    while run.tick():
        pass
    fork = run.fork(5, replace(run.config, temperature=3.0))
    parent = run.recorder.id
    while fork.tick():
        pass
    record(fork, SETUP, parent=parent, step=5)
    finish(fork)
    finish(run)
    mine, theirs = list(run.steps), list(fork.steps)
    for one, records in ((run, mine), (fork, theirs)):
        back = again(let_go(one), toy_split, toy_model, observer)
        assert back.steps == records
        assert back.config == one.config
        assert back.changes == one.changes
    remove_run_when_closed(run)
    assert same_frames(read_run(fork.recorder.id).frames, fork.frames)
    assert run_info(fork.recorder.id).parent == parent


def test_after_a_restart_it_has_the_same_marks_changes_alarms_and_progress(toy_split, toy_model, observer):
    still = replace(toys.QUICK, vae=replace(toys.QUICK.vae, lr=1e-9, epochs=4), lr_ue=0.02, lr_ra=1e-4)
    run = begin(toy_split, toy_model, observer, still)
    run.play(6)
    while run.tick():
        pass
    run.history.marks = [Mark(4, "chosen by eye")]
    run.change(replace(still, temperature=3.0))
    run.play(2)
    while run.tick():
        pass
    found = alarms(run)
    assert {"VAE never improves", "Collapse"} <= {a.name for a in found}
    back = again(let_go(run), toy_split, toy_model, observer)
    assert (back.marks, back.changes) == (run.marks, run.changes)
    assert alarms(back) == found
    assert back.progress == run.progress
    finish(back)
    finish(run)
    assert back.steps == run.steps
    assert alarms(back) == alarms(run)


def remove_run_when_closed(run) -> None:
    keeper = open_run_here(run.recorder.id)
    if keeper is not None:
        keeper.close()
    remove_run(run.recorder.id)


def test_killed_between_a_step_and_its_frame_the_step_is_taken_again(
    toy_split, toy_model, observer, straight
):
    run = begin(toy_split, toy_model, observer)
    run.play(6)
    while run.tick():
        pass
    run_id = let_go(run)
    run.recorder.folder.frame_path(6).unlink()
    back = again(run_id, toy_split, toy_model, observer)
    assert len(back.steps) == 5
    finish(back)
    assert back.steps == straight.steps
    assert same_frames(back.frames, straight.frames)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_of_steps_is_no_step(toy_split, toy_model, observer, straight, cut):
    run = begin(toy_split, toy_model, observer)
    run.play(6)
    while run.tick():
        pass
    run_id = let_go(run)
    path = run.recorder.folder.path / "steps.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    back = again(run_id, toy_split, toy_model, observer)
    assert len(back.steps) == 5
    finish(back)
    assert back.steps == straight.steps
    assert same_frames(back.frames, straight.frames)


def test_a_state_that_cannot_be_read_costs_only_time(toy_split, toy_model, observer, straight):
    run = begin(toy_split, toy_model, observer)
    run.play(7)
    while run.tick():
        pass
    run_id = let_go(run)
    newest = sorted(run.recorder.folder.states.glob("*.safetensors"))[-1]
    newest.write_bytes(b"broken")
    back = again(run_id, toy_split, toy_model, observer)
    finish(back)
    assert back.steps == straight.steps


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def newer(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


def foreign(path: Path) -> None:
    path.write_text('{"name": "something else"}')


def strange(path: Path) -> None:
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "setup": {"planet": "Mars"}}))


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [damaged, newer, foreign, strange, binary, gone])
def test_a_run_that_cannot_be_read_is_named_and_others_load(toy_split, toy_model, observer, harm):
    good, bad = begin(toy_split, toy_model, observer), begin(toy_split, toy_model, observer)
    for run in (good, bad):
        finish(run)
        run.recorder.close()
    harm(bad.recorder.folder.path / "run.json")
    infos, problems = list_runs()
    assert [i.id for i in infos] == [good.recorder.id]
    assert len(problems) == 1
    assert bad.recorder.id in problems[0]
    assert "\n" not in problems[0]
    with pytest.raises(DataError, match=bad.recorder.id):
        read_run(bad.recorder.id)
    assert len(read_run(good.recorder.id).steps) == 10


def test_damage_in_the_middle_is_named(toy_split, toy_model, observer):
    run = begin(toy_split, toy_model, observer)
    finish(run)
    run_id, folder = let_go(run), run.recorder.folder
    steps = (folder.path / "steps.jsonl").read_bytes()
    lines = steps.split(b"\n")
    lines[3] = lines[3].replace(b"unlearn", b"unlearm")
    (folder.path / "steps.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match="line 4"):
        read_run(run_id)
    (folder.path / "steps.jsonl").write_bytes(steps)
    whole = folder.frame_path(4).read_bytes()
    folder.frame_path(4).write_bytes(whole[:-100])
    with pytest.raises(DataError, match="000004"):
        read_run(run_id)
    folder.frame_path(4).write_bytes(whole[:-3] + bytes(b ^ 255 for b in whole[-3:]))
    frames = read_run(run_id).frames
    for later in frames[4:8]:  # each is packed after the one before it
        with pytest.raises(DataError, match=r"000004.*checksum"):
            _ = later.representations
    assert all(f.representations is not None for f in (*frames[:4], *frames[8:]))


def test_other_images_or_another_original_are_refused(toy_split, toy_model, observer):
    run = begin(toy_split, toy_model, observer)
    finish(run)
    kept = read_run(let_go(run))
    with pytest.raises(DataError, match="other images"):
        restore(replace(kept, about={**kept.about, "dataset": "x"}), toy_split, toy_model, observer)
    with pytest.raises(DataError, match="original model"):
        restore(replace(kept, about={**kept.about, "original": "x"}), toy_split, toy_model, observer)


def test_a_run_belongs_to_the_browser_that_made_it_unless_shared(toy_split, toy_model, observer, home):
    run = begin(toy_split, toy_model, observer, token="mine")
    finish(run)
    run_id = let_go(run)
    assert [i.id for i in list_runs("mine")[0]] == [run_id]
    assert list_runs("theirs")[0] == []
    assert [i.id for i in list_runs(None)[0]] == [run_id]
    share_run(run_id)
    assert [i.id for i in list_runs("theirs")[0]] == [run_id]
    share_run(run_id, False)
    rename_run(run_id, "  a   name ")
    note_run(run_id, "why")
    info = list_runs("mine")[0][0]
    assert (info.title, info.note) == ("a name", "why")
    with pytest.raises(RequestError, match="at most 80"):
        rename_run(run_id, "x" * 81)
    assert all(b"mine" not in p.read_bytes() for p in home.rglob("run.json"))


def test_an_open_run_is_not_deleted_under_its_page(toy_split, toy_model, observer):
    run = begin(toy_split, toy_model, observer)
    run.advance()
    with pytest.raises(RequestError, match="open"):
        remove_run(run.recorder.id)
    remove_run(let_go(run))
    assert list_runs() == ([], [])
    with pytest.raises(RequestError, match="no run is kept"):
        run_info(run.recorder.id)


@pytest.mark.parametrize("name", ["../models", "", "20260101-000000-abcdef", "x" * 500])
def test_ids_are_checked_before_they_are_part_of_a_path(name):
    with pytest.raises(RequestError):
        run_info(name)


def test_a_disk_that_fails_costs_the_keeping_not_the_run(toy_split, toy_model, observer, monkeypatch):
    run = begin(toy_split, toy_model, observer)
    run.play(3)
    while run.tick():
        pass

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.recorder.folder, "append_step", full)
    finish(run)
    assert len(run.steps) == 10
    assert "No space left" in run.recorder.problem


def test_another_process_is_kept_out(toy_split, toy_model, observer):
    run = begin(toy_split, toy_model, observer)
    run.advance()
    code = f"from core.runs.storage import rename_run; rename_run('{run.recorder.id}', 'theirs')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is open elsewhere" in told.stderr


def test_arrays_in_memory_are_bounded(toy_split, toy_model, observer, straight):
    run = begin(toy_split, toy_model, observer)
    run.recorder.folder.cache = ArrayCache(memory_mb=0.05)
    finish(run)
    assert all(isinstance(f, StoredFrame) for f in run.frames)
    assert len(run.recorder.folder.cache._kept) < 3
    assert same_frames(run.frames, straight.frames)


def test_setups_and_settings_survive_json():
    setup = Setup("mnist", "indices", (), None, 4, None, "cpu", (3, 1, 2), None, "laf", None, 0.5)
    assert setup_from(json.loads(json.dumps(setup_dict(setup)))) == setup
    config = LAFConfig(epochs=3, schedule="joint", weight_repel=0.5)
    assert config_like(LAFConfig(), json.loads(json.dumps(config_dict(config)))) == config
    older = {k: v for k, v in config_dict(config).items() if k != "schedule"}
    assert config_like(LAFConfig(), older).schedule == "alternate"
    with pytest.raises(DataError, match="warp"):
        config_like(LAFConfig(), {"warp": 9})
    with pytest.raises(DataError, match="planet"):
        setup_from({"planet": "Mars"})


NURSERY = """
import os, signal, sys; from tests import toys
from core.runs.checkpoints import Checkpoints
from core.config import EvalConfig
from core.methods import LAF
from core.runs.observer import Observer
from core.runs.run import Run, Phase
from core.runs.storage import list_runs, read_run, record, restore
from core.runs.setup import Setup
import torch
torch.set_num_threads(1)
Setup.config = lambda self, split: toys.QUICK
split = toys.split()
model = toys.model(split)
observer = Observer(split, model, EvalConfig(frames=1000))

def live():
    infos, problems = list_runs()
    assert not problems, problems
    if infos:
        run = restore(read_run(infos[0].id), split, model, observer)
    else:
        run = Run(LAF(toys.QUICK), model, split, seed=3, observer=observer, checkpoints=Checkpoints(every=3))
        record(run, Setup(dataset="toy", classes=(1,)))
    while run.tick():
        pass
    print("ready", len(run.frames) - 1, flush=True)
    while run.phase in (Phase.READY, Phase.PAUSED):
        run.play()
        while run.tick():
            print("frame", len(run.frames) - 1, flush=True)
    print("frame", len(run.frames) - 1, flush=True)

print("warm", flush=True)
for _ in sys.stdin:  # a child for each line
    child = os.fork()
    if child == 0:
        print("child", os.getpid(), flush=True)
        try:
            live()
            print("done", flush=True)
        except BaseException as error:
            print("error", repr(error), flush=True)
        signal.pause()
    _, how = os.waitpid(child, 0)
    print("died", how, flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments_nothing_finished_is_lost(toy_split, toy_model, observer, straight):
    chance, finished, midway = random.Random(5), 0, 0
    nursery = nurseries.start(NURSERY)
    try:
        assert nursery.stdout.readline() == "warm\n"
        whole_s = None  # what an undisturbed life takes on this machine
        for _ in range(16):
            nursery.stdin.write("go\n")
            word, _, child = nursery.stdout.readline().partition(" ")
            assert word == "child"
            if whole_s is None:
                start = time.monotonic()
                while not nursery.stdout.readline().startswith("done"):
                    pass
                whole_s = time.monotonic() - start
            else:
                time.sleep(chance.uniform(0, 1.2 * whole_s))
            os.kill(int(child), signal.SIGKILL)
            seen = -1
            while not (line := nursery.stdout.readline()).startswith("died"):
                if line.startswith(("ready", "frame")):
                    seen = max(seen, int(line.split()[1]))
                assert line, "the nursery died"
                assert not line.startswith("error"), line
            infos, problems = list_runs()
            assert problems == []
            if not infos:
                assert seen < 1
                continue
            kept = read_run(infos[0].id)
            assert len(kept.frames) > seen
            assert same_frames(kept.frames, straight.frames[: len(kept.frames)])
            midway += 0 < len(kept.frames) < len(straight.frames)
            if len(kept.frames) == len(straight.frames):
                finished += 1
                remove_run(infos[0].id)
    finally:
        nursery.kill()
        nursery.wait()
    for info in list_runs()[0]:
        back = again(info.id, toy_split, toy_model, observer)
        finish(back)
        assert back.steps == straight.steps
        assert same_frames(back.frames, straight.frames)
    assert finished >= 2  # the undisturbed one, and one that was put together from several lives
    assert midway >= 1


def test_a_run_that_an_earlier_version_holds_is_open_elsewhere(toy_split, toy_model, observer):
    fcntl = pytest.importorskip("fcntl")
    run = begin(toy_split, toy_model, observer)
    finish(run)
    run.recorder.close()
    folder = run.recorder.folder
    with open(folder.path / ".lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(RequestError, match="open elsewhere"):
            lock_run(folder)
        assert is_open(run.recorder.id)
    with lock_run(folder), pytest.raises(RequestError, match="open elsewhere"):
        lock_run(folder)
    assert not is_open(run.recorder.id)


def settled(experiment, wanted) -> None:
    end = time.monotonic() + 120
    while not wanted():
        assert time.monotonic() < end, (experiment.error, experiment.take_up_error)
        time.sleep(0.02)


@pytest.fixture
def toy_experiment(monkeypatch, toy_split, toy_model):
    """Experiments of the toy; each is closed."""
    from core.experiments.session import experiment as module
    from core.runtime.scheduler import Scheduler

    runner, made = Scheduler(1), []

    def original(*_args, **_kwargs):
        yield from ()
        return toy_model

    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *_a, **_k: toy_split.dataset)
    monkeypatch.setattr("core.experiments.session.preparation.original", original)
    monkeypatch.setattr(Setup, "split", lambda self, dataset: toy_split)

    def make(**told):
        e = module.Experiment(
            SETUP,
            runner,
            toys.Flat(),
            eval_config=EvalConfig(frames=1000),
            reference_count=0,
            token="mine",
            **told,
        )
        made.append(e)
        e.start()
        settled(e, lambda: e.run is not None)
        return e

    yield make
    for e in made:
        e.close()
    runner.close()


def test_a_page_that_is_gone_is_taken_up_by_the_next(toy_experiment):
    first = toy_experiment()
    assert list_runs("mine") == ([], [])
    first.play(6)
    settled(first, lambda: first.phase is Phase.PAUSED)
    first.rewind(4)
    settled(first, lambda: first.phase is Phase.PAUSED)
    first.close()
    (info,) = list_runs("mine")[0]
    assert (info.steps, info.phase) == (4, Phase.PAUSED)
    second = toy_experiment(take_up=info.id)
    settled(second, lambda: second.phase is Phase.PAUSED)
    assert second.run.steps == first.run.steps
    assert second.run.marks == first.run.marks != []
    second.fork(2)
    settled(second, lambda: second.fork_run.phase is Phase.PAUSED)
    fork = list_runs("mine")[0][0]
    assert (fork.parent, fork.parent_step, fork.steps) == (info.id, 2, 2)
    third = toy_experiment(take_up=info.id)  # another tab of the same browser
    assert "another tab" in second.run.recorder.problem
    settled(third, lambda: third.phase is Phase.PAUSED)
    third.play()
    settled(third, lambda: third.phase is Phase.DONE)
    settled(third, lambda: run_info(info.id).phase is Phase.DONE)  # written just after
    assert toy_experiment(take_up="20260101-000000-abcdef").take_up_error is not None
