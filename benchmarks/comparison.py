"""The tables behind docs/comparison.md: all methods on digits and MNIST, three tasks, and where doing nothing is nearer to retraining.

python -m benchmarks.comparison [--dataset digits mnist] [--task class data noise] [--methods all] [--seeds 0-2] [--mnist-seeds 0] [--data-dir DIR]

Settings were chosen by benchmarks.tune on other seeds; LAF's are those of docs/presets.md.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.machine import machine
from core.config import TASKS
from core.data.registry import load
from core.experiments.comparison import Comparison, parse_methods, parse_seeds
from core.experiments.comparison_summary import Summary, summarise
from core.runs.setup import Setup, usual_classes
from core.runtime.scheduler import Scheduler
from dashboard.presentation.export import comparison_files

TABLE = (
    "train_r",
    "train_f",
    "test",
    "test_r",
    "test_f",
    "clean_f",
    "js",
    "commonest_share",
    "auc_learned",
    "cka_retrained",
    "relearn",
    "average_gap",
    "seconds",
    "steps",
)
REFERENCES = {"digits": 5, "mnist": 2}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", nargs="+", default=["digits", "mnist"])
    parser.add_argument("--task", nargs="+", default=["class", "data", "noise"])
    parser.add_argument("--methods", default="all")
    parser.add_argument("--seeds", default="0-2", help="of digits")
    parser.add_argument("--mnist-seeds", default="0", help="of anything larger")
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--workers", type=int, default=None)
    a = parser.parse_args()
    for dataset in a.dataset:
        for task in a.task:
            seeds = parse_seeds(a.seeds if dataset == "digits" else a.mnist_seeds)
            classes = usual_classes(task, len(load(dataset, data_dir=a.data_dir).classes))
            setup = Setup(dataset, task, classes, data_dir=a.data_dir, device="cpu")
            start = time.perf_counter()
            comparison = Comparison(
                setup, parse_methods(a.methods), seeds, references=REFERENCES.get(dataset, 3)
            )
            _drive(comparison, a.workers)
            _report(comparison, time.perf_counter() - start)


def _drive(comparison: Comparison, workers: int | None) -> None:
    comparison.start(Scheduler(workers))
    told = -1
    try:
        while not comparison.over:
            if comparison.done != told:
                told = comparison.done
                print(
                    f"{comparison.setup.dataset} {comparison.setup.task}: {told} of {len(comparison.cells)}",
                    file=sys.stderr,
                )
            time.sleep(0.2)
    except KeyboardInterrupt:  # what is done is printed; the rest is kept for the next time
        comparison.cancel()
    for seed, why in comparison.errors.items():
        raise SystemExit(f"seed {seed}: {why}")


def _report(comparison: Comparison, seconds: float) -> None:
    summary = summarise(comparison)
    split = comparison.split
    assert split is not None
    title = f"{split.dataset.title}, {TASKS[split.task]}"
    seeds = ", ".join(map(str, comparison.seeds))
    print(
        f"### {title}\n\nForget {split.request.describe(split.dataset.classes)} ({len(split.forget_rows):,} of {len(split.train):,} images); "
        f"seeds {seeds}, {comparison.reference_count} retrained models each; {machine()}. {seconds:.0f} s in all{_stopped(comparison)}.\n"
    )
    print(comparison_files.to_markdown(summary, TABLE))
    print(_lost(summary))


def _stopped(comparison: Comparison) -> str:
    return f", stopped after {comparison.done} of {len(comparison.cells)}" if comparison.cancelled else ""


def _lost(summary: Summary) -> str:
    """Say where each method loses to doing nothing."""
    lines = ["Of these figures, doing nothing is nearer to the retrained models than:\n"]
    for line in summary.lines:
        if line.method in ("references", "nothing"):
            continue
        lost = [k for k in summary.lost_to_nothing()[line.method] if k in TABLE]
        names = "; ".join(comparison_files.name_of(summary.columns[k]) for k in lost)
        lines.append(f"- {line.title}: in {names}" if lost else f"- {line.title}: nowhere")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
