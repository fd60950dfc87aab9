"""The report behind docs/presets.md: the presets of core/config.py beside retraining, as Markdown tables.

python -m benchmarks.presets [--dataset digits] [--task class data noise indices planted] [--classes 0-9] [--seeds 0-2] [--tune]

The presets were chosen by looking at labels and at retrained models, as --tune does, on other seeds than reported.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.machine import machine
from core import METHODS, LAFConfig, Run, Setup, Split, finish, load, train
from core.config import TASKS, TrainConfig
from core.data import PLANTS
from core.evaluation.metrics import FrameEvaluator, Reading, jensen_shannon
from core.methods import method, preset_of
from core.models.base import Net, Provenance
from core.models.registry import build
from core.runs.setup import usual_classes
from core.runtime import seeding as seeds

ROWS = {
    "original": "original (do nothing)",
    "retrained": "retrained",
    "laf": "LAF",
    "laf+r": "LAF+R, all labels",
}
ACCURACIES = ("train_r", "train_f", "clean_f", "test", "test_r", "test_f", "planted")
TITLES = {**TASKS, "planted": "planted truth"}
CHOSEN = (1, 10, 50)  # images, in the task of chosen images
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
        """Return one number by its name; accuracies and shares in percent."""
        if name in (*ACCURACIES, "commonest_share"):  # planted is a probability
            value = getattr(self.reading, name)
            return None if value is None else 100 * value
        return getattr(self.reading.attack if name.startswith("auc") else self, name)


Request = tuple[int, ...]  # classes; the number of chosen images; the number of the plant
Case = tuple[Request, int]  # (request, seed)
Cases = dict[Case, dict[str, Measured]]  # by the row of the table


@dataclass
class Bench:
    """One (dataset, task): all that LAF is compared with, computed once."""

    dataset: str
    task: str
    seeds: tuple[int, ...]
    references: int
    data_dir: str | None
    kept: dict[tuple[object, ...], tuple[Reading, float]] = field(default_factory=dict)
    originals: dict[tuple[str, int], tuple[Net, float]] = field(default_factory=dict)

    def split(self, request: Request, seed: int) -> Split:
        """Return the split of a forget request. Except in class removal, each seed draws its own images."""
        data = load(self.dataset, data_dir=self.data_dir)
        if self.task == "planted":
            return Setup(plant=list(PLANTS)[request[0]], seed=seed).split(data)
        if self.task == "indices":
            ids = data.train.ids
            order = torch.randperm(len(ids), generator=seeds.generator(seed, "chosen"))
            return Setup(task="indices", ids=tuple(ids[order[: request[0]]].tolist())).split(data)
        return Setup(task=self.task, classes=request, seed=0 if self.task == "class" else seed).split(data)

    def original(self, request: Request, seed: int) -> tuple[Net, float]:
        """Return g_D and its training seconds. All requests of a seed that leave D as it is share one g_D."""
        split = self.split(request, seed)
        key = (split.dataset.fingerprint, seed)
        if key not in self.originals:
            say(f"{self.dataset}: original, seed {seed}")
            start = time.process_time()
            self.originals[key] = train(split, seed=seed), time.process_time() - start
        return self.originals[key]

    def retrained(self, request: Request, split_seed: int, seed: int) -> tuple[Reading, float]:
        """Return a model retrained with ``seed`` (its weights and batches) on the split of ``split_seed``, and its seconds."""
        key = (request, 0 if self.task == "class" else split_seed, seed)  # class removal draws nothing
        if key not in self.kept:
            split = self.split(request, split_seed)
            say(f"{self.dataset} {self.task}: retrained, {request}, seed {seed}")
            start = time.process_time()
            gold = finish(Run(METHODS["retrain"](), self.begin(seed), split, seed=seed))
            seconds = time.process_time() - start
            self.kept[key] = FrameEvaluator(split, full=True).measure(gold).reading, seconds
        return self.kept[key]

    def begin(self, seed: int) -> Net:
        """Return the initial weights of ``seed``: all that retraining takes from an original."""
        data = load(self.dataset, data_dir=self.data_dir)
        config = TrainConfig.preset(data.family, self.task)
        model = build(config.net, data.shape, len(data.classes), seed=seed)
        model.provenance = Provenance(config.net, seed, config, 0.0)
        return model

    def js(self, reading: Reading, request: Request, seed: int) -> float | None:
        """To models retrained with other seeds only, so that no row shares initial weights with its yardstick."""
        at = self.seeds.index(seed)
        most = (
            None if self.task == "class" else self.references - 1
        )  # class removal has them all for its rows
        others = (self.seeds[at + 1 :] + self.seeds[:at])[:most]
        p = [self.retrained(request, seed, other)[0].forget_probabilities for other in others]
        return mean(jensen_shannon(reading.forget_probabilities, q) for q in p) if p else None

    def baselines(self, request: Request, seed: int) -> dict[str, Measured]:
        """Return the rows that do not depend on LAF's settings."""
        model, seconds = self.original(request, seed)
        before = FrameEvaluator(self.split(request, seed), full=True).measure(model).reading
        gold, gold_seconds = self.retrained(request, seed, seed)
        return {
            "original": Measured(before, self.js(before, request, seed), train=seconds),
            "retrained": Measured(gold, self.js(gold, request, seed), train=gold_seconds),
        }

    def run(self, name: str, request: Request, seed: int, config: Any = None) -> Measured:
        """Run LAF or LAF+R to its end, by its preset unless told. The time of the first step includes the two VAEs."""
        split = self.split(request, seed)
        config = config or preset_of(name, split)
        run = Run(method(name, config), self.original(request, seed)[0], split, seed=seed)
        say(f"{self.dataset} {self.task}: {name}, {request}, seed {seed}")
        start = time.process_time()
        run.advance()
        prepared = time.process_time()
        model, end = finish(run), time.process_time()
        reading = FrameEvaluator(split, full=True).measure(model).reading
        js, steps = self.js(reading, request, seed), len(run.steps)
        return Measured(reading, js, None, prepared - start, end - prepared, steps)


