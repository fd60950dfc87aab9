"""`laf run --save` killed at random moments: runs stay readable, lose nothing finished, and continue to the bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core import LAF
from core.config import EvalConfig, LAFConfig, replace
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import list_runs, read_run, record, remove_run, restore
from core.runs.storage.frame_store import ARRAYS
from tests import toys
from tests.core.runs.storage import nursery as nurseries

KILLS = 6

# Each line on standard input forks a child that runs the command; imports, data, original and map are made once, in the parent.
NURSERY = """
import os, signal, sys
from tests import toys
import torch
torch.set_num_threads(1)
import core.projection.projection, core.methods.retrain, core.experiments.session.reference_pool, core.evaluation.metrics
from core import forget_classes, load
from core.runs.storage.recorder import Recorder
from core.runs.setup import Setup
from dashboard.cli import main as cli
from tests.core.runs.storage.test_kill import quick
import dashboard.cli.run
import core.projection.map_cache, core.runs.run, core.runs.observer, core.runs.checkpoints, core.runs.storage, core.runs.original_models
from core.runtime.progress import run_to_end

split = forget_classes(load("digits"), [0])
model = run_to_end(core.runs.original_models.original(split))
def kept(*_, **__):
    return model
    yield

core.runs.original_models.original = kept
Setup.config = lambda self, split: quick()
core.projection.map_cache.cached_map = lambda *_: None  # the map that ships is not the flat one
fit = core.projection.projection.Projection.fit
core.projection.projection.Projection.fit = lambda e0, **k: fit(e0, umap=toys.Flat())
begin, frame = Recorder.begin, Recorder.frame

def begins(self, run):
    print("begin", flush=True)
    begin(self, run)
    print("frame 0", flush=True)

def frames(self, one):
    kept = frame(self, one)
    print("frame", one.number, flush=True)
    return kept

Recorder.begin, Recorder.frame = begins, frames
finish = core.runs.run.finish

def finished(run):
    result = finish(run)
    print("kept", flush=True)
    signal.pause()  # what follows retrains and measures; the run itself is over
    return result

core.runs.run.finish = finished
print("warm", flush=True)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        print("child", os.getpid(), flush=True)
        code = cli.main(["run", "--dataset", "digits", "--task", "class", "--classes", "0", "--save", "--quiet", "--settings", "preset"])
        print("error", code, flush=True)
        os._exit(1)
    os.waitpid(child, 0)
    print("died", flush=True)
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    return tmp_path


def quick() -> LAFConfig:
    """Return a quarter of the preset's steps, and VAEs of one epoch."""
    preset = LAFConfig.preset("digits", "class")
    return replace(preset, steps=14, vae=replace(preset.vae, epochs=1))


def equal(mine, theirs) -> bool:
    return (mine.number, mine.step, mine.record) == (theirs.number, theirs.step, theirs.record) and all(
        np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in ARRAYS
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_killed_at_random_moments_no_finished_frame_is_lost(class_split, digits_model, monkeypatch):
    observer = Observer(class_split, digits_model, EvalConfig.preset("digits"), seed=0)
    observer.projection = Projection.fit(observer.original.train.representations, umap=toys.Flat())
    monkeypatch.setattr(Setup, "config", lambda self, split: quick())
    straight = Run(LAF(quick()), digits_model, class_split, observer=observer)
    finish(straight)
    chance, midway = random.Random(11), 0
    nursery = nurseries.start(NURSERY)

    def line() -> str:
        found = nursery.stdout.readline()
        assert found, "the nursery died"
        assert not found.startswith("error"), found
        return found.strip()

    try:
        assert line() == "warm"
        whole_s = 0.0
        for kill in range(KILLS + 1):
            nursery.stdin.write("go\n")
            word, _, child = line().partition(" ")
            assert word == "child"
            while line() != "begin":
                pass
            start, seen = time.monotonic(), -1
            if kill == 0:  # undisturbed: how long it takes from the first write to the end
                while line() != "kept":
                    pass
                whole_s, seen = time.monotonic() - start, len(straight.frames) - 1
            else:  # at a random moment after one frame in ten
                while seen < (kill - 1) / KILLS * (len(straight.frames) - 1):
                    told = line()
                    if told.startswith("frame"):
                        seen = int(told.split()[1])
                time.sleep(chance.random() / len(straight.frames) * whole_s)
            os.kill(int(child), signal.SIGKILL)
            while (told := line()) != "died":
                if told.startswith("frame"):
                    seen = max(seen, int(told.split()[1]))
            infos, problems = list_runs()
            assert problems == []
            assert len(infos) == 1 or seen < 0
            if not infos:
                continue
            kept = read_run(infos[0].id)
            assert len(kept.frames) > seen
            assert kept.steps == straight.steps[: len(kept.steps)]
            assert len(kept.steps) >= seen
            assert all(map(equal, kept.frames, straight.frames))
            midway += 1 < len(kept.frames) < len(straight.frames)
            if kill % 3 == 2:
                back = restore(kept, class_split, digits_model, observer)
                while back.tick():
                    pass
                finish(back)
                assert back.steps == straight.steps
                assert toys.same(toys.weights(back.result), toys.weights(straight.result))
                assert not [p for p in kept.folder.path.rglob(".*") if p.name != ".lock"]
                back.recorder.close()
            remove_run(infos[0].id)
    finally:
        nursery.kill()
        nursery.wait()
    assert midway >= KILLS // 3


def test_a_removal_that_is_killed_leaves_a_store_that_can_be_read(class_split, digits_model, home):
    """It dies between taking the run out of sight and deleting its files."""
    run = Run(LAF(LAFConfig.preset("digits", "class")), digits_model, class_split, checkpoints=Checkpoints())
    record(run, Setup())
    run.advance()
    run.recorder.close()
    code = (
        "import os, shutil, signal; from core.runs.storage import remove_run\n"
        "shutil.rmtree = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"remove_run('{run.recorder.id}')"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[4])
    assert died.returncode == -signal.SIGKILL
    assert list_runs() == ([], [])
    (left,) = (home / "runs").glob(".[0-9]*")
    os.utime(left, (0, 0))
    again = Run(LAF(LAFConfig.preset("digits", "class")), digits_model, class_split)
    record(again, Setup())
    again.advance()
    assert not left.exists()
    assert len(list_runs()[0]) == 1
