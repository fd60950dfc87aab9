"""Memory of a long kept run that a page polls: python -m benchmarks.memory [--steps N]"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Run, forget_classes, load, train
from core.checkpoints import Checkpoints
from core.config import EvalConfig, VAEConfig, replace
from core.observer import Observer
from core.projection import Projection
from core.runs import record
from core.setup import Setup


def resident_mb() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=10_000)
    a = arguments.parse_args()
    torch.set_num_threads(1)
    print(f"Resident memory over a run of {a.steps:,} steps on digits, a frame at each, {machine()}\n")
    print("| step | MB |\n|---|---|")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        split = forget_classes(load("digits"), [0])
        model = train(split)
        config = replace(
            LAFConfig.preset("digits", "class"),
            steps=a.steps,
            vae=VAEConfig(epochs=1),
            lr_ue=1e-6,
            lr_ra=2e-6,
        )
        observer = Observer(split, model, EvalConfig.preset("digits"))
        observer.projection = Projection.fit(observer.original.train.representations, seed=0)
        run = Run(LAF(config), model, split, observer=observer, checkpoints=Checkpoints())
        record(run, Setup())
        seen = []
        for _ in range(20):
            run.play(a.steps // 20)
            while run.tick():
                pass
            sum(len(f.positions) for f in run.frames[-70:])  # as a page's packets do
            seen.append(resident_mb())
            print(f"| {len(run.steps):,} | {seen[-1]:,.0f} |", flush=True)
        warm = seen[4:]
        print(
            f"\nafter the first quarter: {min(warm):,.0f} to {max(warm):,.0f} MB, {100 * (max(warm) / min(warm) - 1):+.1f} %"
        )


if __name__ == "__main__":
    main()
