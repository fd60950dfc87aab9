"""The report behind docs/presets.md: the presets of core/config.py beside retraining, as Markdown tables.

python -m benchmarks.presets [--dataset digits|mnist] [--task class data] [--classes 0-9] [--seeds 0-2] [--tune]

The presets were chosen by looking at labels and at retrained models, as --tune does, on other seeds than reported.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import product
from statistics import mean, stdev

import torch

from benchmarks.machine import machine
from core import LAF, METHODS, LAFConfig, Run, Split, finish, forget_classes, forget_fraction, load, train
from core.config import TASKS
from core.metrics import Evaluator, Reading, jensen_shannon
from core.models import Net

FRACTION = 0.4  # of each class in data removal, as in the paper
ROWS = {"original": "original (do nothing)", "retrained": "retrained", "laf": "LAF"}
ACCURACIES = ("train_r", "train_f", "test", "test_r", "test_f")
SWEPT = ("epochs", "lr_ue", "lr_ra", "temperature")
GRIDS = {  # around each preset; the rest of it stays
    ("digits", "class"): ((11, 14), (5e-4, 1e-3), (4e-3, 6e-3), (10, 15, 20)),
    ("digits", "data"): ((6, 8), (1e-3, 3e-3), (4e-3, 9e-3), (7, 20)),
    ("mnist", "class"): ((1,), (5e-5, 1e-4), (1e-4, 2e-4, 3e-4), (20,)),
    ("mnist", "data"): ((1,), (5e-5, 1e-4), (1e-4, 2e-4), (5, 20)),
}


@dataclass(frozen=True)
class Measured:
    """One model on one split, and the CPU seconds it took to make: wall-clock would count who else was busy."""

    reading: Reading
    js: float | None  # mean nats on D_f to the models retrained with other seeds
    train: float | None = None
    vae: float | None = None
    unlearn: float | None = None
    steps: int = 0

    def figure(self, name: str) -> float | None:
        """One number by its name; accuracies and shares in percent."""
        if name in (*ACCURACIES, "commonest_share"):
            value = getattr(self.reading, name)
            return None if value is None else 100 * value
        return getattr(self.reading.attack if name.startswith("auc") else self, name)


Case = tuple[tuple[int, ...], int]  # (classes, seed)
Cases = dict[Case, dict[str, Measured]]  # by the row of the table


@cache
def original(dataset: str, data_dir: str | None, seed: int) -> tuple[Net, float]:
    """g_D and the seconds it took; one for all requests of a seed, since D is the same."""
    say(f"{dataset}: original, seed {seed}")
    split, start = forget_classes(load(dataset, data_dir=data_dir), [0]), time.process_time()
    return train(split, seed=seed), time.process_time() - start


@dataclass
class Bench:
    """One (dataset, task): all that LAF is compared with, computed once."""

    dataset: str
    task: str
    seeds: tuple[int, ...]
    references: int
    data_dir: str | None
    kept: dict[tuple[object, ...], tuple[Reading, float]] = field(default_factory=dict)

    def split(self, classes: tuple[int, ...], seed: int) -> Split:
        """What is forgotten; in data removal each seed draws its own images."""
        data = load(self.dataset, data_dir=self.data_dir)
        if self.task == "class":
            return forget_classes(data, classes)
        return forget_fraction(data, classes, FRACTION, seed=seed)

    def retrained(self, classes: tuple[int, ...], split_seed: int, seed: int) -> tuple[Reading, float]:
        """A model retrained with ``seed`` (its weights and batches) on the split of ``split_seed``, and its seconds."""
        key = (classes, 0 if self.task == "class" else split_seed, seed)  # class removal draws nothing
        if key not in self.kept:
            split, model = self.split(classes, split_seed), original(self.dataset, self.data_dir, seed)[0]
            say(f"{self.dataset} {self.task}: retrained, classes {classes}, seed {seed}")
            start = time.process_time()
            gold = finish(Run(METHODS["retrain"](), model, split, seed=seed))
            seconds = time.process_time() - start
            self.kept[key] = Evaluator(split, full=True).measure(gold).reading, seconds
        return self.kept[key]

    def js(self, reading: Reading, classes: tuple[int, ...], seed: int) -> float | None:
        """To models retrained with other seeds only, so that no row shares initial weights with its yardstick."""
        at = self.seeds.index(seed)
        most = (
            None if self.task == "class" else self.references - 1
        )  # class removal has them all for its rows
        others = (self.seeds[at + 1 :] + self.seeds[:at])[:most]
        p = [self.retrained(classes, seed, other)[0].forget_probabilities for other in others]
        return mean(jensen_shannon(reading.forget_probabilities, q) for q in p) if p else None

    def baselines(self, classes: tuple[int, ...], seed: int) -> dict[str, Measured]:
        """The rows that do not depend on LAF's settings."""
        model, seconds = original(self.dataset, self.data_dir, seed)
        before = Evaluator(self.split(classes, seed), full=True).measure(model).reading
        gold, gold_seconds = self.retrained(classes, seed, seed)
        return {
            "original": Measured(before, self.js(before, classes, seed), train=seconds),
            "retrained": Measured(gold, self.js(gold, classes, seed), train=gold_seconds),
        }

    def laf(self, classes: tuple[int, ...], seed: int, config: LAFConfig) -> Measured:
        """One LAF run to its end; its first step comes with the two VAEs."""
        split = self.split(classes, seed)
        run = Run(LAF(config), original(self.dataset, self.data_dir, seed)[0], split, seed=seed)
        say(f"{self.dataset} {self.task}: LAF, classes {classes}, seed {seed}")
        start = time.process_time()
        run.advance()
        prepared = time.process_time()
        model, end = finish(run), time.process_time()
        reading = Evaluator(split, full=True).measure(model).reading
        js, steps = self.js(reading, classes, seed), len(run.steps)
        return Measured(reading, js, None, prepared - start, end - prepared, steps)


