"""The report behind docs/presets.md: the presets of core.config beside retraining, as Markdown tables.

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
from statistics import mean
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.preset_rows import (
    Measured,
    Request,
    average,
    by_request,
    cell,
    doing_nothing,
    gaps,
    markdown,
    overview,
    show,
    worst,
)
from core import METHODS, LAFConfig, Run, Setup, Split, finish, load, train
from core.config import TASKS, TrainConfig
from core.data import PLANTS
from core.evaluation.metrics import FrameEvaluator, Reading, jensen_shannon
from core.methods import method, preset_of
from core.models.base import Net, Provenance
from core.models.registry import build
from core.runs.setup import usual_classes
from core.runtime import seeding as seeds

TITLES = {**TASKS, "planted": "planted truth"}
CHOSEN = (1, 10, 50)  # images, in the task of chosen images
SWEPT = ("epochs", "lr_ue", "lr_ra", "temperature")
GRIDS = {  # around each preset; the rest of it stays
    ("digits", "class"): ((11, 14), (5e-4, 1e-3), (4e-3, 6e-3), (10, 15, 20)),
    ("digits", "data"): ((6, 8), (1e-3, 3e-3), (4e-3, 9e-3), (7, 20)),
    ("mnist", "class"): ((1,), (5e-5, 1e-4), (1e-4, 2e-4, 3e-4), (20,)),
    ("mnist", "data"): ((1,), (5e-5, 1e-4), (1e-4, 2e-4), (5, 20)),
}


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
