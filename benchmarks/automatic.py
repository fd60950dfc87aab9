"""LAF with automatic settings beside retrained models: python -m benchmarks.automatic PART… [--seeds 0-4] [--classes 0-9] [--data-dir DIR] [--photos ZIP]

PART is digits-class, digits-noise, or one of the datasets that no setting was chosen on (``UNSEEN``), cut from the real images of MNIST
and Fashion-MNIST (``--data-dir``) and of a zip of photographs in folders, CIFAR-10's for the figures in docs (``--photos``).

A row a request: accuracies in percent of the original, of LAF and of the retrained models, and the mean JS on D_f to the retrained ones,
for LAF and for doing nothing. The summary has the worst beside the mean.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from benchmarks.machine import machine
from core import load
from core.data.images import Dataset, LabelledImages, Norm
from core.data.split import Split, forget_classes, forget_fraction, forget_noisy
from core.evaluation.metrics import jensen_shannon
from core.methods import LAF, METHODS
from core.methods.laf.automatic import automatic
from core.models.base import Net, outputs
from core.runs.run import Run, finish
from core.training.recipe import check_learnt, recipe
from core.training.supervised import train


@dataclass(frozen=True)
class Cut:
    """A small dataset cut from a large one."""

    source: str  # "mnist", "fashion_mnist" or "photos"
    classes: tuple[int, ...]
    counts: tuple[int, ...]  # training images of each class; one number for all
    seed: int
    grey: bool = False
    forget: tuple[int, ...] = ()  # classes to remove in turn, of the cut; all where empty
    size: int | None = None  # pixels a side to scale to; None: as they are


WHOLE = ("fashion_mnist", "mnist")  # all their images, of which --classes are removed in turn
DIGITS = ("digits-class", "digits-data", "digits-noise")
UNSEEN = {
    "clothes-4": Cut("fashion_mnist", (1, 2, 6, 9), (200,), 101),
    "clothes-10": Cut("fashion_mnist", tuple(range(10)), (250,), 102, forget=(0, 3, 7, 8)),
    "unequal-5": Cut("mnist", (0, 2, 5, 8, 9), (400, 100, 250, 100, 60), 103),
    "numbers-2": Cut("mnist", (3, 6), (1000,), 104),
    "numbers-10": Cut("mnist", tuple(range(10)), (120,), 105, forget=(1, 4, 5, 8, 9)),
    "photos-3": Cut("photos", (2, 8, 9), (300,), 106),
    "photos-1500": Cut("photos", (0, 3, 4), (500,), 115, forget=(0,)),
    "photos-grey-2": Cut("photos", (4, 8), (300,), 107, grey=True),
    "small-6": Cut("mnist", (0, 1, 4, 6, 7, 9), (150,), 108, size=8),
    "clothes-small-5": Cut("fashion_mnist", (1, 5, 7, 8, 9), (150,), 109, size=10),
    "clothes-unequal-6": Cut("fashion_mnist", (0, 2, 3, 5, 7, 8), (100, 200, 100, 150, 300, 120), 110),
    "photos-unequal-4": Cut("photos", (0, 1, 6, 7), (100, 200, 250, 120), 111),
    "photos-large-3": Cut("photos", (1, 6, 8), (120,), 112, size=64),
    "many-2": Cut("fashion_mnist", (0, 1), (5000,), 113, forget=(1,)),
    "numbers-enlarged-5": Cut("mnist", (1, 2, 3, 5, 8), (120,), 114, size=40, forget=(0, 1, 3)),
}


@dataclass(frozen=True)
class Row:
    """One request, in percent and nats."""

    name: str
    original: tuple[float, float]  # Train_f, Test_r (noisy labels: true labels of D_f, Test)
    unlearned: tuple[float, float]
    retrained: tuple[float, float]  # means
    js: float
    js_nothing: float
    way: (
        float | None
    )  # noisy labels: the share of the way from original to retrained in true labels of D_f; None: no way to go
    train_f: float  # against the labels trained on
    automatic_s: float
    run_s: float
    met: bool
    nothing_to_do: bool
    settings: str


def main() -> None:
    """Print a row a request and a summary a part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", metavar="PART", choices=[*DIGITS, *WHOLE, *UNSEEN])
    parser.add_argument("--task", default="class", choices=["class", "data", "noise"], help="of unseen data")
    parser.add_argument("--seeds", default="0-4", help="of digits, as 0-4; of whole datasets the first")
    parser.add_argument("--classes", default="0-9", help="of digits and whole datasets, as 0-9")
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
        print(summary(rows), flush=True)


