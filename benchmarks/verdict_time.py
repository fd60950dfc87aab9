"""From request to verdict: python -m benchmarks.verdict_time [--data-dir DIR] [--photos PATH.zip]

Each row is one `laf run` in a process of its own, in a home that begins empty: CPU seconds and seconds by the clock, what
they are above the floor (`import torch` alone), and the seconds of each stage as the command reports them. "again" is the
same request a second time, with the cached models and map. A model is retrained beside the other
stages where there is a second core; "wait" is what the command then waits for it. MNIST and photos are left out where no folder or file is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import machine

STAGES = ("train", "search", "map", "vae", "unlearn", "frames", "retrain", "wait", "evaluate", "other")


@dataclass(frozen=True)
class Spent:
    """What one process took; ``stages`` are the seconds of its stages, those from the cache left out."""

    cpu_s: float
    wall_s: float
    stages: dict[str, float] = field(default_factory=dict)


def spent(argv: list[str], home: str) -> Spent:
    """Run Python with ``argv`` and return its seconds; child processes count. Raises CalledProcessError."""
    before, start = os.times(), time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        more = ["--json", report.name] if "dashboard.cli" in argv else []
        env = os.environ | {"LAF_HOME": home, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *argv, *more], check=True, env=env, stdout=subprocess.DEVNULL)
        found = json.loads(Path(report.name).read_text()) if more else {}
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    apart = ["total", *found.get("from_cache", [])]
    stages = {k: v for k, v in found.get("seconds", {}).items() if k not in apart}
    return Spent(cpu, time.perf_counter() - start, stages)


def row(title: str, s: Spent, floor: Spent) -> str:
    """Return one line of the table."""
    stages = " | ".join(f"{s.stages[k]:.1f}" if s.stages.get(k, 0) >= 0.05 else "–" for k in STAGES)
    return f"| {title} | {s.cpu_s:.1f} | {s.wall_s:.1f} | {s.cpu_s - floor.cpu_s:.1f} | {stages} |"


def requests(data_dir: str | None, photos: str | None) -> dict[str, list[str]]:
    """Return the words of each `laf run` by its title."""
    found = {"digits": [], "digits, --save": ["--save"], "digits, class 3": ["--classes", "3"]}
    found["digits, class 3, --save, again"] = ["--classes", "3", "--save"]
    if photos is not None:
        found |= {f"{Path(photos).name}{more}": ["--dataset", photos] for more in ("", ", again")}
    if data_dir is not None:
        found |= {f"MNIST{more}": ["--dataset", "mnist", "--data-dir", data_dir] for more in ("", ", again")}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    parser.add_argument(
        "--photos", metavar="PATH", help="a zip of class folders, for a run on uploaded images"
    )
    a = parser.parse_args()
    print(f"{machine()}\n")
    print(f"| request | CPU s | by the clock, s | CPU s above the floor | {' | '.join(STAGES)} |")
    print("|---|" + "---:|" * (3 + len(STAGES)), flush=True)
    with tempfile.TemporaryDirectory() as home:
        floor = spent(["-c", "import torch"], home)
        print(row("the floor: import torch", floor, floor), flush=True)
        for title, words in requests(a.data_dir, a.photos).items():
            print(
                row(title, spent(["-m", "dashboard.cli", "run", "--quiet", *words], home), floor), flush=True
            )


if __name__ == "__main__":
    main()
