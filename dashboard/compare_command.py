"""`laf compare`: methods over seeds, each judged against retrained models, as a table or json."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import LabError, RequestError
from dashboard.request_options import classes_of, setup_of
from dashboard.terminal import Bars, require_writable, write

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
    target = None if a.json in (None, "-") else Path(a.json).expanduser()
    if target is not None:
        require_writable(target)
    from core.compare import Comparison, which_methods, which_seeds
    from core.data.datasets import load
    from core.summary import summarise
    from dashboard import export

    methods, seeds = which_methods(a.methods), which_seeds(a.seeds)
    if a.references is not None and not 0 <= a.references <= 50:
        raise RequestError(f"--references must lie between 0 and 50, got {a.references}")
    setup = setup_of(a)
    dataset = load(a.dataset, data_dir=a.data_dir)
    setup = replace(setup, dataset=dataset.name)
    if setup.task in ("class", "data", "noise") and setup.plant is None:
        setup = replace(setup, classes=classes_of(a, setup.task, dataset.classes))
    split = replace(setup, seed=seeds[0]).split(dataset)
    comparison = Comparison(setup, methods, seeds, references=a.references)
    bars = Bars(quiet=a.quiet)
    _drive(comparison, bars, a.workers)
    bars.close()
    if comparison.errors and not comparison.done:
        raise LabError(next(iter(comparison.errors.values())))
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
    result = export.to_json(summary, about)
    if a.json == "-":
        print(json.dumps(result))
        return
    if target is not None:
        write(target, json.dumps(result, indent=1) + "\n")
    if a.quiet:
        return
    print(
        f"{dataset.title}: forget {about['forget']}, seeds {', '.join(map(str, seeds))}; "
        f"{comparison.reference_count} retrained models a seed; {comparison.seconds:.0f} s"
    )
    print(export.to_markdown(summary, FIRST if not a.full else None))
    print(
        "Bold: inside the band of retrained models in every seed. ▼: doing nothing is nearer to retraining."
    )
    for seed, why in comparison.errors.items():
        print(f"seed {seed}: {why}", file=sys.stderr)


def _drive(comparison: Any, bars: Bars, workers: int | None) -> None:
    """In as many threads as there are cores, telling how far it is."""
    import time

    from core.runner import Runner

    comparison.start(Runner(workers))
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