def requests(part: str, a: argparse.Namespace) -> Iterator[Row]:
    """Yield a Row for each request of ``part``."""
    seeds, classes = numbers(a.seeds), numbers(a.classes)
    if part == "digits-class":
        for seed in seeds:
            digits = train(forget_classes(load("digits"), [0]), seed=seed)
            for c in classes:
                yield measure(
                    f"class {c}, seed {seed}", forget_classes(load("digits"), [c]), digits, seed, a.references
                )
        return
    if part in DIGITS:
        for seed in seeds:
            split = (
                forget_noisy(load("digits"), [0, 1, 2, 3, 4], seed=seed)
                if part == "digits-noise"
                else forget_fraction(load("digits"), [5, 6, 7, 8, 9], 0.4, seed=seed)
            )
            yield measure(f"seed {seed}", split, train(split, seed=seed), seed, a.references)
        return
    if part in WHOLE:
        cut = Cut(part, tuple(range(10)), (), seeds[0], forget=tuple(classes))
        dataset = load(part, data_dir=a.data_dir)
    else:
        cut = UNSEEN[part]
        dataset = cut_from(cut, a)
    half = list(range((len(dataset.classes) + 1) // 2))
    made: dict[str, Callable[[], list[Split]]] = {
        "class": lambda: [forget_classes(dataset, [c]) for c in cut.forget or range(len(dataset.classes))],
        "data": lambda: [forget_fraction(dataset, half, 0.4, seed=cut.seed)],
        "noise": lambda: [forget_noisy(dataset, half, 0.5, seed=cut.seed)],
    }
    model: Net | None = None
    for split in made[a.task]():
        if model is None or a.task == "noise":
            began = time.process_time()
            trained_on = replace(dataset, train=split.train)
            found = recipe(trained_on, seed=cut.seed)
            searched = time.process_time() - began
            model = train(split, seed=cut.seed, config=found.config)
            took = time.process_time() - began - searched
            print(
                f"  {found.config.net}, {found.reason}; {searched:.0f} s to find, {took:.0f} s to train; {check_learnt(model, trained_on).reason}",
                flush=True,
            )
        yield measure(split.request.describe(dataset.classes), split, model, cut.seed, a.references)


def measure(name: str, split: Split, model: Net, seed: int, references: int) -> Row:
    """Return the Row of one request."""
    began = time.process_time()
    found = automatic(model, split.unlabelled(), split.task, seed=seed, unseen=split.test.unlabelled())
    middle = time.process_time()
    unlearned = finish(Run(LAF(found.config), model, split, seed=seed))
    end = time.process_time()
    config = model.provenance.config if model.provenance else None
    gold = [
        finish(
            Run(
                METHODS["retrain"](config, begin=seed + 1000 * i if i else None),
                model,
                split,
                seed=seed + 1000 * i,
            )
        )
        for i in range(references)
    ]
    (f0, r0, t0, p0), (f, r, t, p), *g = (read(m, split) for m in (model, unlearned, *gold))
    noise = split.task == "noise"
    c = found.config
    return Row(
        name,
        (t0 if noise else f0, r0),
        (t if noise else f, r),
        (mean([x[2] if noise else x[0] for x in g]), mean([x[1] for x in g])),
        mean([jensen_shannon(p, x[3]) for x in g]),
        mean([jensen_shannon(p0, x[3]) for x in g]),
        share_of_way(t0, t, mean([x[2] for x in g])) if noise else None,
        f,
        middle - began,
        end - middle,
        found.met,
        found.nothing_to_do,
        f"{c.lr_ra:g} {c.lr_ue:g} {c.temperature:g} {c.steps}",
    )


def share_of_way(before: float, now: float, best: float) -> float | None:
    """Return how far ``now`` came from ``before`` to ``best`` (percent); None where they lie within 3 points."""
    return (now - before) / (best - before) if best - before > 3 else None


def read(model: Net, split: Split) -> tuple[float, float, float, torch.Tensor]:
    """Return Train_f, Test_r (Test where all classes stay), the true labels' share of D_f, and the answers on D_f."""
    answers = outputs(model, split.forget, batch_size=128)
    test = split.test.take(~split.test_is_touched) if split.task == "class" else split.test
    right = outputs(model, test, batch_size=128).predictions == test.y
    true = split.true_y[split.forget_rows]
    return (
        percent(answers.predictions == split.forget.y),
        percent(right),
        percent(answers.predictions == true),
        answers.probabilities,
    )


def line(row: Row) -> str:
    """Return a row of the table."""
    pairs = "  ".join(f"{a:5.1f} {b:5.1f}" for a, b in (row.original, row.unlearned, row.retrained))
    what = "" if row.met else "  aim not met"
    what += "  nothing to do" if row.nothing_to_do else ""
    return f"  {row.name:24} {pairs}  Train_f {row.train_f:4.1f}  JS {row.js:.2f} (nothing {row.js_nothing:.2f})  {row.automatic_s:4.1f} s + {row.run_s:4.1f} s  [{row.settings}]{what}"


def summary(rows: Sequence[Row]) -> str:
    """Return means and worst values, and how many requests reach each target."""
    gap_f = [r.unlearned[0] - r.retrained[0] for r in rows]
    gap_r = [r.unlearned[1] - min(r.original[1], r.retrained[1]) for r in rows]
    return (
        f"  {len(rows)} requests: Train_f mean {mean([r.train_f for r in rows]):.1f}, worst {max(r.train_f for r in rows):.1f};"
        f" Test(_r) mean {mean([r.unlearned[1] for r in rows]):.1f}, worst {min(r.unlearned[1] for r in rows):.1f};"
        f" JS mean {mean([r.js for r in rows]):.2f}, worst {max(r.js for r in rows):.2f}, nearer than nothing in {sum(r.js < r.js_nothing for r in rows)},"
        f" or said that nothing is as near in {sum(r.js < r.js_nothing or r.nothing_to_do for r in rows)};"
        f" first figure at most 3 above retrained in {sum(g <= 3 for g in gap_f)};"
        f" Test(_r) at most 2 below the lower of original and retrained in {sum(g >= -2 for g in gap_r)}; aim not met in {sum(not r.met for r in rows)};"
        f"{ways(rows)} cost at most the run or 10 s in {sum(r.automatic_s <= max(r.run_s, 10) for r in rows)};"
        f" settings {mean([r.automatic_s for r in rows]):.1f} s, worst {max(r.automatic_s for r in rows):.1f}"
    )


def ways(rows: Sequence[Row]) -> str:
    """Return how many requests on noisy labels came two thirds of the way, where there are any."""
    found = [r.way for r in rows if r.way is not None]
    return f" two thirds of the way in {sum(w >= 2 / 3 for w in found)} of {len(found)};" if found else ""


def cut_from(cut: Cut, a: argparse.Namespace) -> Dataset:
    """Return the dataset of ``cut``, as an imported one: normalised, with names of its own."""
    if cut.source == "photos":
        if a.photos is None:
            raise SystemExit("name a zip of photographs with --photos")
        whole = load(a.photos)
    else:
        whole = load(cut.source, data_dir=a.data_dir)
    counts = cut.counts * len(cut.classes) if len(cut.counts) == 1 else cut.counts
    train_rows = drawn(whole.train.y, cut.classes, counts, cut.seed)
    test_rows = drawn(whole.test.y, cut.classes, [100] * len(cut.classes), cut.seed)
    numbered = torch.full((len(whole.classes),), -1)
    numbered[list(cut.classes)] = torch.arange(len(cut.classes))

    def part(images: LabelledImages, rows: torch.Tensor, first: int) -> LabelledImages:
        x = images.x[rows]
        if cut.grey:
            x = x.float().mean(1, keepdim=True).round().byte()
        if cut.size is not None:
            side = (cut.size, cut.size)
            x = functional.interpolate(x.float(), side, mode="bilinear", antialias=True).round().byte()
        return LabelledImages(x, first + torch.arange(len(rows)), 255, numbered[images.y[rows]])

    train_part = part(whole.train, train_rows, 0)
    norm = Norm.of(train_part.x)
    test_part = part(whole.test, test_rows, len(train_rows))
    names = tuple(whole.classes[c] for c in cut.classes)
    return Dataset(
        "cut", "Cut", names, replace(train_part, norm=norm), replace(test_part, norm=norm), family="own-grey"
    )


def drawn(y: torch.Tensor, classes: Sequence[int], counts: Sequence[int], seed: int) -> torch.Tensor:
    """Return rows of ``y``, ``counts`` of each class, in rising order."""
    chance = torch.Generator().manual_seed(seed)
    rows = []
    for c, count in zip(classes, counts, strict=True):
        there = (y == c).nonzero().flatten()
        rows.append(there[torch.randperm(len(there), generator=chance)[:count]])
    return torch.cat(rows).sort().values


def numbers(text: str) -> list[int]:
    """Return the numbers of "0-4", "3" or "1,5"."""
    found = []
    for word in text.split(","):
        low, _, high = word.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def percent(right: torch.Tensor) -> float:
    """Return the share of ``right`` that is true, in percent."""
    return 100 * float(right.double().mean())


def mean(values: Sequence[float]) -> float:
    """Return the mean, nan where there is none."""
    return sum(values) / len(values) if values else float("nan")


if __name__ == "__main__":
    main()
