"""A recorded run of 2,000 points that is handed out frame by frame, as fast as asked, with no worker behind it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import torch

from core.config import EvalConfig, LAFConfig
from core.data.datasets import load
from core.data.images import Dataset, LabelledImages
from core.experiment import Experiment
from core.runner import Runner
from core.setup import Setup

LONG = replace(LAFConfig.preset("digits", "class"), epochs=40)  # 200 frames


def two_thousand() -> Dataset:
    """Digits and, to make up the number, 563 of them shifted by a pixel."""
    digits = load("digits")
    more = 2000 - len(digits.train)
    x = torch.cat([digits.train.x, digits.train.x[:more].roll(1, dims=3)])
    y = torch.cat([digits.train.y, digits.train.y[:more]])
    train = LabelledImages(x, torch.arange(2000), digits.train.white, y)
    test = replace(digits.test, ids=digits.test.ids + 2000)
    return Dataset("digits", digits.title, digits.classes, train, test)


class Recording(Experiment):
    """An Experiment whose run was played before; ``play`` hands its frames out at a fixed rate."""

    every_s = 0.1

    def record(self) -> None:
        """Prepare, play to the end, and put the frames aside."""
        self.start()
        while self.run is None or not self.references:
            assert self.error is None, self.error
            time.sleep(0.05)
        Experiment.play(self)
        while not self.run.phase.over:
            time.sleep(0.05)
        self._frames = list(self.run.frames)
        self.reset()

    def play(self, steps: int | None = None) -> None:
        run = self._ready_run()
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


def recording(umap: Any) -> Recording:
    """A recorded class removal on 2,000 points, ready to be played."""
    from core.data import datasets

    made = two_thousand()
    original, datasets.DATASETS["digits"] = (
        datasets.DATASETS["digits"],
        replace(datasets.DATASETS["digits"], load=lambda _: made),
    )
    datasets._load.cache_clear()
    try:
        found = Recording(Setup(), Runner(), umap, config=LONG, eval_config=EvalConfig.preset("digits"))
        found.record()
    finally:
        datasets.DATASETS["digits"] = original
        datasets._load.cache_clear()
    return found
