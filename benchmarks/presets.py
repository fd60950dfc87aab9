"""The report behind docs/presets.md: the presets of core/config.py against retraining, as a Markdown table.

python -m benchmarks.presets [--dataset digits|mnist] [--task class|data] [--classes 0-9] [--seeds 0-2] [--tune]

The presets were chosen by ``--tune``, with labels and retrained models at hand, on other seeds than those reported here.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from statistics import mean, stdev

import torch

from core import LAF, METHODS, LAFConfig, Run, Split, VAEConfig, finish, forget_classes, forget_fraction, load, train
from core.config import TASKS
from core.metrics import Evaluator, Reading, jensen_shannon
from core.models import Net

FRACTION = 0.4  # of each class in data removal, as in the paper
ROWS = {"original": "original = do nothing", "retrained": "retrained", "laf": "LAF"}
ACCURACIES = ("train_r", "train_f", "test", "test_r", "test_f")
DIGITS, MNIST = (LAFConfig.preset(name, "class").vae for name in ("digits", "mnist"))


def _digits_class() -> list[LAFConfig]:
    settings = product((14, 20), (2.5e-4, 5e-4, 1e-3), (3e-3, 6e-3), (10, 20), ("linear", "sigmoid"))
    return [LAFConfig(e, ue, ra, t, vae=replace(DIGITS, output=out)) for e, ue, ra, t, out in settings]


def _digits_data() -> list[LAFConfig]:
    settings = product((4, 8), (1e-3, 2e-3, 4e-3), (2, 4), (5, 20))
    return [LAFConfig(e, ue, ue * ratio, t, vae=DIGITS) for e, ue, ratio, t in settings]


def _mnist(task: str) -> list[LAFConfig]:
    settings = product((5e-5, 1e-4, 2e-4), (2, 4), (5, 20), (32, 64))
    return [LAFConfig(1, ue, ue * ratio, t, batch_size=b, vae=MNIST) for ue, ratio, t, b in settings]


GRIDS = {
    ("digits", "class"): _digits_class,
    ("digits", "data"): _digits_data,
    ("mnist", "class"): lambda: _mnist("class"),
    ("mnist", "data"): lambda: _mnist("data"),
}


@dataclass
class Measured:
    """One model on one split: what was read off it, and how long it took to make, by stage."""

    reading: Reading
    js: float | None  # mean nats on D_f to the models retrained with other seeds
    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0


@dataclass(frozen=True)
class Bench:
    """Everything of one (dataset, task) that LAF is compared with, computed once per process."""

    dataset: str
    task: str
    seeds: tuple[int, ...]
    references: int
    data_dir: str | None

    def split(self, classes: tuple[int, ...], seed: int) -> Split:
        """Class removal draws nothing, so all seeds share its split, and with it the retrained models."""
        data = load(self.dataset, data_dir=self.data_dir)
        if self.task == "class":
            return forget_classes(data, classes)
        return forget_fraction(data, classes, FRACTION, seed=seed)

    @cache  # noqa: B019 - as long as the process
    def original(self, seed: int) -> tuple[Net, float]:
        """g_D and the seconds it took. One for all splits of a seed, since D is the same."""
        say(f"original, seed {seed}")
        start = time.perf_counter()
        return train(self.split((0,), seed), seed=seed), time.perf_counter() - start

    @cache  # noqa: B019
    def retrained(self, classes: tuple[int, ...], split_seed: int | None, seed: int) -> tuple[Reading, float]:
        """The reading of a model retrained with ``seed`` (weights and batches) on the split of ``split_seed``."""
        say(f"retrained, classes {classes}, seed {seed}")
        split = self.split(classes, split_seed or 0)
        run = Run(METHODS["retrain"](), self.original(seed)[0], split, seed=seed)
        model = finish(run)
        return Evaluator(split, full=True).measure(model).reading, run.seconds["retrain"]

    def others(self, classes: tuple[int, ...], seed: int) -> list[Reading]:
        """Models retrained on the split of ``seed`` with other seeds: nobody may share initial weights with his yardstick."""
        at = self.seeds.index(seed)
        wanted = (self.seeds[at + 1 :] + self.seeds[:at])[: self.references - 1]
        return [self.retrained(classes, self._split_seed(seed), other)[0] for other in wanted]

    def _split_seed(self, seed: int) -> int | None:
        return None if self.task == "class" else seed

    def measured(self, reading: Reading, classes: tuple[int, ...], seed: int, **rest: object) -> Measured:
        """``reading`` beside the other seeds' retrained models."""
        p = reading.forget_probabilities
        js = [jensen_shannon(p, r.forget_probabilities) for r in self.others(classes, seed)]
        return Measured(reading, mean(js) if js else None, **rest)  # type: ignore[arg-type]

    def baseline(self, classes: tuple[int, ...], seed: int) -> dict[str, Measured]:
        """The rows that do not depend on LAF."""
        model, seconds = self.original(seed)
        reading = Evaluator(self.split(classes, seed), full=True).measure(model).reading
        gold, gold_s = self.retrained(classes, self._split_seed(seed), seed)
        return {
            "original": self.measured(reading, classes, seed, seconds={"train": seconds}),
            "retrained": self.measured(gold, classes, seed, seconds={"train": gold_s}),
        }

    def laf(self, classes: tuple[int, ...], seed: int, config: LAFConfig) -> Measured:
        """One LAF run to its end."""
        split = self.split(classes, seed)
        run = Run(LAF(config), self.original(seed)[0], split, seed=seed)
        reading = Evaluator(split, full=True).measure(finish(run)).reading
        seconds = {"vae": run.seconds["vae"] + run.seconds["vae_f"], "unlearn": run.seconds["unlearn"]}
        return self.measured(reading, classes, seed, seconds=seconds, steps=len(run.steps))


