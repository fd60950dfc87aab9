"""Presets of the baselines: the same stated budget for each, and the table that core/methods/presets.toml holds.

python -m benchmarks.tune [--dataset digits] [--task class data noise] [--methods ...] [--candidates 20] [--data-dir DIR]

For each (method, dataset, task): the same number of candidates, the first of them its paper's settings and the others drawn at
random from one space (SPACE, and OWN for what a method has besides), on tuning seeds 100 and 101, which no report uses. Class removal
draws two classes a seed, so that a preset does not fit one class. A candidate passes at most as many images as retraining does
(``steps`` is set where its epochs would pass more; a forward pass alone counts a third, SCRUB's max-steps as its other steps, and
SalUn's one pass for its saliency not at all).

The best has the lowest objective: the mean absolute gap to the mean of REFERENCES retrained models over Train_r, Train_f, Test_r and
Test_f (and the accuracy on D_f by true labels where labels are wrong), in [0, 1], plus the mean Jensen-Shannon divergence to them on
D_f in nats; averaged over requests. It is chosen WITH labels and WITH retrained models: an oracle's choice, which nobody who must
forget can make. LAF and LAF+R are not searched here: they keep the presets of core/config.py, found by grids of benchmarks.presets.
SISA and unrolling have nothing to search: what they could be told makes their original.

MNIST is tuned on 10,000 of its images, with fewer candidates that pass at most 15,000 images each; rates and numbers of steps are
taken over to all of them.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import machine
from core import Run, Split, finish, load, train
from core.config import EvalConfig, LAFConfig, TrainConfig
from core.data import Dataset
from core.errors import DivergedError
from core.evaluation.metrics import FrameEvaluator, Reading, jensen_shannon
from core.methods import METHODS, method
from core.models.base import Net
from core.runs.reference_models import references
from core.runs.setup import Setup, usual_classes
from core.runtime import seeding

SEEDS = (100, 101)
REFERENCES = 3
SEARCHED = (
    "finetune",
    "neggrad",
    "neggrad+",
    "random-label",
    "boundary-shrink",
    "bad-teacher",
    "scrub",
    "salun",
)
SAMPLE = 10_000  # images of a dataset that has more
SAMPLE_PASSES = 15_000  # images that a candidate passes there
ACCURACIES = ("train_r", "train_f", "test_r", "test_f", "clean_f")
RATES = {"adam": (1e-5, 1e-2), "sgd": (1e-4, 1e-1)}  # log-uniform
SPACE = {"batch_size": (32, 64, 128), "epochs": (1, 2, 3, 5, 8, 12, 20)}
OWN: dict[str, dict[str, tuple[float, ...]]] = {
    "neggrad+": {"alpha": (0.5, 0.7, 0.9, 0.95, 0.99, 0.999)},
    "boundary-shrink": {"bound": (0.05, 0.1, 0.2, 0.5, 1.0)},
    "bad-teacher": {"temperature": (1.0, 2.0, 4.0)},
    "scrub": {
        "msteps": (1, 2, 3, 5),
        "forget_batch_size": (32, 64, 128, 512),
        "alpha": (0.001, 0.1, 0.5),
        "temperature": (1.0, 2.0, 4.0),
    },
    "salun": {"share": (0.3, 0.5, 0.8), "alpha": (0.5, 1.0, 3.0)},
}
say = partial(print, file=sys.stderr, flush=True)  # progress, out of the way of the table


@dataclass(frozen=True)
class Case:
    """One request on one seed, its original, and what retrained models say."""

    split: Split
    model: Net
    evaluator: FrameEvaluator
    gold: list[Reading]
    seed: int

    def objective(self, config: Any, name: str) -> float:
        """Return the objective of the module docstring; infinite where the run or its result diverges."""
        run = Run(method(name, config), self.model, self.split, seed=self.seed)
        try:
            reading = self.evaluator.measure(finish(run)).reading
        except DivergedError:
            return math.inf
        gaps = [
            abs(mine - mean(getattr(g, figure) for g in self.gold))
            for figure in ACCURACIES
            if (mine := getattr(reading, figure)) is not None
        ]
        js = mean(jensen_shannon(reading.forget_probabilities, g.forget_probabilities) for g in self.gold)
        return mean(gaps) + js


def sample(dataset: Dataset, seed: int) -> Dataset:
    """Return at most SAMPLE of the training images."""
    n = len(dataset.train)
    if n <= SAMPLE:
        return dataset
    rows = torch.randperm(n, generator=seeding.generator(seed, "tune", "sample"))[:SAMPLE].sort().values
    return replace(dataset, train=dataset.train.take(rows))


def requests(task: str, classes: int, seed: int, count: int) -> list[tuple[int, ...]]:
    """Return classes to forget. In class removal ``seed`` draws ``count`` of them, each alone."""
    if task != "class":
        return [usual_classes(task, classes)]
    drawn: Tensor = torch.randperm(classes, generator=seeding.generator(seed, "tune", "classes"))[:count]
    return [(c,) for c in drawn.tolist()]


def cases(dataset: Dataset, task: str) -> list[Case]:
    """Return all requests of all seeds, with their models."""
    found = []
    small = len(dataset.train) <= SAMPLE
    for seed in SEEDS:
        data = sample(dataset, seed)
        for classes in requests(task, len(data.classes), seed, 2 if small else 1):
            split = Setup(dataset.name, task, classes, seed=seed).split(data)
            model = train(split, seed=seed)
            evaluator = FrameEvaluator(split, EvalConfig(), seed=seed, full=small)
            made = references(split, model, count=REFERENCES, seed=seed)
            gold = [evaluator.measure(r.model).reading for r in made]
            say(f"{dataset.name} {task}: seed {seed}, classes {classes}: original and {len(gold)} references")
            found.append(Case(split, model, evaluator, gold, seed))
    return found


def draw(name: str, generator: torch.Generator) -> Any:
    """Draw one candidate."""

    def pick(values: tuple[Any, ...]) -> Any:
        return values[int(torch.randint(len(values), (), generator=generator))]

    optimiser = pick(("adam", "sgd"))
    low, high = RATES[optimiser]
    at = float(torch.rand((), generator=generator))
    settings = {k: pick(v) for k, v in {**SPACE, **OWN.get(name, {})}.items()}
    settings |= {"optimiser": optimiser, "momentum": 0.9 if optimiser == "sgd" else 0.0}
    settings |= {"lr": float(f"{low * (high / low) ** at:.1e}"), "weight_decay": 0.0}
    if settings.get("msteps", 1) > settings["epochs"]:
        settings["msteps"] = settings["epochs"]
    made: Any = METHODS[name]
    return made.Config(**settings)


def capped(name: str, config: Any, split: Split) -> Any:
    """Return ``config`` with as many steps as cost no more than retraining on ``split``."""
    trained = TrainConfig.preset(split.dataset.family, split.task)
    made: Any = METHODS[name]
    size = min(config.batch_size, len(split.remain_rows))
    passes = trained.epochs * len(split.remain_rows)
    if len(split.train) == SAMPLE:
        passes = min(passes, SAMPLE_PASSES)
    most = max(1, int(passes / (size * made.passes)))
    if made(config).steps(split, config) <= most:
        return config
    return replace(config, steps=most)


def transferred(name: str, config: Any, case: Case) -> Any:
    """Return the settings found on a sample for all images: the number of steps stays."""
    made: Any = METHODS[name]
    return replace(config, steps=made(config).steps(case.split, config))


def search(name: str, found: list[Case], candidates: int) -> tuple[Any, float, float]:
    """Return the best config, its objective, and that of the paper's settings."""
    made: Any = METHODS[name]
    dataset, task = found[0].split.dataset.name, found[0].split.task
    generator = seeding.generator(0, "tune", name, dataset, task)
    tried = [made.Config(), *(draw(name, generator) for _ in range(candidates - 1))]
    scores = []
    for config in tried:
        config = capped(name, config, found[0].split)
        total = 0.0
        for case in found:
            total += case.objective(config, name) / len(found)
            if scores and total > min(s for s, _ in scores):
                break  # it cannot win any more
        scores.append((total, config))
    best = min(scores, key=lambda s: s[0])
    return best[1], best[0], scores[0][0]


