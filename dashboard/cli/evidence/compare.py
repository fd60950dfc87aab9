"""`laf compare`: several methods over several seeds, compared with retrained models, as a table or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from core.runtime.bounds import quote_value
from dashboard.cli import options
from dashboard.cli.options import clients, setup_and_dataset
from dashboard.cli.terminal import ProgressBars, target_of, write
from dashboard.presentation.text import numbers

FIRST = (
    "train_r",
    "train_f",
    "test",
    "test_r",
    "test_f",
    "clean_f",
    "js",
    "klom_f",
    "auc_learned",
    "attack_p",
    "near_r",
    "seconds",
    "steps",
)  # default columns
FORMATS = ("table", "markdown", "latex", "csv")


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `compare`; return its parser."""
    compare: argparse.ArgumentParser = commands.add_parser(
        "compare", help="several methods over several seeds, beside retrained models"
    )
    options.add(compare)
    options.add_net(compare)
    clients.add(compare)
    compare.add_argument(
        "--methods", default="all", metavar="LIST", help="names with commas between, or all (default: all)"
    )
    compare.add_argument("--seeds", default="0-2", metavar="LIST", help="0-2 or 1,5 (default: 0-2)")
    compare.add_argument(
        "--references",
        type=numbers.whole(0, 50),
        default=None,
        metavar="K",
        help="models retrained from scratch for each seed (default: 5 on digits, vectors and series, 3 elsewhere)",
    )
    compare.add_argument(
        "--workers",
        type=numbers.whole(1, numbers.WORKERS),
        default=None,
        metavar="N",
        help="threads (default: one for each core)",
    )
    compare.add_argument(
        "--full", action="store_true", help="all figures in the table, not only the first ones"
    )
    compare.add_argument(
        "--format",
        default="table",
        metavar="KIND",
        help=f"how the table is printed: {', '.join(FORMATS)} (default: table)",
    )
    options.add_common(compare, json="the result", quiet="progress and no table")
    return compare


def compare(a: argparse.Namespace) -> None:
    """Run all methods and seeds; print or write the comparison. Raises LabError if no run succeeded."""
    if a.format not in FORMATS:
        raise RequestError(f"unknown format {quote_value(a.format)}; there are: {', '.join(FORMATS)}")
    target = target_of(a.json)
    from core.experiments.comparison import Comparison, parse_methods, parse_seeds
    from core.experiments.comparison_summary import summarise
    from dashboard.presentation.export import comparison_files

    methods, seeds = parse_methods(a.methods), parse_seeds(a.seeds)
    setup, dataset = setup_and_dataset(a)
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
        _print(comparison, summary, about, dataset.title, full=a.full, kind=a.format)
    if target is not None:  # last, so that the table is printed even if the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")


def _print(
    comparison: Any, summary: Any, about: dict[str, Any], title: str, *, full: bool, kind: str
) -> None:
    """Print the table as ``kind``, and on standard error a sentence for each seed that failed.

    A table for a terminal has a heading and a legend. The other kinds are printed alone, so that a file can take them.
    """
    from dashboard.presentation.export import comparison_files

    keys = FIRST if not full else None
    if kind == "table":
        print(
            f"{title}: forget {about['forget']}, seed{'s' * (len(comparison.seeds) > 1)} {', '.join(map(str, comparison.seeds))}; "
            f"{comparison.reference_count} retrained models a seed; {comparison.seconds:.0f} s"
        )
        print(comparison_files.to_text(summary, keys))
        print(
            "*: inside the band of retrained models in every seed. ▼: doing nothing is nearer to retraining. "
            "±: standard deviation over seeds; of retrained models over all of them."
        )
    else:
        made = {
            "markdown": lambda: comparison_files.to_markdown(summary, keys),
            "latex": lambda: comparison_files.to_latex(summary, keys),
            "csv": lambda: comparison_files.to_csv(summary, keys),
        }[kind]()
        print(made, end="")
    for seed, why in comparison.errors.items():
        print(f"seed {seed}: {why}", file=sys.stderr)


def _drive(comparison: Any, bars: ProgressBars, workers: int | None) -> None:
    """Run the comparison in ``workers`` threads (default: one for each core) and show its progress."""
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
