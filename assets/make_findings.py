"""Write docs/findings.md and its figures from the built-in studies; run the studies that are not complete.

    make findings                                       # or: python assets/make_findings.py [--data-dir DIR] [--workers N] [--only-kept]

Every number of a study comes from its rows. --only-kept leaves out studies that are not complete instead of running them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from assets.findings.parts import PARTS  # noqa: E402
from assets.findings.sections import PICTURES, section  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from core.experiments.studies import (  # noqa: E402
    ResultsTable,
    Study,
    StudyRun,
    counts,
    joined,
    predicted,
    ready_study,
)
from dashboard.cli.study import spoken_time  # noqa: E402

BEYOND = ROOT / "assets" / "findings" / "beyond.md"  # kept by hand: figures of benchmarks, not of studies


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", default=None, help="folder of MNIST's files (default: $LAF_HOME/data)")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one for each core)")
    parser.add_argument(
        "--only-kept", action="store_true", help="run nothing; leave out what is not complete"
    )
    a = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    text, left_out = [], []
    for heading, names, measure, reading in PARTS:
        parts = []
        for name in names:
            study = replace(ready_study(name), data_dir=a.data_dir)
            rows = _rows(study, a.workers, run=not a.only_kept)
            if rows is None:
                left_out.append(name)
                continue
            parts.append(section(study, rows, measure))
        if parts:
            text.append("\n".join([f"## {heading}", "", *([reading, ""] if reading else []), *parts]))
    (ROOT / "docs" / "findings.md").write_text(_page(text, left_out))


def _rows(study: Study, workers: int | None, *, run: bool) -> list[dict[str, Any]] | None:
    """Return the rows of ``study``. An incomplete study is run first, or gives None where it must not be run."""
    table = ResultsTable(study.name)
    table.refresh()
    if counts(study, table.rows)["left"]:
        if not run:
            return None
        print(f"{study.title}: about {spoken_time(predicted(study, workers=workers).wall_s)}", flush=True)
        driven = StudyRun(study, workers=workers)
        driven.run()
        table = driven.table
    return joined(study, table.rows)


def _page(parts: Sequence[str], left_out: Sequence[str]) -> str:
    missing = (
        f"\nNot run for this page, because they take long: {', '.join(f'`{n}`' for n in left_out)}. `make findings` runs them.\n"
        if left_out
        else ""
    )
    return f"""# Findings

This page has the results of the built-in studies (docs/studies.md) on digits and MNIST. `make findings` runs the studies that are not complete and writes this page with
its figures. The command in each section runs that study alone.
{missing}
Values are means ± standard deviations over seeds. Accuracies and gaps are in %, JS in nats. **Average gap** is the mean distance of
Train_r, Train_f and Test to models retrained from scratch on the same request and seed. At 0 these three metrics show no difference. A gap smaller
than the spread of retrained models means nothing. JS compares the answers to D_f themselves. With one seed there is no
spread, so do not read small differences. No setting was chosen on the seeds that are reported here, except those of the presets, which were
found with labels (docs/presets.md).

[The end](#beyond-the-paper) is about transformers, chains of requests, clients who leave, vectors and series, and a million images.

Made on {machine()}. Seconds do not include evaluation. On a CPU they are computing time of one thread, on other devices time by the clock.

{chr(10).join(parts)}
{BEYOND.read_text()}"""


if __name__ == "__main__":
    main()
