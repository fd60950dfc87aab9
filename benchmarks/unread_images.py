"""Test images that the search for settings reads, beside those that it does not: python -m benchmarks.unread_images [--seeds 0-2]

Class removal on digits, ten classes a seed. The search reads a random half of the unlabelled test images. Printed is how Test_r changes
from the original to the unlearned model, in points, on the half that was read and on the other one. A large difference would mean that
the Test_r of a report is too good.
"""

from __future__ import annotations

import argparse

import torch

from benchmarks.automatic import numbers
from benchmarks.automatic_rows import mean, percent
from benchmarks.machine import machine
from core import load
from core.data.images import LabelledImages
from core.data.split import Split, forget_classes
from core.methods import LAF
from core.methods.laf.automatic.search import automatic
from core.models.base import Net, outputs
from core.runs.run import Run, finish
from core.training.supervised import train


def main() -> None:
    """Print a row a seed, and the mean difference with its standard error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0-2", help="as 0-2")
    a = parser.parse_args()
    print(f"{machine()}\n\n| seed | read | not read |\n|---|---:|---:|")
    changes: list[tuple[float, float]] = []
    for seed in numbers(a.seeds):
        model = train(forget_classes(load("digits"), [0]), seed=seed)
        rows = [changes_of(forget_classes(load("digits"), [c]), model, seed) for c in range(10)]
        print(
            f"| {seed} | {mean([r for r, _ in rows]):+.2f} | {mean([u for _, u in rows]):+.2f} |", flush=True
        )
        changes += rows
    apart = torch.tensor([read - unread for read, unread in changes])
    print(f"\nread less not read: {float(apart.mean()):+.2f} ± {float(apart.std()) / len(apart) ** 0.5:.2f}")


def changes_of(split: Split, model: Net, seed: int) -> tuple[float, float]:
    """Return the change of Test_r, in points, on the half of the test images that the search read and on the other half."""
    chance = torch.Generator().manual_seed(10 * seed + split.request.classes[0])
    order = torch.randperm(len(split.test), generator=chance)
    read, unread = order[: len(order) // 2], order[len(order) // 2 :]
    found = automatic(
        model, split.unlabelled(), "class", seed=seed, unseen=split.test.unlabelled().take(read)
    )
    unlearned = finish(Run(LAF(found.config), model, split, seed=seed))

    def change(rows: torch.Tensor) -> float:
        images = split.test.take(rows[~split.test_is_touched[rows]])
        return accuracy(unlearned, images) - accuracy(model, images)

    return change(read), change(unread)


def accuracy(model: Net, images: LabelledImages) -> float:
    """Return the accuracy of ``model`` on ``images`` in percent."""
    return percent(outputs(model, images).predictions == images.y)


if __name__ == "__main__":
    main()