Cases = dict[tuple[tuple[int, ...], int], dict[str, Measured]]  # (classes, seed) -> row name -> what was measured


def report(bench: Bench, requests: list[tuple[int, ...]], config: LAFConfig) -> Cases:
    """Every request with every seed."""
    cases: Cases = {}
    for classes, seed in product(requests, bench.seeds):
        cases[classes, seed] = bench.baseline(classes, seed)
        say(f"LAF, classes {classes}, seed {seed}")
        cases[classes, seed]["laf"] = bench.laf(classes, seed, config)
    return cases


def read(one: Measured, name: str) -> float | None:
    """One figure of one model by its name; accuracies and shares in percent."""
    if name in ACCURACIES or name == "commonest_share":
        value = getattr(one.reading, name)
        return None if value is None else 100 * value
    if name == "js":
        return one.js
    if name.startswith("auc"):
        return getattr(one.reading.attack, name)
    return one.seconds.get(name)


def average(cases: Cases, row: str, name: str) -> float | None:
    """Mean over requests and seeds; None where nothing was measured."""
    values = [v for case in cases.values() if (v := read(case[row], name)) is not None]
    return mean(values) if values else None


def spread(cases: Cases, row: str, name: str) -> float | None:
    """Standard deviation over seeds of the mean over requests."""
    seeds = sorted({seed for _, seed in cases})
    means = [average({k: v for k, v in cases.items() if k[1] == seed}, row, name) for seed in seeds]
    known = [m for m in means if m is not None]
    return stdev(known) if len(known) > 1 else None


def table(cases: Cases) -> str:
    """One line a model: mean ± spread over seeds, and the largest Train_f of a single run."""
    head = ["", "Train_r", "Train_f", "worst", "Test", "Test_r", "Test_f", "commonest answer", "JS to retrained"]
    lines = [[*head, "attack AUC (95 %)", "train s", "VAE s", "unlearn s"]]
    for row, title in ROWS.items():
        def cell(name: str, digits: int = 1, row: str = row) -> str:
            return show(average(cases, row, name), digits, spread(cases, row, name))

        low, high = (show(average(cases, row, n), 2) for n in ("auc_low", "auc_high"))
        worst = max(read(case[row], "train_f") or 0.0 for case in cases.values())
        line = [title, cell("train_r"), cell("train_f"), f"{worst:.1f}", *(cell(n) for n in ACCURACIES[2:])]
        line += [cell("commonest_share"), cell("js", 3), f"{show(average(cases, row, 'auc'), 2)} ({low}–{high})"]
        lines.append([*line, *(show(average(cases, row, n), 2) for n in ("train", "vae", "unlearn"))])
    return markdown(lines)


