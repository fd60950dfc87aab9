"""`laf run`: from options to a Setup, a run to its end, and a table or json."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import origin
from core.errors import RequestError


def run(a: argparse.Namespace) -> None:
    """Play what the options ask for to its end; json, a table, or both. Raises LabError."""
    target = None if a.json in (None, "-") else Path(a.json).expanduser()
    if target is not None:
        _require_writable(target)
    from core.data.datasets import load
    from core.methods import METHODS, method

    if a.method not in METHODS:
        raise RequestError(f"unknown method {a.method!r}; there are: {', '.join(METHODS)}")
    setup = _setup(a)
    dataset = load(a.dataset, data_dir=a.data_dir)
    setup = replace(setup, dataset=dataset.name)  # the key that a path was kept under
    if setup.task in ("class", "data", "noise") and setup.plant is None:
        setup = replace(setup, classes=_classes(a, setup.task, dataset.classes))
    split = setup.split(dataset)
    result = _play(split, method(a.method), a, _own(a, split))
    if a.json == "-":
        print(json.dumps(result))
    elif target is not None:
        _write(target, json.dumps(result, indent=1) + "\n")
    if not a.quiet and a.json != "-":
        print(_table(result, split))


def _setup(a: argparse.Namespace) -> Any:
    """The request, but for its classes. Raises RequestError where options do not go together."""
    from core.config import TASKS
    from core.setup import FRACTIONS, Setup

    task = a.task or ("indices" if a.indices is not None else "class")
    if task not in TASKS:
        raise RequestError(f"unknown task {task!r}; there are: {', '.join(TASKS)}")
    if a.plant is not None and (a.task, a.classes, a.fraction, a.indices) != (None, None, None, None):
        raise RequestError(
            "--plant decides what is forgotten; leave out --task, --classes, --fraction and --indices"
        )
    if a.fraction is not None and task not in FRACTIONS:
        raise RequestError(
            f"--fraction goes with --task data or noise; {TASKS[task]} forgets whole {'classes' if task == 'class' else 'images'}"
        )
    if task != "indices" and a.indices is not None:
        raise RequestError(f"--indices goes with --task indices, not {task}")
    ids: tuple[int, ...] = ()
    if task == "indices":
        if a.indices is None:
            raise RequestError("--task indices needs --indices FILE, a file of image ids")
        if a.classes is not None:
            raise RequestError("--classes does not go with --task indices: the ids say all")
        ids = _ids(a.indices)
    return Setup(a.dataset, task, (), a.fraction, a.seed, a.data_dir, a.device, ids, a.plant, a.method)


def _classes(a: argparse.Namespace, task: str, names: Sequence[str]) -> tuple[int, ...]:
    from core.setup import usual_classes

    return parse_classes(a.classes, names) if a.classes is not None else usual_classes(task, len(names))


def _ids(name: str) -> tuple[int, ...]:
    """The ids in a file. Raises RequestError where it cannot be read or holds something else."""
    from core.selection import parse_ids

    if name == "-":
        return tuple(parse_ids(sys.stdin.read()))
    try:
        return tuple(parse_ids(Path(name).expanduser().read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"--indices {name} cannot be read ({getattr(error, 'strerror', None) or 'it is no text'}); name a text file of image ids"
        ) from error


def _own(a: argparse.Namespace, split: Any) -> Any:
    """The model of --model, checked and measured; None without one. Raises LabError."""
    if a.model is None:
        if (a.arch, a.layer, a.resize) != (None, None, None):
            raise RequestError("--arch, --layer and --resize describe a model; name its file with --model")
        return None
    if a.arch is None:
        raise RequestError("--model needs --arch, torchvision's name of the net (or the Lab's)")
    from core.own_model import as_original, check

    own = check(a.arch, a.layer or "", Path(a.model).expanduser(), split.dataset, size=a.resize)
    model = as_original(own, split)
    if not a.quiet:
        print(own.about.describe(), file=sys.stderr)
    return model


def _play(split: Any, unlearner: Any, a: argparse.Namespace, own: Any = None) -> dict[str, Any]:
    """Train (unless the model is the user's ``own``), unlearn, retrain, measure: the JSON of the contract."""
    import time

    from core.compute import peak_memory_mb, pick_device
    from core.methods import METHODS
    from core.metrics import evaluate
    from core.run import Run, finish
    from core.training import train

    show = _Progress(quiet=a.quiet)
    device = str(pick_device(a.device))
    model = own.to(device) if own is not None else train(split, seed=a.seed, device=device, progress=show)
    runs = {}
    for name, one in ((unlearner.name, unlearner), ("retrain", METHODS["retrain"]())):
        if name not in runs:
            runs[name] = run = Run(one, model, split, seed=a.seed)
            run.on_progress = show
            finish(run)
    show.close()
    start = time.perf_counter()
    run, gold = runs[unlearner.name], runs["retrain"].result
    models = {"original": model, "retrained": gold, "unlearned": run.result}
    reports = {name: evaluate(m, split, references=[gold]) for name, m in models.items()}
    spent = run.seconds
    return {
        "schema": 1,
        "dataset": split.dataset.name,
        "task": split.task,
        "method": unlearner.name,
        "seed": a.seed,
        "device": device,
        "steps": len(run.steps),
        "metrics": {name: _numbers(r) for name, r in reports.items()},
        "seconds": {
            "train": model.provenance.seconds if model.provenance else 0.0,
            "vae": spent.get("vae", 0.0) + spent.get("vae_f", 0.0),
            "unlearn": sum(v for k, v in spent.items() if k not in ("vae", "vae_f", "evaluate")),
            "retrain": runs["retrain"].seconds["retrain"],
            "evaluate": time.perf_counter() - start,
        },
        "peak_memory_mb": peak_memory_mb(),
    }


def _numbers(report: Any) -> dict[str, Any]:
    names = ("train_r", "train_f", "test", "test_r", "test_f")
    found: dict[str, Any] = {name: getattr(report, name) for name in names}
    for name in ("clean_f", "planted"):  # where there are wrong labels, or something was planted
        if getattr(report, name) is not None:
            found[name] = getattr(report, name)
    found["attack"] = report.attack.as_dict()
    found["js_to_retrained"] = report.js
    found["commonest_answer"] = report.commonest
    found["commonest_share"] = report.commonest_share
    return found


def _table(result: dict[str, Any], split: Any) -> str:
    """A table a person can read."""
    percent = {
        "train_r": "Train_r",
        "train_f": "Train_f",
        "test": "Test",
        "test_r": "Test_r",
        "test_f": "Test_f",
    }
    if split.clean_y is not None:
        percent["clean_f"] = "clean_f"
    if split.planted is not None:
        percent["planted"] = "planted"
    what = split.request.describe(split.dataset.classes)
    lines = [
        f"{split.dataset.title}: forget {what} ({len(split.forget_rows):,} of {len(split.train):,} images), seed {result['seed']}",
        f"{'':12}" + "".join(f"{v:>9}" for v in percent.values()) + f"{'one answer':>12}{'JS':>7}{'AUC':>20}",
    ]
    for name, numbers in result["metrics"].items():
        cells = "".join(f"{_percent(numbers[k]):>9}" for k in percent)
        attack = numbers["attack"]
        auc = (
            "too few images"
            if attack["auc"] is None
            else f"{attack['auc']:.2f} [{attack['auc_low']:.2f}, {attack['auc_high']:.2f}]"
        )
        share = (
            f"{_percent(numbers['commonest_share'])}: {split.dataset.classes[numbers['commonest_answer']]}"
        )
        lines.append(f"{name:12}{cells}{share:>12}{numbers['js_to_retrained']:7.2f}{auc:>20}")
    s = result["seconds"]
    lines.append(
        f"seconds: train {s['train']:.1f}, VAEs {s['vae']:.1f}, unlearn {s['unlearn']:.1f}, retrain {s['retrain']:.1f}, "
        f"evaluate {s['evaluate']:.1f}; peak memory {result['peak_memory_mb']:,.0f} MB; {result['device']}"
    )
    lines.append(f"settings: {origin(split.dataset.family, split.task)}")
    lines.append(
        "JS: Jensen-Shannon divergence to the retrained model on the forgotten images, 0 to 0.69 nats."
    )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def parse_classes(text: str, names: Sequence[str]) -> tuple[int, ...]:
    """ "0", "5-9", "1,4,cat" as class numbers; a class name wins over a number. Raises RequestError for what is neither."""
    found: list[int] = []

    def number(digits: str) -> int | None:
        known = digits.isdecimal() and digits.isascii() and len(digits) <= 9 and int(digits) < len(names)
        return int(digits) if known else None

    for part in (p.strip() for p in text.split(",")):
        low, dash, high = part.partition("-")
        if part in names:
            found.append(list(names).index(part))
        elif (
            (first := number(low)) is not None
            and dash
            and (last := number(high)) is not None
            and first <= last
        ):
            found.extend(range(first, last + 1))
        elif (one := number(part)) is not None:
            found.append(one)
        else:
            raise RequestError(
                f"unknown class {part!r}; classes are numbers, ranges like 5-9, or names of: {', '.join(names)}"
            )
    return tuple(found)


TITLES = {
    "train": "train",
    "vae": "VAE of D",
    "vae_f": "VAE of D_f",
    "unlearn": "unlearn",
    "retrain": "retrain",
}


class _Progress:
    """A bar for each stage, on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._off = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._stage = ""

    def __call__(self, progress: Any) -> None:
        if self._off:
            return
        from tqdm import tqdm

        if progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = tqdm(
                total=progress.total, desc=f"{TITLES[progress.stage]:10}", file=sys.stderr, leave=True
            )
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Finish the bar in progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _require_writable(path: Path) -> None:
    """Refuse before the work, not after it."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise RequestError(
            f"the folder {folder} for --json does not exist; make it, or name a file elsewhere"
        )
    if path.is_dir():
        raise RequestError(f"--json {path} is a folder; name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise RequestError(f"--json {path} cannot be written; name a file elsewhere")


def _write(path: Path, text: str) -> None:
    from core.errors import DataError

    try:
        path.write_text(text)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); name a file elsewhere with --json"
        ) from error
