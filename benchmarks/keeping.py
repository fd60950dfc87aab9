"""Measure the cost of the balance of losses, of states and of keeping a run on disk: python -m benchmarks.keeping [--data-dir DIR] [--steps N]"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Run, forget_classes, load, train
from core.config import EvalConfig, TrainConfig, replace
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.setup import Setup
from core.runs.storage import record


def measure(name: str, data_dir: str | None, steps: int, rounds: int = 3) -> tuple[str, float, float, int]:
    """Dataset, ms a step with frames alone and with states and store besides (the least of ``rounds``), and steps."""
    split = forget_classes(load(name, data_dir=data_dir), [0])
    model = train(split, config=replace(TrainConfig.preset(name), epochs=1))
    config = LAFConfig.preset(name, "class")
    config = replace(config, steps=steps, vae=replace(config.vae, epochs=1))
    observer = Observer(split, model, EvalConfig.preset(name))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0)
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for kept in (False, True):  # in turn, so that a busy machine slows both
            run = Run(
                LAF(config), model, split, observer=observer, checkpoints=Checkpoints() if kept else None
            )
            if kept:
                record(run, Setup(dataset=name))
            run.advance()
            start = time.perf_counter()
            while run.advance():
                pass
            found[kept].append(1e3 * (time.perf_counter() - start) / (steps - 1))
            if run.recorder is not None:
                run.recorder.close()  # type: ignore[attr-defined]
    return name, min(found[False]), min(found[True]), steps


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--data-dir", metavar="DIR", help="folder that holds MNIST/raw; without it, digits"
    )
    arguments.add_argument("--steps", type=int, default=100)
    a = arguments.parse_args()
    torch.set_num_threads(1)
    print(f"A run kept and not kept, frames in both, one thread, {machine()}\n")
    print("| dataset | steps | ms a step | kept | cost |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        name, plain, kept, steps = measure("mnist" if a.data_dir else "digits", a.data_dir, a.steps)
        print(f"| {name} | {steps} | {plain:.1f} | {kept:.1f} | {100 * (kept / plain - 1):+.0f} % |")


if __name__ == "__main__":
    main()
