"""How often a method ends inside the bands of retrained models: class removal on digits, whole datasets and data of a user's own.

python -m benchmarks.inside [DATA …] [--methods mda laf delete lfssd esc scrub] [--classes 0-9] [--seeds 0-4] [--references 3] [--data-dir DIR] [--photos ZIP]

DATA is digits, mnist, fashion_mnist, or a cut of benchmarks.automatic, such as small-6. Each class is removed alone. One original serves all
classes of a seed. Digits have every seed of --seeds, other data the seed of their cut. A run is inside a band where the 95 % interval
for one more retrained model holds its value, the same on all pages; *all* counts the runs inside in Train_f, Test_r, JS and the most common answer.
Settings are the presets; LAF's on other data than digits are the automatic ones, as in the Lab.
A method *failed* where it left more than half of D_f recognised, or lost more than LOST points of Train_r.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import mean
from typing import Any

import torch

from benchmarks.automatic import numbers
from benchmarks.automatic_cuts import UNSEEN, cut_from
from benchmarks.machine import machine
from core import Run, Split, finish, forget_classes, load
from core.config import EvalConfig, LAFConfig
from core.data import Dataset
from core.errors import DivergedError
from core.evaluation.metric_specs import metric_band
from core.evaluation.metrics import FrameEvaluator, Reading, jensen_shannon, js_between
from core.methods import METHODS, method
from core.methods.base import has_own_original, reads_of
from core.methods.laf.automatic.search import automatic
from core.models.base import Net
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runtime import seeding
from core.runtime.progress import run_to_end
from core.training.recipe import recipe

REFERENCES = 3
LOST = 10.0  # points of Train_r, after which a model counts as wrecked
FIGURES = ("train_r", "train_f", "test_r")
SEARCHED_LAF = "laf, searched"
FOUND_LAF = {"epochs": 5, "lr_ue": 0.0027, "lr_ra": 0.0039, "temperature": 13.0}  # not the Lab's preset
METHODS_SHOWN = ("mda", "laf", "delete", "lfssd", "esc", "scrub")
HEAD = (
    "| method | reads | runs | Train_r | Train_f mean / worst | Test_r | JS mean / worst | most common answer "
    "| inside: Train_f | Test_r | JS | most common answer | all | |\n|---|---|" + "---:|" * 11 + "---|"
)
say = partial(print, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Case:
    """One class on one seed, with its original and what retrained models say."""

    label: int
    seed: int
    split: Split
    model: Net
    evaluator: FrameEvaluator
    gold: tuple[Reading, ...]

    def reading(self, name: str, config: Any) -> Reading | None:
        """Return what is measured of the method's result, None where it diverges."""
        if name == SEARCHED_LAF:
            name, config = "laf", replace(LAFConfig.preset("digits", "class"), **FOUND_LAF)
        if name == "laf" and config is None and self.split.dataset.family != "digits":
            unseen = self.split.test.unlabelled()
            config = automatic(
                self.model, self.split.unlabelled(), self.split.task, seed=self.seed, unseen=unseen
            ).config
        unlearner = method(name, config)
        model = self.model
        if has_own_original(unlearner):
            model = run_to_end(original(self.split, unlearner, seed=self.seed))
        # with the case's own seed, retraining would be the first retrained model again
        seed = seeding.derive_seed(self.seed, "compared") if name == "retrain" else self.seed
        try:
            return self.evaluator.measure(finish(Run(unlearner, model, self.split, seed=seed))).reading
        except DivergedError:
            return None

    def js(self, reading: Reading) -> float:
        """Return the mean JS to the retrained models on D_f, in nats."""
        return mean(jensen_shannon(reading.forget_probabilities, g.forget_probabilities) for g in self.gold)

    def objective(self, reading: Reading | None) -> float:
        """Return the objective of the module docstring."""
        if reading is None:
            return math.inf
        gaps = [abs(getattr(reading, k) - mean(getattr(g, k) for g in self.gold)) for k in FIGURES]
        return mean(gaps) + self.js(reading)


@cache
def case(label: int, seed: int, count: int = REFERENCES) -> Case:
    """Return a case of digits; originals and retrained models come from the cache under LAF_HOME."""
    split = forget_classes(load("digits"), [label], seed=seed)
    return case_of(split, run_to_end(original(split, seed=seed)), label, seed, count)


def case_of(split: Split, model: Net, label: int, seed: int, count: int) -> Case:
    """Return the case of ``split`` with ``count`` retrained models."""
    evaluator = FrameEvaluator(split, EvalConfig(), seed=seed, full=True)
    made = references(split, model, count=count, seed=seed)
    return Case(label, seed, split, model, evaluator, tuple(evaluator.measure(r.model).reading for r in made))