def average(cases: Cases, row: str, name: str) -> float | None:
    """Mean over requests and seeds; None where nothing was measured."""
    values = [v for case in cases.values() if (v := case[row].figure(name)) is not None]
    return mean(values) if values else None


def worst(cases: Cases, row: str) -> str:
    """The largest Train_f that a single run left, in percent."""
    return show(max(case[row].figure("train_f") or 0.0 for case in cases.values()), 1)


def cell(cases: Cases, row: str, name: str, digits: int = 1) -> str:
    """Mean, ± the standard deviation over seeds of the mean over requests."""
    seeds = {seed for _, seed in cases}
    means = [average({k: v for k, v in cases.items() if k[1] == seed}, row, name) for seed in seeds]
    known = [m for m in means if m is not None]
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return show(average(cases, row, name), digits) + spread


def overview(cases: Cases) -> str:
    """One line a model."""
    head = "|Train_r|Train_f|worst|Test|Test_r|Test_f|commonest answer|JS to retrained|attack AUC (95 % of one run)"
    lines = [[*head.split("|"), "train, CPU s", "VAEs", "unlearn"]]
    for row, title in ROWS.items():
        line = [title, cell(cases, row, "train_r"), cell(cases, row, "train_f"), worst(cases, row)]
        line += [cell(cases, row, name) for name in ("test", "test_r", "test_f", "commonest_share")]
        auc, low, high = (show(average(cases, row, name), 2) for name in ("auc", "auc_low", "auc_high"))
        line += [cell(cases, row, "js", 3), f"{auc} ({low}–{high})"]
        lines.append(line + [show(average(cases, row, name), 1) for name in ("train", "vae", "unlearn")])
    return markdown(lines)


def by_class(cases: Cases) -> str:
    """Class removal, class by class: does the preset hold for each of them?"""
    head = "class|Train_f|worst|Test_r|retrained|commonest answer|retrained|JS|retrained"
    lines = [head.split("|")]
    for classes in sorted({classes for classes, _ in cases}):
        mine = {k: v for k, v in cases.items() if k[0] == classes}
        line = [str(classes[0]), show(average(mine, "laf", "train_f"), 1), worst(mine, "laf")]
        for name, digits in (("test_r", 1), ("commonest_share", 1), ("js", 3)):
            line += [show(average(mine, row, name), digits) for row in ("laf", "retrained")]
        lines.append(line)
    return markdown(lines)


