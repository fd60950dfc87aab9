"""Every method in one table: python -m benchmarks.summary [--dataset digits] [--data-dir DIR] [--seed 0] [--methods all]

Class removal of class 0 by the presets: LAF exact and fast, the plain loop of benchmarks/plain_loop.py (LAF from its
formulas, without optimisation), each other method, and retraining. CPU seconds of one thread for the method alone; the
original is given. Each runs in a fork of one process, so its peak memory counts no other method's; the peak of a fork
that only evaluates the original is taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.plain_loop import plain_laf
from core import LAF, LAFConfig, Run, Split, evaluate, finish, forget_classes, load
from core.errors import LabError
from core.methods import METHODS, preset_of
from core.methods.base import has_own_original
from core.methods.laf.fast import fast
from core.models.base import Net
from core.runs.original_models import original
from core.runtime.progress import run_to_end

NAMES = ("train_r", "train_f", "test", "test_r")


def plain(model: Net, split: Split, seed: int) -> Any:
    """Return the model of the plain loop with LAF's settings."""
    return plain_laf(model, split, LAFConfig.preset(split.dataset.family, split.task), seed=seed).model


def with_method(name: str, model: Net, split: Split, seed: int, config: Any = None) -> Net:
    """Return the model that the method ``name`` leaves, with the preset unless ``config`` is given."""
    chosen = config or preset_of(name, split)
    return finish(Run(METHODS[name](chosen), model, split, seed=seed))


def ways(split: Split, names: list[str], seed: int) -> dict[str, Callable[[Net], Any]]:
    """Return each way to a model by its title."""
    found: dict[str, Callable[[Net], Any]] = {
        "LAF, exact": partial(with_method, "laf", split=split, seed=seed),
        "LAF, plain loop": partial(plain, split=split, seed=seed),
    }
    family = split.dataset.family
    quick = fast(LAFConfig.preset(family, split.task), family, split.task)
    found["LAF, fast"] = lambda model: finish(Run(LAF(quick), model, split, seed=seed))
    return found | {
        name: partial(with_method, name, split=split, seed=seed) for name in names if name != "laf"
    }


def in_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` returns in a child process, with its peak memory in MB."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = json.dumps(work())
        except LabError as error:
            said = json.dumps({"error": str(error)})
        with os.fdopen(writing, "w") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, _, used = os.wait4(child, 0)
    found: dict[str, Any] = json.loads(said or '{"error": "the process died"}')
    return {**found, "mb": used.ru_maxrss * 1024 / 1e6}


def measured(way: Callable[[Net], Any], model: Net, split: Split) -> dict[str, Any]:
    """Return the CPU seconds of one way and the accuracies of its model."""
    start = time.process_time()
    done = way(model)
    seconds = time.process_time() - start
    report = evaluate(done, split)
    return {"seconds": seconds, **{name: getattr(report, name) for name in NAMES}}


def row(title: str, found: dict[str, Any], retraining_s: float | None, floor_mb: float) -> str:
    """Return one line of the table."""
    if "error" in found:
        return f"| {title} | {found['error']} |" + " |" * 6
    of = "–" if not retraining_s else f"{found['seconds'] / retraining_s:.2f}"
    cells = [f"{100 * (found[name] or 0):.1f}" for name in NAMES]
    return f"| {title} | {found['seconds']:.2f} | {of} | {max(0.0, found['mb'] - floor_mb):,.0f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", default="all", help="names with commas")
    a = parser.parse_args()
    torch.set_num_threads(1)
    split = forget_classes(load(a.dataset, data_dir=a.data_dir), [0], seed=a.seed)
    names = list(METHODS) if a.methods == "all" else a.methods.split(",")
    own = [name for name in names if has_own_original(METHODS[name]())]  # these need an original of their own
    model = run_to_end(original(split, seed=a.seed))
    print(f"{split.dataset.title}, class 0, seed {a.seed}; one thread of {machine()}\n")
    print(
        "| method | CPU s | of retraining | MB | Train_r | Train_f | Test | Test_r |\n|---|" + "---:|" * 7,
        flush=True,
    )
    alone = in_fork(partial(measured, lambda m: m, model, split))
    floor = alone["mb"]
    print(row("original", alone, None, floor), flush=True)
    todo = ways(split, [name for name in names if name not in own], a.seed)
    retraining_s = None
    if "retrain" in todo:
        first = in_fork(partial(measured, todo.pop("retrain"), model, split))
        retraining_s = first.get("seconds")
        print(row("retrain", first, retraining_s, floor), flush=True)
    for title, way in todo.items():
        print(row(title, in_fork(partial(measured, way, model, split)), retraining_s, floor), flush=True)
    if own:
        print(f"\nNot here, since each trains an original of its own: {', '.join(own)}.")


if __name__ == "__main__":
    main()
