"""LAF with automatic settings beside retrained models: python -m benchmarks.automatic PART… [--seeds 0-4] [--classes 0-9] [--net vit] [--data-dir DIR] [--photos ZIP]

PART is digits-class, digits-data, digits-noise, a whole dataset (fashion_mnist, mnist, or photos: all of ``--photos``), or one of the
datasets that no setting was chosen on (``UNSEEN``), cut from the real images of MNIST and Fashion-MNIST (``--data-dir``) and of a zip of
photographs in folders, CIFAR-10's for the figures in docs (``--photos``).

A row a request: accuracies in percent of the original, of LAF and of the retrained models, and the mean JS on D_f to the retrained ones,
for LAF and for doing nothing. The summary has the worst beside the mean.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.automatic_cuts import UNSEEN, Cut, cut_from
from benchmarks.automatic_inside import mean_of
from benchmarks.automatic_rows import Row, line, measure, summary
from benchmarks.machine import machine
from core import load
from core.data.images import Dataset
from core.data.split import Split, forget_classes, forget_fraction, forget_noisy
from core.models.base import Net
from core.models.registry import NETS
from core.training.recipe import check_learnt, recipe
from core.training.supervised import train

WHOLE = ("fashion_mnist", "mnist", "photos")  # all their images, of which --classes are removed in turn
DIGITS = ("digits-class", "digits-data", "digits-noise")


def main() -> None:
    """Print a row a request and a summary a part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", metavar="PART", choices=[*DIGITS, *WHOLE, *UNSEEN])
    parser.add_argument("--task", default="class", choices=["class", "data", "noise"], help="of unseen data")
    parser.add_argument(
        "--seeds", help="as 0-2 (default: 0-4 of digits, 0 of whole datasets, its own of a cut)"
    )
    parser.add_argument("--classes", help="as 0-4 (default: 0-9, of a cut those that it names)")
    parser.add_argument(
        "--net", choices=sorted(NETS), help="default: the preset's, or the one that is chosen"
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="of class removal: also the CKA to the original by layer, and the answers",
    )
    parser.add_argument("--references", type=int, default=2, metavar="N", help="retrained models a request")
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw and FashionMNIST/raw")
    parser.add_argument("--photos", metavar="ZIP", help="zip of photographs in folders named by class")
    a = parser.parse_args()
    print(machine(), flush=True)
    for part in a.parts:
        print(
            f"\n{part}: original / LAF / retrained {'true labels of D_f, Test' if 'noise' in (part[7:], a.task) else 'Train_f, Test_r'}"
        )
        rows = []
        for row in requests(part, a):
            rows.append(row)
            print(line(row), flush=True)
            if row.inside is not None:
                print(f"      {row.inside.answers}", flush=True)
        print(summary(rows), flush=True)
        if a.layers:
            print(mean_of([row.inside for row in rows if row.inside is not None]), flush=True)


def requests(part: str, a: argparse.Namespace) -> Iterator[Row]:
    """Yield a Row for each request of ``part``."""
    if part in DIGITS and a.net is None:
        yield from of_digits(part, a)
        return
    if part in DIGITS:
        cuts = [
            Cut("digits", tuple(range(10)), (), s, forget=tuple(range(10))) for s in numbers(a.seeds or "0-4")
        ]
    elif part in WHOLE:
        cuts = [Cut(part, tuple(range(10)), (), s, forget=tuple(range(10))) for s in numbers(a.seeds or "0")]
    else:
        cut = UNSEEN[part]
        cuts = [replace(cut, seed=s) for s in (numbers(a.seeds) if a.seeds else [cut.seed])]
    for cut in cuts:
        cut = replace(cut, forget=tuple(numbers(a.classes)) if a.classes else cut.forget)
        yield from of_cut(cut, part, part.removeprefix("digits-") if part in DIGITS else a.task, a)


def of_digits(part: str, a: argparse.Namespace) -> Iterator[Row]:
    """Yield a Row for each request of the digits on the preset's net."""
    for seed in numbers(a.seeds or "0-4"):
        if part == "digits-class":
            digits = train(forget_classes(load("digits"), [0]), seed=seed)
            for c in numbers(a.classes or "0-9"):
                yield measure(
                    f"class {c}, seed {seed}",
                    forget_classes(load("digits"), [c]),
                    digits,
                    seed,
                    a.references,
                    layers=a.layers,
                )
        else:
            split = (
                forget_noisy(load("digits"), [0, 1, 2, 3, 4], seed=seed)
                if part == "digits-noise"
                else forget_fraction(load("digits"), [5, 6, 7, 8, 9], 0.4, seed=seed)
            )
            yield measure(f"seed {seed}", split, train(split, seed=seed), seed, a.references)


def of_cut(cut: Cut, part: str, task: str, a: argparse.Namespace) -> Iterator[Row]:
    """Yield a Row for each request of a cut or of a whole dataset, on the net of a recipe."""
    dataset = dataset_of(cut, part, a)
    half = list(range((len(dataset.classes) + 1) // 2))
    made: dict[str, Callable[[], list[Split]]] = {
        "class": lambda: [forget_classes(dataset, [c]) for c in cut.forget or range(len(dataset.classes))],
        "data": lambda: [forget_fraction(dataset, half, 0.4, seed=cut.seed)],
        "noise": lambda: [forget_noisy(dataset, half, 0.5, seed=cut.seed)],
    }
    model: Net | None = None
    for split in made[task]():
        if model is None or task == "noise":
            began = time.process_time()
            trained_on = replace(dataset, train=split.train)
            found = recipe(trained_on, seed=cut.seed, net=a.net)
            searched = time.process_time() - began
            model = train(split, seed=cut.seed, config=found.config)
            took = time.process_time() - began - searched
            print(
                f"  seed {cut.seed}: {found.config.net}, {found.reason}; {searched:.0f} s to find, {took:.0f} s to train; {check_learnt(model, trained_on).reason}",
                flush=True,
            )
        yield measure(
            split.request.describe(dataset.classes), split, model, cut.seed, a.references, layers=a.layers
        )


def dataset_of(cut: Cut, part: str, a: argparse.Namespace) -> Dataset:
    """Return the whole dataset ``part``, or the ``cut``."""
    if part in DIGITS:
        return load("digits")
    if part == "photos" and a.photos is None:
        raise SystemExit("name a zip of photographs with --photos")
    if part in WHOLE:
        return load(a.photos) if part == "photos" else load(part, data_dir=a.data_dir)
    return cut_from(cut, a.data_dir, a.photos)


def numbers(text: str) -> list[int]:
    """Return the numbers of "0-4", "3" or "1,5"."""
    found = []
    for word in text.split(","):
        low, _, high = word.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


if __name__ == "__main__":
    main()