def line(name: str, dataset: str, task: str, config: Any) -> str:
    """Return one entry of FOUND: the differences from the paper's settings."""
    made: Any = METHODS[name]
    usual = made.Config()
    own = {k: v for k, v in vars(config).items() if v != getattr(usual, k)}
    return f"    ({name!r}, {dataset!r}, {task!r}): {own!r},".replace("'", '"')


def untouched(found: list[Case]) -> float:
    """Return the objective of doing nothing."""
    return mean(case.objective(None, "nothing") for case in found)


def kept_preset(found: list[Case], dataset: str, task: str) -> float:
    """Return the objective of LAF's preset, which was not searched here."""
    return mean(case.objective(LAFConfig.preset(dataset, task), "laf") for case in found)


def main() -> None:
    """Read the command line, search, print."""
    parser = argparse.ArgumentParser(description="presets of the baselines by one budget")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument(
        "--task", choices=("class", "data", "noise"), nargs="+", default=["class", "data", "noise"]
    )
    parser.add_argument("--methods", choices=SEARCHED, nargs="+", default=SEARCHED)
    parser.add_argument("--candidates", type=int, help="default: 20, and 6 where a dataset is sampled")
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as in the presets
    data = load(args.dataset, data_dir=args.data_dir)
    small = len(data.train) <= SAMPLE
    candidates = args.candidates or (20 if small else 6)
    print(
        f"# {data.title}, {candidates} candidates each, seeds {SEEDS}; one thread of {machine()}", flush=True
    )
    for task in args.task:
        found = cases(data, task)
        print(
            f"    # {task}: nothing {untouched(found):.3f}, LAF's preset {kept_preset(found, data.name, task):.3f}"
        )
        for name in args.methods:
            config, score, paper = search(name, found, candidates)
            config = config if small else transferred(name, config, found[0])
            print(line(name, data.name, task, config), f" # {score:.3f}, its paper's {paper:.3f}", flush=True)
            say(f"{time.process_time():6.0f} CPU s  {data.name} {task} {name}")


if __name__ == "__main__":
    main()
