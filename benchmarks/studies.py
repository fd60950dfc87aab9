"""A study of many runs on digits: two processes against one, and its predicted time against what it took.

    python -m benchmarks.studies [--runs 100] [--workers 2]

Everything is made anew in a home of its own; models are trained before the clocks of both ways start, since they share them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAF_HOME"] = folder
        measure(a.runs, a.workers)


def measure(runs: int, workers: int) -> None:
    """Predict, run on several workers, forget the rows, run on one."""
    from core.experiments.studies import ResultsTable, Study, StudyRun, counts, parse_study, predicted

    def study(name: str, low: int, count: int) -> Study:
        return parse_study(
            f"references = 2\n[grid]\ntemperature = {{low = {low}.0, high = {low + 9}.0, count = {count}}}\n",
            name,
        )

    models = study("models", 50, 2)
    StudyRun(models, workers=1).run()  # original and retrained models are on the shelf from here on
    ways = []
    for count, name in ((workers, "many"), (1, "one")):
        part = study(name, 5 if count > 1 else 25, runs)  # other temperatures: nothing is taken over
        began = time.perf_counter()
        found = predicted(part, workers=count)
        probe_s = time.perf_counter() - began
        driven = StudyRun(part, workers=count)
        driven.run()
        table = ResultsTable(name)
        table.refresh()
        assert counts(part, table.rows)["done"] == runs, "not all runs are done"
        rate = runs / driven.seconds
        off = 100 * (found.wall_s / driven.seconds - 1)
        print(
            f"{count} process{'es' * (count > 1)}: {runs} runs in {driven.seconds:.1f} s, {rate:.2f} a second; "
            f"predicted {found.wall_s:.1f} s ({off:+.0f} %, measured in {probe_s:.1f} s)"
        )
        ways.append(rate)
    print(f"{workers} processes against one: {ways[0] / ways[1]:.2f} times the throughput")
    size = sum(f.stat().st_size for f in Path(os.environ["LAF_HOME"]).glob("studies/*/rows.jsonl"))
    print(f"{size / (2 * runs + 2):,.0f} bytes a row")


if __name__ == "__main__":
    main()
