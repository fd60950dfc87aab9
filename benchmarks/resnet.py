"""ResNet-18 on colour images: python -m benchmarks.resnet cifar10|PATH.zip [--classes 0,3] [--seed 0] [--retrained] [--plain]

Original and LAF's class removal by the presets, with --retrained the yardstick and with --plain the plain loop, as a Markdown table.
On a CPU one thread and its CPU seconds: wall-clock would count who else was busy. On a GPU seconds that passed, and its peak memory.
--net resnet18-224 is the paper's, which enlarges images to 224 pixels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.plain_loop import plain_laf
from core import LAF, METHODS, LAFConfig, Run, Split, finish, forget_classes, load, train
from core.config import PRECISIONS, TrainConfig, replace
from core.evaluation.metrics import FrameEvaluator
from core.models.base import Net
from core.models.registry import NETS
from core.runtime.device import peak_memory_mb, pick_device

NAMES = ("train_r", "train_f", "test", "test_r", "test_f")


def timed(work: Any, device: torch.device) -> tuple[Any, float]:
    """Return the result of ``work`` and its seconds: of the CPU, or wall-clock until a GPU was done."""
    if device.type == "cpu":
        start = time.process_time()
        return work(), time.process_time() - start
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    done = work()
    torch.accelerator.synchronize(device)
    return done, time.perf_counter() - start


def line(what: str, model: Net, split: Split, seconds: float) -> str:
    """Return one row of the table, on all images."""
    mb = peak_memory_mb(next(model.parameters()).device)
    reading = FrameEvaluator(split, full=True).measure(model).reading
    cells = [f"{100 * (getattr(reading, name) or 0.0):.1f}" for name in NAMES]
    label = split.dataset.classes[split.request.classes[0]]
    return f"| {label} | {what} | {' | '.join(cells)} | {seconds:.0f} | {mb:,.0f} |"


def plain(model: Net, split: Split, config: LAFConfig, seed: int) -> Any:
    return plain_laf(model, split, config, seed=seed).model


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("dataset", help="a name, a zip of class folders or an npz")
    arguments.add_argument("--data-dir", help="where cifar10 lies")
    arguments.add_argument("--classes", default="0,3")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--net", choices=sorted(NETS), help="default: the preset's, resnet18")
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--precision", choices=sorted(PRECISIONS), default="float32", help="of LAF")
    arguments.add_argument("--retrained", action="store_true")
    arguments.add_argument("--plain", action="store_true")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    device = pick_device(a.device)
    data = load(a.dataset, data_dir=a.data_dir)
    training = TrainConfig.preset(data.family)
    if a.net is not None:
        training = replace(training, net=a.net)
    config = replace(LAFConfig.preset(data.family, "class"), precision=a.precision)
    where = f"one thread of {machine()}" if device.type == "cpu" else f"{device}, torch {torch.__version__}"
    print(f"{data.title}: {len(data.train):,} training images, seed {a.seed}; {where}")
    print(f"\n{training}\n{config}\n")
    unit = "CPU s" if device.type == "cpu" else "s"
    print(
        f"| class | model | Train_r | Train_f | Test | Test_r | Test_f | {unit} | MB |\n|" + "---|" * 9,
        flush=True,
    )
    original, seconds = timed(
        lambda: train(forget_classes(data, [0]), seed=a.seed, config=training, device=str(device)), device
    )
    for c in map(int, a.classes.split(",")):
        split = forget_classes(data, [c])
        print(line("original", original, split, seconds), flush=True)
        ways: dict[str, Callable[[], Net]] = {
            "LAF": partial(finish, Run(LAF(config), original, split, seed=a.seed))
        }
        if a.plain:
            ways["plain loop"] = partial(plain, original, split, config, a.seed)
        if a.retrained:
            ways["retrained"] = partial(
                finish, Run(METHODS["retrain"](training), original, split, seed=a.seed)
            )
        for name, way in ways.items():
            model, spent = timed(way, device)
            print(line(name, model, split, spent), flush=True)


if __name__ == "__main__":
    main()
