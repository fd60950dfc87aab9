"""Time to a batch of MNIST, from memory and from a torchvision DataLoader with one worker: python -m benchmarks.batches --data-dir DIR"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from benchmarks.machine import machine
from core import load
from core.training.batches import Batches

SIZE = 64  # the preset's
FIRST = 20  # batches that are not timed: a worker fills its queue while it starts


def timed_ms(draw: Callable[[], Any], count: int) -> tuple[float, float]:
    """Return the milliseconds to a batch: the mean and the median."""
    for _ in range(FIRST):
        draw()
    took = []
    for _ in range(count):
        start = time.perf_counter()
        draw()
        took.append(1e3 * (time.perf_counter() - start))
    return statistics.mean(took), statistics.median(took)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    arguments.add_argument("--count", type=int, default=400, help="batches timed (default: 400)")
    a = arguments.parse_args()
    if a.data_dir is None:
        print("Time to a batch: not measured, it needs MNIST; name its folder with --data-dir")
        return
    torch.set_num_threads(1)
    data = load("mnist", data_dir=a.data_dir)
    batches = Batches(len(data.train), SIZE, 0, "order")

    def ours() -> tuple[torch.Tensor, torch.Tensor]:
        rows = batches.draw()
        return data.train.floats(rows), data.train.y[rows]

    plain = MNIST(a.data_dir, train=True, transform=transforms.ToTensor())
    loader = iter(DataLoader(plain, batch_size=SIZE, shuffle=True, num_workers=1))
    x, y = ours()
    theirs_x, theirs_y = next(loader)
    assert (x.shape, x.dtype, y.shape, y.dtype) == (
        theirs_x.shape,
        theirs_x.dtype,
        theirs_y.shape,
        theirs_y.dtype,
    )
    theirs_mean, theirs = timed_ms(lambda: next(loader), a.count)
    ours_mean, mine = timed_ms(ours, a.count)
    print(f"Time to a batch of {SIZE} images of MNIST, ready for the net, one thread; {machine()}\n")
    print("| batches from | ms, mean | ms, median |\n|---|---|---|")
    print(f"| a DataLoader with one worker | {theirs_mean:.2f} | {theirs:.2f} |")
    print(f"| memory | {ours_mean:.3f} | {mine:.3f} |")
    print(f"| ratio | {theirs_mean / ours_mean:.0f}× | {theirs / mine:.0f}× |")


if __name__ == "__main__":
    main()
