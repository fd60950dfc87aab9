"""Write docs/findings.md and its figures from the ready studies; run the studies that are not complete.

    make findings                                       # or: python assets/make_findings.py [--data-dir DIR] [--workers N] [--only-kept]

Nothing in the text is typed by hand that a study decides. --only-kept leaves out studies that are not complete instead of running them.
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
        f"\nNot run for this page, since their time did not suffice: {', '.join(f'`{n}`' for n in left_out)}. `make findings` runs them.\n"
        if left_out
        else ""
    )
    return f"""# Findings

What the ready studies (docs/studies.md) come to on digits and MNIST. `make findings` runs what is not kept yet and writes this page, its
figures and every number in it; each section's command runs its study alone.
{missing}
How to read it: means ± standard deviation over seeds. Accuracies and gaps are in %, JS in nats. **Average gap** is the mean distance of
Train_r, Train_f and Test to models retrained from scratch on the same request and seed: 0 is indistinguishable by these three, and less
than about the retrained models' own spread means nothing. JS is the distance on D_f of the answers themselves. With one seed there is no
spread, and a small difference is none. Nothing here was chosen on the seeds it is reported on, but for the presets' settings, which were
found with labels (docs/presets.md).

Transformers, chains of requests, clients who leave, vectors and series, and a million images stand at [the end](#beyond-the-paper).

Made on {machine()}. Seconds are without evaluation: of one thread's own time on a CPU, by the clock on other devices.

{chr(10).join(parts)}
{BEYOND.read_text()}"""


if __name__ == "__main__":
    main()
