"""LAF with automatic settings on the embedded vectors and series: python -m benchmarks.automatic_values [DATASET…] [--seeds 0-2]

A row a request, as in benchmarks.automatic: each class in turn, a share of half of the classes, and noisy labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.automatic import numbers
from benchmarks.automatic_rows import Row, line, measure, summary
from benchmarks.machine import machine
from core import load
from core.data.images import Dataset
from core.data.split import Split, forget_classes, forget_fraction, forget_noisy
from core.training.recipe import check_learnt, recipe
from core.training.supervised import train

DATASETS = ("wine", "breast_cancer", "generated_series")
TASKS = ("class", "data", "noise")


def main() -> None:
    """Print a row a request and a summary a dataset and task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="*", default=DATASETS, metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--seeds", default="0-2", help="as 0-2")
    parser.add_argument("--references", type=int, default=3, metavar="N", help="retrained models a request")
    a = parser.parse_args()
    print(machine(), flush=True)
    for name in a.datasets:
        dataset = load(name)
        for task in a.tasks:
            what = "true labels of D_f, Test" if task == "noise" else "Train_f, Test_r"
            print(f"\n{name}, {task}: original / LAF / retrained {what}", flush=True)
            rows = []
            for row in requests(dataset, task, numbers(a.seeds), a.references):
                rows.append(row)
                print(line(row), flush=True)
            print(summary(rows), flush=True)


def requests(dataset: Dataset, task: str, seeds: list[int], references: int) -> Iterator[Row]:
    """Yield a Row for each request of ``task``: for each seed, each class in turn, or a share of half of the classes."""
    half = list(range((len(dataset.classes) + 1) // 2))
    for seed in seeds:
        splits = {
            "class": lambda: [forget_classes(dataset, [c]) for c in range(len(dataset.classes))],
            "data": lambda seed=seed: [forget_fraction(dataset, half, 0.4, seed=seed)],
            "noise": lambda seed=seed: [forget_noisy(dataset, half, 0.4, seed=seed)],
        }[task]()
        yield from measured(splits, seed, references)


def measured(splits: list[Split], seed: int, references: int) -> Iterator[Row]:
    """Yield a Row for each of ``splits`` of the same training data, with one original for all."""
    first = splits[0]
    trained_on = replace(first.dataset, train=first.train)
    found = recipe(trained_on, seed=seed)
    model = train(first, seed=seed, config=found.config)
    learnt = check_learnt(model, trained_on).reason
    print(f"  seed {seed}: {found.config.net}, {found.reason}; {learnt}", flush=True)
    for split in splits:
        name = f"{split.request.describe(split.dataset.classes)}, seed {seed}"
        yield measure(name, split, model, seed, references)


if __name__ == "__main__":
    main()
