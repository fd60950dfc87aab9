"""A recorded run that is handed out frame by frame, as fast as asked, with no worker behind it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import torch

from core.config import EvalConfig, LAFConfig
from core.data.images import Dataset, LabelledImages
from core.data.registry import load
from core.experiments.session.experiment import Experiment
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler


def shifted_digits(count: int) -> Dataset:
    """Return ``count`` images: digits, and copies of them shifted by 1, 2, … pixels to make up the number."""
    digits = load("digits")
    n = len(digits.train)
    turns = [digits.train.x.roll((k // 3, k % 3), dims=(2, 3)) for k in range(-(-count // n))]
    x = torch.cat(turns)[:count]
    y = digits.train.y.repeat(len(turns))[:count]
    train = LabelledImages(x, torch.arange(count), digits.train.white, y)
    test = replace(digits.test, ids=digits.test.ids + count)
    return Dataset("digits", digits.title, digits.classes, train, test)


class Recording(Experiment):
    """An Experiment whose run was played before; ``play`` hands its frames out at a fixed rate."""

    every_s = 0.1

    def record(self) -> None:
        """Prepare, play to the end, and put the frames aside."""
        self.start()
        while self.run is None or self.work or not self.references:  # no worker is behind what is played
            assert self.error is None, self.error
            time.sleep(0.05)
        Experiment.play(self)
        while not self.run.phase.over:
            time.sleep(0.05)
        self._frames = list(self.run.frames)
        self.reset()

    def play(self, steps: int | None = None) -> None:
        run = self.player.ready_run()
        run.play(steps)
        threading.Thread(target=self._hand_out, args=(run,), daemon=True).start()

    def _hand_out(self, run: Any) -> None:
        start, begun = time.perf_counter(), len(run.frames)
        while len(run.frames) < len(self._frames) and run.phase == "running":
            due = begun + int((time.perf_counter() - start) / self.every_s)
            run.frames.extend(self._frames[len(run.frames) : due])
            time.sleep(0.005)
        if len(run.frames) == len(self._frames):
            run.phase = type(run.phase).DONE


def recording(umap: Any, points: int = 2000) -> Recording:
    """Record a class removal of about 200 frames on so many points, ready to be played."""
    from core.data import registry

    made = shifted_digits(points)
    original, registry.DATASETS["digits"] = (
        registry.DATASETS["digits"],
        replace(registry.DATASETS["digits"], load=lambda _: made),
    )
    registry._load.cache_clear()
    try:
        long = replace(LAFConfig.preset("digits", "class"), steps=200)
        measured = replace(EvalConfig.preset("digits"), max_points=points)
        found = Recording(Setup(), Scheduler(), umap, config=long, eval_config=measured)
        found.record()
    finally:
        registry.DATASETS["digits"] = original
        registry._load.cache_clear()
    return found