def cases_of(data: str, a: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases of one dataset: all seeds of digits, the cut's seed of other data."""
    if data == "digits":
        for seed in numbers(a.seeds):
            for label in numbers(a.classes):
                yield case(label, seed, a.references)
        return
    dataset: Dataset = (
        cut_from(UNSEEN[data], a.data_dir, a.photos) if data in UNSEEN else load(data, data_dir=a.data_dir)
    )
    seed = UNSEEN[data].seed if data in UNSEEN else numbers(a.seeds)[0]
    removed = (UNSEEN[data].forget if data in UNSEEN else tuple(numbers(a.classes))) or range(
        len(dataset.classes)
    )
    config = recipe(dataset, seed=seed).config if data in UNSEEN else None
    for label in removed:
        split = forget_classes(dataset, [label])
        model = run_to_end(original(split, seed=seed, config=config))  # the same for every class
        yield case_of(split, model, label, seed, a.references)


def row(name: str, cases: Sequence[Case]) -> str:
    """Return one row of the table: means over the cases, the worst Train_f and JS, and how often all lay inside the band."""
    rows, found, diverged = [], [], 0
    for one in cases:
        reading = one.reading(name, None)
        if reading is None:
            diverged += 1
            continue
        js = one.js(reading)
        rows.append((reading.train_r, reading.train_f, reading.test_r or 0.0, js, reading.commonest_share))
        found.append(inside(one, reading, js))
    read = ", ".join(reads_of(METHODS[name.partition(",")[0]])) or "nothing"
    if not rows:
        return f"| `{name}` | {read} | 0 | failed: diverged in all |"
    columns = list(zip(*rows, strict=True))
    lost = 100 * (1 - mean(columns[0]))
    failed = "forgot nothing" if mean(columns[1]) > 0.5 else "wrecked the model" if lost > LOST else ""
    bands = " | ".join(f"{100 * mean(b):.0f}" for b in zip(*found, strict=True))
    verdict = "**failed**: " + failed if failed else f"{diverged} diverged" if diverged else ""
    return (
        f"| `{name}` | {read} | {len(rows)} | {100 * mean(columns[0]):.1f} | {100 * mean(columns[1]):.1f} / {100 * max(columns[1]):.0f} | "
        f"{100 * mean(columns[2]):.1f} | {mean(columns[3]):.3f} / {max(columns[3]):.2f} | {100 * mean(columns[4]):.0f} | {bands} | {verdict} |"
    )


def among(cases: Sequence[Case]) -> float:
    """Return the mean JS of retrained models among themselves, in nats."""
    return mean(mean(js_between([g.forget_probabilities for g in one.gold])) for one in cases)


def inside(one: Case, reading: Reading, js: float) -> tuple[bool, ...]:
    """Return whether Train_f, Test_r, JS and the most common answer lie inside the band of retrained models, and all of them."""
    gold = one.gold
    others = js_between([g.forget_probabilities for g in gold])
    n_f, n_t = len(one.split.forget_rows), int((~one.split.test_is_touched).sum())
    bands = (
        (reading.train_f, metric_band("train_f", [g.train_f for g in gold], 1 / n_f)),
        (reading.test_r, metric_band("test_r", [g.test_r for g in gold], 1 / n_t)),
        (js, metric_band("js", others)),
        (
            reading.commonest_share,
            metric_band("commonest_share", [g.commonest_share for g in gold], 1 / n_f),
        ),
    )
    found = [b is not None and bool(b.place(v or 0.0).inside) for v, b in bands]
    return (*found, all(found))


def main() -> None:
    """Print a table for each dataset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ["digits", "mnist", "fashion_mnist", *UNSEEN]
    parser.add_argument("data", nargs="*", default=["digits"], metavar="DATA")
    parser.add_argument("--methods", nargs="+", default=list(METHODS_SHOWN))
    parser.add_argument("--classes", default="0-9", help="of digits and whole datasets, as 0-9")
    parser.add_argument("--seeds", default="0-4", help="of digits; of whole datasets the first")
    parser.add_argument("--references", type=int, default=REFERENCES, metavar="N")
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw and FashionMNIST/raw")
    parser.add_argument("--photos", metavar="ZIP", help="zip of photographs in folders named by class")
    a = parser.parse_args()
    for data in a.data:
        if data not in known:
            parser.error(f"{data!r} is no data; choose among {', '.join(known)}")
    torch.set_num_threads(1)
    for data in a.data:
        cases = list(cases_of(data, a))
        print(
            f"\n{data}: {len(cases)} requests, {a.references} retrained models each, "
            f"{among(cases):.3f} nats from one another; one thread of {machine()}\n\n{HEAD}",
            flush=True,
        )
        for name in a.methods:
            print(row(name, cases), flush=True)


if __name__ == "__main__":
    main()
