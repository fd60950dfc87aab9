"""The report behind docs/presets.md: the presets of core/config.py beside retraining, as Markdown tables.

python -m benchmarks.presets [--dataset digits|mnist] [--task class data] [--classes 0-9] [--seeds 0-2] [--tune]

The presets were chosen with --tune, which looks at labels and at retrained models, on other seeds than are reported.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from statistics import mean, stdev

import torch

from core import LAF, METHODS, LAFConfig, Run, Split, finish, forget_classes, forget_fraction, load, train
from core.config import TASKS
from core.metrics import Evaluator, Reading, jensen_shannon
from core.models import Net

FRACTION = 0.4  # of each class in data removal, as in the paper
ROWS = {"original": "original (do nothing)", "retrained": "retrained", "laf": "LAF"}
ACCURACIES = ("train_r", "train_f", "test", "test_r", "test_f")
GRIDS = {
    ("digits", "class"): {"epochs": (10, 14, 20), "lr_ue": (5e-4, 1e-3, 2e-3), "lr_ra": (3e-3, 6e-3), "temperature": (10, 20)},
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


class Bench:
    """One (dataset, task): all that LAF is compared with, computed once."""

    def __init__(self, dataset: str, task: str, seeds: tuple[int, ...], references: int, data_dir: str | None) -> None:
        self.dataset, self.task, self.seeds, self.references, self.data_dir = dataset, task, seeds, references, data_dir
        self._retrained: dict[tuple[tuple[int, ...], int, int], tuple[Reading, float]] = {}

    def split(self, classes: tuple[int, ...], seed: int) -> Split:
        """What is forgotten; in data removal each seed draws its own images."""
        data = load(self.dataset, data_dir=self.data_dir)
        return forget_classes(data, classes) if self.task == "class" else forget_fraction(data, classes, FRACTION, seed=seed)

    def retrained(self, classes: tuple[int, ...], split_seed: int, seed: int) -> tuple[Reading, float]:
        """A model retrained with ``seed`` (its weights and batches) on the split of ``split_seed``, and its seconds."""
        key = (classes, 0 if self.task == "class" else split_seed, seed)  # class removal draws nothing
        if key not in self._retrained:
            split, model = self.split(classes, split_seed), original(self.dataset, self.data_dir, seed)[0]
            say(f"{self.dataset} {self.task}: retrained, classes {classes}, seed {seed}")
            start = time.process_time()
            gold = finish(Run(METHODS["retrain"](), model, split, seed=seed))
            seconds = time.process_time() - start
            self._retrained[key] = Evaluator(split, full=True).measure(gold).reading, seconds
        return self._retrained[key]

    def js(self, reading: Reading, classes: tuple[int, ...], seed: int) -> float | None:
        """To models retrained with other seeds only, so that no row shares initial weights with its yardstick."""
        at = self.seeds.index(seed)
        others = (self.seeds[at + 1 :] + self.seeds[:at])[: self.references - 1]
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
        start = time.process_time()
        run.advance()
        prepared = time.process_time()
        model, end = finish(run), time.process_time()
        reading = Evaluator(split, full=True).measure(model).reading
        return Measured(reading, self.js(reading, classes, seed), None, prepared - start, end - prepared, len(run.steps))

    def measure(self, requests: list[tuple[int, ...]], config: LAFConfig) -> Cases:
        """Every request with every seed."""
        cases: Cases = {}
        for classes, seed in product(requests, self.seeds):
            cases[classes, seed] = self.baselines(classes, seed)
            say(f"{self.dataset} {self.task}: LAF, classes {classes}, seed {seed}")
            cases[classes, seed]["laf"] = self.laf(classes, seed, config)
        return cases


def average(cases: Cases, row: str, name: str) -> float | None:
    """Mean over requests and seeds; None where nothing was measured."""
    values = [v for case in cases.values() if (v := case[row].figure(name)) is not None]
    return mean(values) if values else None


def worst(cases: Cases) -> float:
    """The largest Train_f that LAF left in a single run, in percent."""
    return max(case["laf"].figure("train_f") or 0.0 for case in cases.values())


def cell(cases: Cases, row: str, name: str, digits: int = 1) -> str:
    """Mean, ± the standard deviation over seeds of the mean over requests."""
    seeds = {seed for _, seed in cases}
    means = [average({k: v for k, v in cases.items() if k[1] == seed}, row, name) for seed in seeds]
    known = [m for m in means if m is not None]
    return show(average(cases, row, name), digits) + (f" ± {stdev(known):.{digits}f}" if len(known) > 1 else "")


def overview(cases: Cases) -> str:
    """One line a model."""
    head = ["", "Train_r", "Train_f", "worst", "Test", "Test_r", "Test_f", "commonest answer", "JS to retrained"]
    lines = [[*head, "attack AUC (95 % of one run)", "train", "VAEs", "unlearn, CPU s"]]
    for row, title in ROWS.items():
        largest = max(case[row].figure("train_f") or 0.0 for case in cases.values())
        line = [title, cell(cases, row, "train_r"), cell(cases, row, "train_f"), f"{largest:.1f}"]
        line += [cell(cases, row, name) for name in ("test", "test_r", "test_f", "commonest_share")]
        auc, low, high = (show(average(cases, row, name), 2) for name in ("auc", "auc_low", "auc_high"))
        line += [cell(cases, row, "js", 3), f"{auc} ({low}–{high})"]
        lines.append(line + [show(average(cases, row, name), 2) for name in ("train", "vae", "unlearn")])
    return markdown(lines)


def by_class(cases: Cases) -> str:
    """Class removal, class by class: does the preset hold for each of them?"""
    lines = [["class", "Train_f", "worst", "Test_r", "retrained", "commonest answer", "retrained", "JS", "retrained"]]
    for classes in sorted({classes for classes, _ in cases}):
        mine = {k: v for k, v in cases.items() if k[0] == classes}
        line = [", ".join(map(str, classes)), show(average(mine, "laf", "train_f"), 1), f"{worst(mine):.1f}"]
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


def tune(bench: Bench, requests: list[tuple[int, ...]]) -> str:
    """The grid around the preset, ranked by the largest gap of an accuracy to retraining, in whole points, then by JS."""
    preset, grid = LAFConfig.preset(bench.dataset, bench.task), GRIDS[bench.dataset, bench.task]
    names = ("train_r", "train_f", "test_r" if bench.task == "class" else "test")
    base = {(c, s): bench.baselines(c, s) for c, s in product(requests, bench.seeds)}
    ranked = []
    for values in product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        say(str(setting))
        config = replace(preset, **setting)
        cases = {case: {**rows, "laf": bench.laf(*case, config)} for case, rows in base.items()}
        gap = max(abs((average(cases, "laf", n) or 0) - (average(cases, "retrained", n) or 0)) for n in names)
        figures = [show(average(cases, "laf", n), 1) for n in (*names, "commonest_share")]
        line = [*(f"{v:g}" for v in values), *figures, f"{worst(cases):.1f}", cell(cases, "laf", "js", 3), f"{gap:.1f}"]
        ranked.append((round(gap), average(cases, "laf", "js") or 0.0, line))
    head = [*grid, *names, "commonest_share", "worst train_f", "JS", "largest gap"]
    return markdown([head, *(line for _, _, line in sorted(ranked))])


def show(value: float | None, digits: int) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is its head."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def numbers(text: str) -> tuple[int, ...]:
    """"0-2,5" -> (0, 1, 2, 5)."""
    parts = [part.split("-") for part in text.split(",")]
    return tuple(n for part in parts for n in range(int(part[0]), int(part[-1]) + 1))


def say(text: str) -> None:
    """Progress, out of the way of the tables."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Read the command line, print the tables."""
    parser = argparse.ArgumentParser(description="the measured presets beside retraining, as Markdown")
    parser.add_argument("--dataset", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--task", choices=tuple(TASKS), nargs="+", default=["class"])
    parser.add_argument("--classes", type=numbers, help="class removal: each in turn (default all); data removal: 5-9")
    parser.add_argument("--seeds", type=numbers, help="default 0-2; with --tune 100-101")
    parser.add_argument("--references", type=int, default=3, help="models retrained on each split, one of them its seed's own")
    parser.add_argument("--data-dir")
    parser.add_argument("--tune", action="store_true", help="run the grid around the preset and rank it")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as in the presets
    seeds = args.seeds or ((100, 101) if args.tune else (0, 1, 2))
    for task in args.task:
        requests = [(c,) for c in args.classes or range(10)] if task == "class" else [(5, 6, 7, 8, 9)]
        bench = Bench(args.dataset, task, seeds, args.references, args.data_dir)
        print(f"\n{args.dataset}, {TASKS[task]}, seeds {', '.join(map(str, seeds))}; one thread of {platform.machine()}\n")
        if args.tune:
            print(tune(bench, requests))
            continue
        cases = bench.measure(requests, LAFConfig.preset(args.dataset, task))
        steps = sorted(case["laf"].steps for case in cases.values())
        print(overview(cases), f"{steps[0]} to {steps[-1]} steps. {doing_nothing(cases)}", sep="\n\n", flush=True)
        if len(requests) > 1:
            print("\n" + by_class(cases), flush=True)


if __name__ == "__main__":
    main()