def average(cases: Cases, row: str, name: str) -> float | None:
    """Mean over requests and seeds; None where nothing was measured."""
    values = [v for case in cases.values() if (v := case[row].figure(name)) is not None]
    return mean(values) if values else None


def worst(cases: Cases, row: str) -> str:
    """Return the largest Train_f of a single run, in percent."""
    return show(max(case[row].figure("train_f") or 0.0 for case in cases.values()), 1)


def cell(cases: Cases, row: str, name: str, digits: int = 1) -> str:
    """Mean, ± the standard deviation over seeds of the mean over requests."""
    seeds = {seed for _, seed in cases}
    means = [average({k: v for k, v in cases.items() if k[1] == seed}, row, name) for seed in seeds]
    known = [m for m in means if m is not None]
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return show(average(cases, row, name), digits) + spread


COLUMNS = {
    "train_r": "Train_r",
    "train_f": "Train_f",
    "worst": "worst",
    "clean_f": "true labels of D_f",
    "planted": "planted sign",
    "test": "Test",
    "test_r": "Test_r",
    "test_f": "Test_f",
    "commonest_share": "most common answer",
}


def overview(cases: Cases) -> str:
    """Return one line for each model, without columns that were not measured."""
    some = [k for k in COLUMNS if k == "worst" or average(cases, "original", k) is not None]
    head = [*(COLUMNS[k] for k in some), "JS to retrained", "attack AUC (95 % of one run)"]
    lines = [["", *head, "train, CPU s", "VAEs", "unlearn"]]
    for row in rows(cases):
        line = [ROWS[row], *(worst(cases, row) if k == "worst" else cell(cases, row, k) for k in some)]
        auc, low, high = (show(average(cases, row, name), 2) for name in ("auc", "auc_low", "auc_high"))
        line += [cell(cases, row, "js", 3), f"{auc} ({low}–{high})"]
        lines.append(line + [show(average(cases, row, name), 1) for name in ("train", "vae", "unlearn")])
    return markdown(lines)


def rows(cases: Cases) -> list[str]:
    """Return the rows that were measured."""
    return [row for row in ROWS if all(row in case for case in cases.values())]


def by_request(cases: Cases, names: dict[Request, str], first: str) -> str:
    """Request by request (class by class): does the preset hold for each of them?"""
    head = f"{first}|Train_f|worst|Test_r|retrained|most common answer|retrained|JS|retrained"
    planted = any(case["laf"].reading.planted is not None for case in cases.values())
    lines = [head.split("|") + ["planted sign: before", "LAF", "retrained"] * planted]
    for request, name in names.items():
        mine = {k: v for k, v in cases.items() if k[0] == request}
        line = [name, show(average(mine, "laf", "train_f"), 1), worst(mine, "laf")]
        for figure, digits in (("test_r", 1), ("commonest_share", 1), ("js", 3)):
            line += [show(average(mine, row, figure), digits) for row in ("laf", "retrained")]
        line += [show(average(mine, row, "planted"), 1) for row in ("original", "laf", "retrained")] * planted
        lines.append(line)
    return markdown(lines)


