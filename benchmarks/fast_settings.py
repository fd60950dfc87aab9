"""Choose the fast form of class removal on MNIST: python -m benchmarks.fast_settings --data-dir DIR [--seeds 100,101] [--classes 0,5,8]

For each candidate, over all seeds and classes: the change of Test_r against the original (mean and worst), Train_f (mean and worst), and the CPU seconds
of VAEs and unlearning. No figure is reported from these seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.speed import ours
from core import LAFConfig, forget_classes, load
from core.config import replace
from core.evaluation.metrics import evaluate
from core.methods.laf.fast import fast
from core.runs.original_models import original
from core.runtime.progress import run_to_end

CANDIDATES: tuple[dict[str, Any], ...] = (
    {},
    {"epochs": 3, "lr_ra": 1e-3, "temperature": 15},
    {"epochs": 3, "lr_ra": 1e-3},
    {"epochs": 3},
    {"epochs": 4, "most_remain": 9_000},
    {"epochs": 5, "lr_ra": 5e-4, "most_remain": 8_000},
    {"epochs": 5, "most_remain": 12_000},
)


@dataclass
class Found:
    """Of one candidate, an entry for each seed and class."""

    gained: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="folder that holds MNIST/raw")
    parser.add_argument("--seeds", default="100,101")
    parser.add_argument("--classes", default="0,5,8")
    a = parser.parse_args()
    torch.set_num_threads(1)
    mnist = load("mnist", data_dir=a.data_dir)
    usual = fast(LAFConfig.preset("mnist", "class"), "mnist", "class")
    found = [Found() for _ in CANDIDATES]
    for seed in map(int, a.seeds.split(",")):
        for c in map(int, a.classes.split(",")):
            split = forget_classes(mnist, [c], seed=seed)
            model = run_to_end(original(split, seed=seed))
            before = evaluate(model, split).test_r
            for changes, to in zip(CANDIDATES, found, strict=True):
                cost = ours("fast", model, split, replace(usual, **changes), seed=seed)
                assert cost.model is not None
                after = evaluate(cost.model, split)
                assert after.test_r is not None
                assert before is not None
                to.gained.append(100 * (after.test_r - before))
                to.left.append(100 * after.train_f)
                to.seconds.append(cost.total)
    print(f"MNIST, classes {a.classes}, seeds {a.seeds}; one thread, {machine()}\n")
    print(
        "| changed | Test_r against the original, points | worst | Train_f, % | worst | CPU s |\n|---|---:|---:|---:|---:|---:|"
    )
    for changes, f in zip(CANDIDATES, found, strict=True):
        what = ", ".join(f"{k} {v}" for k, v in changes.items()) or "nothing: as it is now"
        print(
            f"| {what} | {mean(f.gained):+.3f} | {min(f.gained):+.3f} | {mean(f.left):.3f} | {max(f.left):.3f} | {mean(f.seconds):.2f} |"
        )


if __name__ == "__main__":
    main()