def doing_nothing(cases: Cases) -> str:
    """The figures in which the untouched original is nearer to retraining than LAF is."""
    said = []
    for name in (*ACCURACIES, "commonest_share", "js", "auc"):
        before, gold, laf = (average(cases, row, name) for row in ROWS)
        if before is None or gold is None or laf is None:
            continue
        if (before < laf) if name == "js" else (abs(before - gold) < abs(laf - gold)):
            said.append(f"{name} ({before:.3g}; LAF {laf:.3g}, retrained {gold:.3g})")
    return "Doing nothing is nearer to retraining than LAF in: " + ("; ".join(said) or "none of these") + "."


def gaps(cases: Cases) -> str:
    """How far LAF's mean accuracies are from the retrained models', in points; the task's promise is about these."""
    known = [(n, average(cases, "laf", n), average(cases, "retrained", n)) for n in ACCURACIES]
    return "LAF less retrained, points: " + ", ".join(
        f"{name} {laf - gold:+.2f}" for name, laf, gold in known if laf is not None and gold is not None
    )


def tune(bench: Bench, requests: list[tuple[int, ...]]) -> str:
    """The grid, ranked by the largest gap of an accuracy to retraining in whole points, then by JS."""
    preset = LAFConfig.preset(bench.dataset, bench.task)
    names = ("train_r", "train_f", "test_r" if bench.task == "class" else "test")
    base = {(c, s): bench.baselines(c, s) for c, s in product(requests, bench.seeds)}
    ranked = []
    for values in product(*GRIDS[bench.dataset, bench.task]):
        say(f"epochs, lr_ue, lr_ra, temperature = {values}")
        config = replace(preset, **dict(zip(SWEPT, values, strict=True)))
        cases = {case: {**rows, "laf": bench.laf(*case, config)} for case, rows in base.items()}
        gaps = [abs((average(cases, "laf", n) or 0) - (average(cases, "retrained", n) or 0)) for n in names]
        figures = [show(average(cases, "laf", n), 1) for n in (*names, "commonest_share")]
        line = [*(f"{v:g}" for v in values), *figures, worst(cases, "laf"), cell(cases, "laf", "js", 3)]
        ranked.append((round(max(gaps)), average(cases, "laf", "js") or 0.0, [*line, show(max(gaps), 1)]))
    head = [*SWEPT, *names, "commonest answer, %", "worst train_f", "JS", "largest gap"]
    return markdown([head, *(line for _, _, line in sorted(ranked))])


def show(value: float | None, digits: int) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is its head."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def numbers(text: str) -> tuple[int, ...]:
    """Read "0-2,5" as (0, 1, 2, 5)."""
    parts = [part.split("-") for part in text.split(",")]
    return tuple(n for part in parts for n in range(int(part[0]), int(part[-1]) + 1))


say = partial(print, file=sys.stderr, flush=True)  # progress, out of the way of the tables


def main() -> None:
    """Read the command line, print the tables."""
    parser = argparse.ArgumentParser(description="the measured presets beside retraining, as Markdown")
    parser.add_argument("--dataset", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--task", choices=tuple(TASKS), nargs="+", default=["class"])
    parser.add_argument(
        "--classes", type=numbers, default=tuple(range(10)), help="class removal: each in turn"
    )
    parser.add_argument("--seeds", type=numbers, help="default 0-2; with --tune 100-101")
    parser.add_argument("--references", type=int, default=3, help="in data removal, retrained on each split")
    parser.add_argument("--data-dir")
    parser.add_argument("--tune", action="store_true", help="run the grid around the preset and rank it")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as in the presets
    seeds = args.seeds or ((100, 101) if args.tune else (0, 1, 2))
    for task in args.task:
        requests = [(c,) for c in args.classes] if task == "class" else [(5, 6, 7, 8, 9)]
        bench = Bench(args.dataset, task, seeds, args.references, args.data_dir)
        print(f"\n{args.dataset}, {TASKS[task]}, seeds {seeds}; one thread of {machine()}\n")
        if args.tune:
            print(tune(bench, requests))
            continue
        config = LAFConfig.preset(args.dataset, task)
        cases = {k: {**bench.baselines(*k), "laf": bench.laf(*k, config)} for k in product(requests, seeds)}
        steps = sorted(case["laf"].steps for case in cases.values())
        print(
            overview(cases),
            f"{steps[0]} to {steps[-1]} steps. {gaps(cases)}. {doing_nothing(cases)}",
            sep="\n\n",
            flush=True,
        )
        if len(requests) > 1:
            print("\n" + by_class(cases), flush=True)


if __name__ == "__main__":
    main()
