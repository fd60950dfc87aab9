"""`laf judge`: evaluate finished models from their files, as a table or JSON."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from dashboard.cli import options
from dashboard.cli.options import setup_and_dataset
from dashboard.cli.terminal import ProgressBars, path_of, target_of, write
from dashboard.presentation.text import numbers


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `judge`; return its parser."""
    judge: argparse.ArgumentParser = commands.add_parser(
        "judge", help="evaluate finished models, from their files"
    )
    judge.add_argument(
        "--original", required=True, metavar="FILE", help="weights before unlearning, as safetensors"
    )
    judge.add_argument("--unlearned", required=True, metavar="FILE", help="weights after it")
    judge.add_argument(
        "--retrained",
        nargs="+",
        default=[],
        metavar="FILE",
        help="weights of models retrained from scratch without the forgotten images",
    )
    judge.add_argument(
        "--arch", required=True, metavar="NAME", help="torchvision's name of the net, or the Lab's"
    )
    judge.add_argument(
        "--layer", default="", metavar="NAME", help="the layer whose output is the representation"
    )
    judge.add_argument(
        "--resize",
        type=numbers.whole(1, numbers.PIXELS),
        default=None,
        metavar="N",
        help="scale images to NxN pixels",
    )
    options.add(judge)
    options.add_common(
        judge,
        seed="draws the images to forget, and those to attack",
        json="the result",
        quiet="progress and no table",
    )
    return judge


def judge(a: argparse.Namespace) -> None:
    """Evaluate the files; print or write the report. Raises LabError."""
    target = target_of(a.json)
    from core.evaluation.checkpoint_files import (
        CheckpointFiles,
        describe,
        evaluate_checkpoints,
        require_files,
    )
    from core.runtime.device import pick_device
    from core.runtime.progress import run_to_end

    paths = [path_of(p) for p in (a.original, a.unlearned, *a.retrained)]
    files = CheckpointFiles(a.arch, paths[0], paths[1], tuple(paths[2:]), a.layer, a.resize)
    require_files(files)
    setup, dataset = setup_and_dataset(a)
    split = setup.split(dataset)
    bars = ProgressBars(quiet=a.quiet)
    found = run_to_end(
        evaluate_checkpoints(split, files, seed=a.seed, device=str(pick_device(a.device))), bars
    )
    bars.close()
    what = split.request.describe(dataset.classes)
    result = {
        "dataset": dataset.name,
        "task": split.task,
        "forget": what,
        "n_forget": len(split.forget_rows),
        "seed": a.seed,
        "about": describe(files),
        "unlearned": found.unlearned.as_dict(),
        "original": found.original.as_dict(),
        "retrained": [one.as_dict() for one in found.retrained],
    }
    if a.json == "-":
        print(json.dumps(result))
    elif not a.quiet:
        print(f"{dataset.title}: forget {what}. {describe(files)}")
        print(table(found))
    if target is not None:  # last, so that the table is printed even if the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")


def table(found: Any) -> str:
    """Return each figure of the unlearned model beside the original's and the retrained models' band."""
    lines = [f"{'':24}{'original':>12}{'unlearned':>12}   retrained"]
    for key, figure in found.unlearned.figures.items():
        if key in ("seconds", "peak_memory_mb"):
            continue
        before = found.original.figures[key]
        cells = "".join(f"{show(f.value, f):>12}" for f in (before, figure))
        lines.append(f"{figure.label:24}{cells}   {_beside(figure)}".rstrip())
    for attack in found.unlearned.attacks.values():
        if attack.power is not None:
            lines.append(
                f"{attack.title}: AUC {attack.auc:.2f} [{attack.low:.2f}, {attack.high:.2f}]. {attack.power.sentence}"
            )
    if found.unlearned.strongest is not None:
        lines.append(found.unlearned.strongest.sentence)
    if found.unlearned.per_image is not None:
        lines.append(found.unlearned.per_image.sentence)
    return "\n".join(lines)


def _beside(figure: Any) -> str:
    band, place = figure.band, figure.place
    if figure.value is None:
        return str(figure.why or "")
    if band is None or place is None:
        return ""
    if place.inside is None:
        return show(band.mean, figure)
    return f"{show(band.low, figure)} to {show(band.high, figure)}: {'inside' if place.inside else 'outside'}"


def show(value: float | None, figure: Any) -> str:
    """Return ``value`` with its unit; a dash for a missing or infinite value."""
    if value is None or not math.isfinite(value):
        return "–"
    if figure.unit == "%":
        return f"{100 * value:.{figure.digits}f} %"
    return f"{value:.{figure.digits}f}{' ' * (figure.unit not in ('', '°'))}{figure.unit}"
