"""ResNet-18 on somebody's own colour images, one thread: python -m benchmarks.resnet PATH.zip [--classes 0,3] [--seed 0] [--retrained]

Original and LAF's class removal by the presets, and with --retrained the yardstick, as a Markdown table. CPU seconds: wall-clock would
count who else was busy.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

from benchmarks.machine import machine
from core import LAF, METHODS, LAFConfig, Run, Split, finish, forget_classes, load, train
from core.config import TrainConfig
from core.metrics import Evaluator
from core.models import Net

NAMES = ("train_r", "train_f", "test", "test_r", "test_f")


def timed(work: Any) -> tuple[Any, float]:
    """What ``work`` gives, and its CPU seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def line(what: str, model: Net, split: Split, seconds: float) -> str:
    """One row of the table, on all images."""
    reading = Evaluator(split, full=True).measure(model).reading
    cells = [f"{100 * (getattr(reading, name) or 0.0):.1f}" for name in NAMES]
    label = split.dataset.classes[split.request.classes[0]]
    return f"| {label} | {what} | {' | '.join(cells)} | {seconds:.0f} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("dataset", help="a name, a zip of class folders or an npz")
    arguments.add_argument("--classes", default="0,3")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--retrained", action="store_true")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    data = load(a.dataset)
    classes = [int(c) for c in a.classes.split(",")]
    print(f"{data.title}: {len(data.train):,} training images, seed {a.seed}; one thread of {machine()}")
    print(f"\n{TrainConfig.preset(data.family)}\n{LAFConfig.preset(data.family, 'class')}\n")
    print(
        "| class | model | Train_r | Train_f | Test | Test_r | Test_f | CPU s |\n|" + "---|" * 8, flush=True
    )
    original, seconds = timed(lambda: train(forget_classes(data, [0]), seed=a.seed))
    for c in classes:
        split = forget_classes(data, [c])
        print(line("original", original, split, seconds), flush=True)
        forgotten, spent = timed(lambda split=split: finish(Run(LAF(), original, split, seed=a.seed)))
        print(line("LAF", forgotten, split, spent), flush=True)
        if a.retrained:
            gold, spent = timed(
                lambda split=split: finish(Run(METHODS["retrain"](), original, split, seed=a.seed))
            )
            print(line("retrained", gold, split, spent), flush=True)


if __name__ == "__main__":
    main()