def doing_nothing(cases: Cases) -> str:
    """Return the figures in which the untouched original is nearer to retraining than LAF is."""
    said = []
    for name in (*ACCURACIES, "commonest_share", "js", "auc"):
        before, gold, laf = (average(cases, row, name) for row in ("original", "retrained", "laf"))
        if before is None or gold is None or laf is None:
            continue
        if (before < laf) if name == "js" else (abs(before - gold) < abs(laf - gold)):
            said.append(f"{name} ({before:.3g}; LAF {laf:.3g}, retrained {gold:.3g})")
    return "Doing nothing is nearer to retraining than LAF in: " + ("; ".join(said) or "none of these") + "."


def gaps(cases: Cases) -> str:
    """Return the distances of LAF's mean accuracies from the retrained models', in points."""
    known = [(n, average(cases, "laf", n), average(cases, "retrained", n)) for n in ACCURACIES]
    return "LAF less retrained, points: " + ", ".join(
        f"{name} {laf - gold:+.2f}" for name, laf, gold in known if laf is not None and gold is not None
    )


def tune(bench: Bench, requests: list[tuple[int, ...]]) -> str:
    """Return the grid, ranked by the largest gap of an accuracy to retraining in whole points, then by JS."""
    preset = LAFConfig.preset(bench.dataset, bench.task)
    names = ("train_r", "train_f", "test_r" if bench.task == "class" else "test")
    base = {(c, s): bench.baselines(c, s) for c, s in product(requests, bench.seeds)}
    ranked = []
    for values in product(*GRIDS[bench.dataset, bench.task]):
        say(f"epochs, lr_ue, lr_ra, temperature = {values}")
        config = replace(preset, **dict(zip(SWEPT, values, strict=True)))
        cases = {case: {**rows, "laf": bench.run("laf", *case, config)} for case, rows in base.items()}
        gaps = [abs((average(cases, "laf", n) or 0) - (average(cases, "retrained", n) or 0)) for n in names]
        figures = [show(average(cases, "laf", n), 1) for n in (*names, "commonest_share")]
        line = [*(f"{v:g}" for v in values), *figures, worst(cases, "laf"), cell(cases, "laf", "js", 3)]
        ranked.append((round(max(gaps)), average(cases, "laf", "js") or 0.0, [*line, show(max(gaps), 1)]))
    head = [*SWEPT, *names, "most common answer, %", "worst train_f", "JS", "largest gap"]
    return markdown([head, *(line for _, _, line in sorted(ranked))])


def show(value: float | None, digits: int) -> str:
    """Return a figure as text, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """Return a Markdown table; the first line is its head."""
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
    parser.add_argument("--dataset", default="digits", help="a name, or a zip of folders or an npz")
    parser.add_argument("--task", choices=tuple(TITLES), nargs="+", default=["class"])
    parser.add_argument("--classes", type=numbers, help="class removal: each in turn (default: all)")
    parser.add_argument("--seeds", type=numbers, help="default 0-2; with --tune 100-101")
    parser.add_argument(
        "--references", type=int, default=3, help="but in class removal, retrained on each split"
    )
    parser.add_argument("--data-dir")
    parser.add_argument("--tune", action="store_true", help="run the grid around the preset and rank it")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as in the presets
    chosen_seeds = args.seeds or ((100, 101) if args.tune else (0, 1, 2))
    data = load(args.dataset, data_dir=args.data_dir)
    for task in args.task:
        names = requests(task, data.classes, args.classes)
        bench = Bench(args.dataset, task, chosen_seeds, args.references, args.data_dir)
        print(f"\n{data.title}, {TITLES[task]}, seeds {chosen_seeds}; one thread of {machine()}\n")
        if args.tune:
            print(tune(bench, list(names)))
            continue
        methods = ("laf", "laf+r") if task == "noise" else ("laf",)
        cases = {
            k: {**bench.baselines(*k), **{m: bench.run(m, *k) for m in methods}}
            for k in product(names, chosen_seeds)
        }
        steps = sorted(case["laf"].steps for case in cases.values())
        said = f"{steps[0]} to {steps[-1]} steps. {gaps(cases)}. {doing_nothing(cases)}"
        print(overview(cases), said, sep="\n\n", flush=True)
        if len(names) > 1:
            first = {"class": "class", "indices": "images", "planted": "plant"}[task]
            print("\n" + by_request(cases, names, first), flush=True)


def requests(task: str, classes: tuple[str, ...], wanted: tuple[int, ...] | None) -> dict[Request, str]:
    """Yield each forget request and its name."""
    if task == "class":
        return {(c,): classes[c] for c in (wanted or range(len(classes)))}
    if task == "planted":
        return {(k,): name for k, name in enumerate(PLANTS)}
    if task == "indices":
        return {(count,): str(count) for count in CHOSEN}
    return {usual_classes(task, len(classes)): ""}


if __name__ == "__main__":
    main()
