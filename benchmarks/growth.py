"""Measure how LAF's cost grows: python -m benchmarks.growth --data-dir DIR

With the number of images (MNIST, 1,000 to 60,000), the size of the representation, and the points on the map; CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace as changed

import numpy as np
import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Run, forget_classes, load
from core.config import replace
from core.data.images import Dataset
from core.methods.laf.fast import fast
from core.models.cnn import CNN
from core.models.registry import build
from core.projection.projection import Projection


def part(mnist: Dataset, count: int) -> Dataset:
    """Return the first ``count`` training images."""
    return changed(mnist, train=mnist.train.take(torch.arange(count)))


def seconds(run: Run) -> tuple[float, float]:
    """Return the CPU seconds of the preset's VAEs and of its steps. Time before the first step counts as the VAEs'."""
    start = time.thread_time()
    run.advance()
    begun = time.thread_time()
    while run.advance():
        pass
    end = time.thread_time()
    one = (end - begun) / max(1, len(run.steps) - 1)
    return begun - start - one, end - begun + one


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", required=True, help="folder that holds MNIST/raw")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    mnist = load("mnist", data_dir=a.data_dir)
    preset = LAFConfig.preset("mnist", "class")
    print(f"LAF's preset for MNIST, class 0, one thread, {machine()}\n")
    print("| images | VAEs, s | unlearning, s | steps | fast, in all, s |\n|---|---|---|---|---|", flush=True)
    for count in (1000, 3000, 10_000, 30_000, 60_000):
        split = forget_classes(part(mnist, count), [0])
        model = build("cnn", mnist.shape, 10, seed=0)
        run = Run(LAF(preset), model, split)
        vae, unlearn = seconds(run)
        quick = sum(seconds(Run(LAF(fast(preset, "mnist", "class")), model, split)))
        print(f"| {count:,} | {vae:.2f} | {unlearn:.2f} | {len(run.steps)} | {quick:.2f} |", flush=True)
    print("\n| representation | VAEs, s | ms a step |\n|---|---|---|", flush=True)
    split = forget_classes(part(mnist, 3000), [0])
    for width in (64, 128, 256, 512, 1024):
        wide = type(f"CNN{width}", (CNN,), {"width": width})
        net = wide(mnist.shape, 10).to(memory_format=torch.channels_last)
        run = Run(LAF(replace(preset, steps=30)), net, split)
        vae, unlearn = seconds(run)
        print(f"| {width} | {vae:.2f} | {1e3 * unlearn / 30:.1f} |", flush=True)
    print("\n| points on the map | ms to place them |\n|---|---|", flush=True)
    for points in (500, 1000, 2000, 5000, 10_000):
        rng = np.random.default_rng(0)
        e = rng.normal(size=(points, 256)).astype(np.float32)
        projection = Projection(e, rng.normal(size=(points, 2)).astype(np.float32), umap=None)
        moved = e + rng.normal(size=e.shape).astype(np.float32)
        found = []
        for _ in range(3):
            start = time.thread_time()
            projection.place(moved)
            found.append(time.thread_time() - start)
        print(f"| {points:,} | {1e3 * min(found):.0f} |", flush=True)


if __name__ == "__main__":
    main()
