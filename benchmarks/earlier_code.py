"""From request to verdict by this code and by an earlier one: python -m benchmarks.earlier_code --data-dir DIR --earlier FOLDER

MNIST, class 0 by the preset, with three retrained models: original, LAF, retraining, and every model measured on all images. FOLDER is
a checkout of earlier code, such as ``git worktree add FOLDER COMMIT``. Each way is a process of its own in an empty home, one after
the other; CPU seconds of all its threads count, since other programs may hold the cores. ``--count`` retrains more or fewer models.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

STAGES = ("imports and data", "original", "LAF", "retraining", "evaluation")
# run in the checkout: only names that both have, besides the one that is tried
WORK = """
import json, sys, time
marks = [(0.0, time.perf_counter())]
def mark():
    marks.append((time.process_time(), time.perf_counter()))
import torch
from core import LAF, LAFConfig, Run, evaluate, finish, forget_classes, load
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runtime.progress import run_to_end
torch.set_num_threads(1)
split = forget_classes(load("mnist", data_dir=sys.argv[1]), [0])
mark()
model = run_to_end(original(split), None)
mark()
unlearned = finish(Run(LAF(LAFConfig.preset("mnist", "class")), model, split))
mark()
retrained = [r.model for r in references(split, model, count=int(sys.argv[2]))]
mark()
named = {"original": model, "unlearned": unlearned} | {f"retrained {i}": m for i, m in enumerate(retrained)}
gold = [name for name in named if name.startswith("retrained")]
try:
    from core.evaluation.measuring.on_all_images import OnAllImages
except ImportError:
    reports = {name: evaluate(m, split, references=retrained) for name, m in named.items()}
else:
    measured = OnAllImages(split)
    for name, m in named.items():
        measured.add(name, m, keep=name != "unlearned")
    reports = measured.reports(*gold)
mark()
values = {name: [r.train_f, r.test_r, r.js] for name, r in reports.items()}
print(json.dumps({"marks": marks, "reports": values}))
"""


def spent(folder: Path, data: str, count: int) -> dict[str, Any]:
    """Return the marks and the reports of one way. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"LAF_HOME": home, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
        argv = [sys.executable, "-c", WORK, data, str(count)]
        done = subprocess.run(argv, check=True, env=env, cwd=folder, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(title: str, found: dict[str, Any]) -> str:
    """Return one line of the table: CPU seconds by stage and in all, seconds by the clock, and accuracies in percent."""
    cpu, wall = zip(*found["marks"], strict=True)
    stages = [after - before for before, after in itertools.pairwise(cpu)]
    reports = found["reports"]
    gold = [values for name, values in reports.items() if name.startswith("retrained")]
    mean = [sum(values[i] for values in gold) / len(gold) for i in (0, 1)]
    cells = [f"{s:.1f}" for s in stages] + [f"{cpu[-1]:.1f}", f"{wall[-1] - wall[0]:.0f}"]
    cells += [
        f"{100 * train_f:.2f}, {100 * test_r:.2f}" for train_f, test_r in (reports["unlearned"][:2], mean)
    ]
    return f"| {title} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", metavar="DIR", required=True, help="folder that holds MNIST")
    parser.add_argument("--earlier", metavar="FOLDER", required=True, help="checkout of earlier code")
    parser.add_argument("--count", type=int, default=3, help="retrained models")
    a = parser.parse_args()
    heads = [*STAGES, "in all", "by the clock", "LAF: Train_f, Test_r", "retrained: Train_f, Test_r"]
    print(
        f"CPU seconds, {machine()}\n\n| code | {' | '.join(heads)} |\n|---|" + "---:|" * len(heads),
        flush=True,
    )
    data = str(Path(a.data_dir).resolve())
    found = {}
    for title, folder in (("earlier", Path(a.earlier)), ("this", Path(__file__).parents[1])):
        found[title] = spent(folder.resolve(), data, a.count)
        print(row(title, found[title]), flush=True)
    before, now = (found[title]["marks"][-1][0] for title in ("earlier", "this"))
    print(f"\nThis code takes {now / before:.2f} of the earlier code's CPU seconds.")


if __name__ == "__main__":
    main()
