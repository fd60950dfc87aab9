"""`laf compare`: methods over seeds, each judged against retrained models, as a table or json."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from dashboard.cli.options import classes_of, setup_of
from dashboard.cli.terminal import ProgressBars, target_of, write

FIRST = (
    "train_r",
    "train_f",
    "test",
    "test_r",
    "test_f",
    "clean_f",
    "js",
    "auc",
    "seconds",
    "steps",
)  # on a terminal


def compare(a: argparse.Namespace) -> None:
    """Play all that the options ask for; json, a table, or both. Raises LabError where nothing could be compared."""
    target = target_of(a.json)
    from core.data.registry import load
    from core.experiments.comparison import Comparison, parse_methods, parse_seeds
    from core.experiments.comparison_summary import summarise
    from dashboard.presentation.export import comparison_files

    methods, seeds = parse_methods(a.methods), parse_seeds(a.seeds)
    setup = setup_of(a)
    dataset = load(a.dataset, data_dir=a.data_dir)
    setup = replace(setup, dataset=dataset.name)
    if setup.task in ("class", "data", "noise") and setup.plant is None:
        setup = replace(setup, classes=classes_of(a, setup.task, dataset.classes))
    split = replace(setup, seed=seeds[0]).split(dataset)
    comparison = Comparison(setup, methods, seeds, references=a.references)
    bars = ProgressBars(quiet=a.quiet)
    _drive(comparison, bars, a.workers)
    bars.close()
    if comparison.error is not None and not any(c.state == "done" for c in comparison.cells.values()):
        raise comparison.error
    summary = summarise(comparison)
    about: dict[str, Any] = {
        "dataset": dataset.name,
        "task": split.task,
        "forget": split.request.describe(dataset.classes),
        "seeds": list(seeds),
        "references": comparison.reference_count,
        "seconds": comparison.seconds,
        "errors": {str(k): v for k, v in comparison.errors.items()},
    }
    result = comparison_files.to_json(summary, about)
    if a.json == "-":
        print(json.dumps(result))
        return
    if not a.quiet:
        _print(comparison, summary, about, dataset.title, full=a.full)
    if target is not None:  # last: the table stands where the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")


def _print(comparison: Any, summary: Any, about: dict[str, Any], title: str, *, full: bool) -> None:
    """Print the table, and a sentence for each seed that failed."""
    from dashboard.presentation.export import comparison_files

    print(
        f"{title}: forget {about['forget']}, seeds {', '.join(map(str, comparison.seeds))}; "
        f"{comparison.reference_count} retrained models a seed; {comparison.seconds:.0f} s"
    )
    print(comparison_files.to_markdown(summary, FIRST if not full else None))
    print(
        "Bold: inside the band of retrained models in every seed. ▼: doing nothing is nearer to retraining."
    )
    for seed, why in comparison.errors.items():
        print(f"seed {seed}: {why}", file=sys.stderr)


def _drive(comparison: Any, bars: ProgressBars, workers: int | None) -> None:
    """In as many threads as there are cores, telling how far it is."""
    import time

    from core.runtime.scheduler import Scheduler

    comparison.start(Scheduler(workers))
    total = len(comparison.cells)
    try:
        while not comparison.over:
            now = ", ".join(f"seed {s}: {what}" for s, (what, _) in sorted(comparison.progress.items()))
            bars.show("compare", comparison.done, total, now)
            time.sleep(0.1)
    except KeyboardInterrupt:
        comparison.cancel()
        raise
    bars.show("compare", comparison.done, total, "")