def by_class(cases: Cases) -> str:
    """Class removal, class by class: does the preset hold for each of them?"""
    lines = [["class", "LAF Train_f", "worst", "Test_r: LAF", "retrained", "commonest: LAF", "retrained", "JS: LAF", "retrained"]]
    for classes in sorted({classes for classes, _ in cases}):
        mine = {k: v for k, v in cases.items() if k[0] == classes}
        worst = max(read(case["laf"], "train_f") or 0.0 for case in mine.values())
        line = [", ".join(map(str, classes)), show(average(mine, "laf", "train_f"), 1), f"{worst:.1f}"]
        for name, digits in (("test_r", 1), ("commonest_share", 1), ("js", 3)):
            line += [show(average(mine, row, name), digits) for row in ("laf", "retrained")]
        lines.append(line)
    return markdown(lines)


def nearer_by_doing_nothing(cases: Cases) -> str:
    """The figures in which the untouched original is nearer to retraining than LAF is."""
    names = {n: n.capitalize() for n in ACCURACIES} | {"commonest_share": "commonest answer", "js": "JS", "auc": "attack AUC"}
    said = []
    for name, title in names.items():
        original, gold, laf = (average(cases, row, name) for row in ROWS)
        if original is not None and gold is not None and laf is not None and abs(original - gold) < abs(laf - gold):
            said.append(f"{title} ({original:.3g} against {laf:.3g}, retrained {gold:.3g})")
    return "Doing nothing is nearer to retraining than LAF in: " + (", ".join(said) or "nothing") + "."


def tune(bench: Bench, requests: list[tuple[int, ...]]) -> str:
    """The grid, ranked: the mean distance of Train_r, Train_f and Test_r (or Test) to the retrained ones, then JS."""
    base = report_baselines = {(c, s): bench.baseline(c, s) for c, s in product(requests, bench.seeds)}
    names = ("train_r", "train_f", "test_r" if bench.task == "class" else "test")
    ranked = []
    for number, config in enumerate(grid := GRIDS[bench.dataset, bench.task]()):
        say(f"setting {number + 1} of {len(grid)}")
        cases = {k: {**v, "laf": bench.laf(*k, config)} for k, v in base.items()}
        gaps = [abs((average(cases, "laf", n) or 0) - (average(cases, "retrained", n) or 0)) for n in names]
        worst = max(read(case["laf"], "train_f") or 0.0 for case in cases.values())
        figures = [show(average(cases, "laf", n), 1) for n in (*names, "commonest_share")]
        line = [f"{config.epochs}, {config.lr_ue:g}, {config.lr_ra:g}, {config.temperature:g}, {config.batch_size}, {config.vae.output}"]
        ranked.append((max(gaps), [*line, *figures, f"{worst:.1f}", show(average(cases, "laf", "js"), 3), f"{max(gaps):.1f}"]))
    head = ["epochs, lr_UE, lr_RA, τ, batch, decoder", *(n.capitalize() for n in names), "commonest", "worst Train_f", "JS", "largest gap"]
    return markdown([head, *(line for _, line in sorted(ranked, key=lambda pair: pair[0]))])


def show(value: float | None, digits: int, plus_minus: float | None = None) -> str:
    """A figure, or a dash where there is none."""
    text = "–" if value is None else f"{value:.{digits}f}"
    return text if plus_minus is None else f"{text} ± {plus_minus:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is its head."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def numbers(text: str) -> tuple[int, ...]:
    """"0-2,5" -> (0, 1, 2, 5)."""
    parts = [part.split("-") for part in text.split(",")]
    return tuple(n for part in parts for n in range(int(part[0]), int(part[-1]) + 1))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    pass
