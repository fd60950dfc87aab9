"""Measure the cost of frames: their share of a run at the Lab's default cadence, and the parts of one frame.

    python -m benchmarks.frame_cost [--dataset mnist] [--data-dir DIR] [--classes 0] [--old]

``--old`` takes 100 frames of 2,000 training and 1,000 test images, in batches of 256.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.machine import machine
from core import LAF, EvalConfig, LAFConfig, Observer, Projection, Run, finish, forget_classes, load
from core.models.base import outputs
from core.runs.original_models import original
from core.runs.records import Frame
from core.runtime.device import torch_threads
from core.runtime.progress import run_to_end


def main() -> None:
    """Read the command line, print the table."""
    parser = argparse.ArgumentParser(description="the share of a run that its frames take")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data-dir")
    parser.add_argument("--classes", type=int, nargs="+", default=[0])
    parser.add_argument("--old", action="store_true")
    args = parser.parse_args()
    split = forget_classes(load(args.dataset, data_dir=args.data_dir), args.classes, seed=0)
    config = EvalConfig() if args.old else EvalConfig.preset(split.dataset.family)
    with torch_threads(1):
        model = run_to_end(original(split, seed=0))
        observer = Observer(split, model, config, seed=0)
        observer.projection = Projection.fit(observer.original.train.representations, seed=0)
        look = Watched(observer)
        run = Run(LAF(LAFConfig.preset(split.dataset.family, "class")), model, split, seed=0, observer=look)
        look.seconds = 0.0
        start = time.thread_time()
        finish(run)
        total = time.thread_time() - start
        measure, place = parts(observer, model)
    frames = len(run.frames) - 1
    print(
        f"{split.dataset.title}, class {args.classes}, {len(run.steps)} steps, {frames} frames of {config.max_points:,} points "
        f"and {config.max_test:,} test images; one thread of {machine()}\n"
    )
    print("| CPU seconds of | seconds | share |\n|---|---|---|")
    for what, seconds in (("VAEs and unlearning", total - look.seconds), ("frames", look.seconds)):
        print(f"| {what} | {seconds:.1f} | {100 * seconds / total:.1f} % |")
    print(
        f"\na frame: {look.seconds / frames:.3f} s; measured alone {measure:.3f} s, placed on the map {place:.3f} s"
    )


class Watched(Observer):
    """An Observer that counts the CPU time of its frames: the clock on the wall also counts what else the machine does."""

    def __init__(self, observer: Observer) -> None:
        self.__dict__.update(observer.__dict__)
        self.seconds = 0.0

    def look(self, *given: Any, **named: Any) -> Frame:
        start = time.thread_time()
        frame = super().look(*given, **named)
        self.seconds += time.thread_time() - start
        return frame


def parts(observer: Observer, model: torch.nn.Module) -> tuple[float, float]:
    """Return the seconds of one frame's forward passes and numbers, and of placing it; best of three."""

    def best(work: Callable[[], object]) -> float:
        found = []
        for _ in range(3):
            start = time.thread_time()
            work()
            found.append(time.thread_time() - start)
        return min(found)

    assert observer.projection is not None
    e = outputs(model, observer.evaluator._train, batch_size=64).representations
    place = observer.projection.place
    return best(lambda: observer.evaluator.measure(model)), best(lambda: place(e))


if __name__ == "__main__":
    main()
