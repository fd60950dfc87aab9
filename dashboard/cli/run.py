"""`laf run`: from options to a Setup, a run to its end, and a table or json."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from dashboard.cli.options import classes_of, setup_of
from dashboard.cli.terminal import ProgressBars, path_of, target_of, write


def run(a: argparse.Namespace) -> None:
    """Play what the options ask for to its end; json, a table, or both. Raises LabError."""
    target = target_of(a.json)
    from core.data.registry import load
    from core.experiments.session.memory_estimate import require_room
    from core.methods import method
    from core.methods.base import require_no_model

    unlearner = method(a.method)
    if a.model is not None:
        require_no_model(unlearner)
    if a.save and a.model is not None:
        raise RequestError(
            "--save keeps runs of the Lab's own models; bring --model on the page, and play it there"
        )
    setup = setup_of(a)
    dataset = load(a.dataset, data_dir=a.data_dir)
    setup = replace(setup, dataset=dataset.name)  # the key that a path was kept under
    if setup.task in ("class", "data", "noise") and setup.plant is None:
        setup = replace(setup, classes=classes_of(a, setup.task, dataset.classes))
    split = setup.split(dataset)
    if a.share is not None and a.method != "laf+r":
        raise RequestError(
            f"--share is the share of labels that repair reads; it goes with --method laf+r, not {a.method}"
        )
    setup = replace(setup, method=a.method, share=a.share, speed=a.speed, precision=a.precision)
    config = setup.config(split)
    require_room(setup, split, config, references=1, watched=a.save)
    unlearner = method(a.method, config)
    result = _play(split, unlearner, a, _own(a, split), setup)
    if a.json == "-":
        print(json.dumps(result))
    elif not a.quiet:
        print(_table(result, split, a.method))
    if target is not None:  # last: the table stands where the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")


def _own(a: argparse.Namespace, split: Any) -> Any:
    """The model of --model, checked and measured; None without one. Raises LabError."""
    if a.model is None:
        if (a.arch, a.layer, a.resize) != (None, None, None):
            raise RequestError("--arch, --layer and --resize describe a model; name its file with --model")
        return None
    if a.arch is None:
        raise RequestError("--model needs --arch, torchvision's name of the net (or the Lab's)")
    from core.models.uploads import as_original, check

    own = check(a.arch, a.layer or "", path_of(a.model), split.dataset, size=a.resize)
    model = as_original(own, split)
    if not a.quiet:
        print(own.about.describe(), file=sys.stderr)
    return model


def _play(split: Any, unlearner: Any, a: argparse.Namespace, own: Any, setup: Any) -> dict[str, Any]:
    """Train (unless the model is the user's ``own``), unlearn, retrain, measure: the JSON of the contract."""
    import time

    from core.evaluation.metrics import evaluate
    from core.methods import METHODS
    from core.methods.base import has_own_original
    from core.runs.original_models import original
    from core.runs.run import Run, finish
    from core.runs.storage import let_go
    from core.runtime.device import peak_memory_mb, pick_device
    from core.runtime.progress import run_to_end
    from core.training.supervised import train

    show = ProgressBars(quiet=a.quiet)
    device = str(pick_device(a.device))
    if own is not None:
        model = own.to(device)
    elif has_own_original(unlearner):
        model = run_to_end(original(split, unlearner, seed=a.seed, device=device), show)
    else:
        model = train(split, seed=a.seed, device=device, progress=show)
    runs = {}
    for name, one in ((unlearner.name, unlearner), ("retrain", METHODS["retrain"]())):
        if name not in runs:
            keep = a.save and one is unlearner
            runs[name] = run = (
                _kept(one, model, split, setup) if keep else Run(one, model, split, seed=a.seed)
            )
            run.on_progress = show
            finish(run)
    show.close()
    if runs[unlearner.name].recorder is not None:
        _tell_kept(runs[unlearner.name].recorder, quiet=a.quiet)
        let_go(runs[unlearner.name])
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
        "speed": setup.speed,
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


def _kept(unlearner: Any, model: Any, split: Any, setup: Any) -> Any:
    """A run with frames and a map, kept on disk as it goes."""
    from core.config import EvalConfig
    from core.projection.projection import Projection
    from core.runs.checkpoints import Checkpoints
    from core.runs.observer import Observer
    from core.runs.run import Run
    from core.runs.storage import record

    observer = Observer(split, model, EvalConfig.preset(split.dataset.family), seed=setup.seed)
    observer.projection = Projection.fit(observer.original.train.representations, seed=setup.seed)
    run = Run(unlearner, model, split, seed=setup.seed, observer=observer, checkpoints=Checkpoints())
    record(run, setup)
    return run


def _tell_kept(recorder: Any, *, quiet: bool) -> None:
    """Say on standard error where the run is kept and how large it is, or why it is not."""
    from core.runs.storage import megabytes, room

    if recorder.problem is not None or not recorder.is_kept:
        print(f"laf: {recorder.problem or 'the run has no step, so nothing is kept'}", file=sys.stderr)
    elif not quiet:
        size = megabytes(recorder.folder.bytes)
        print(f"kept as {recorder.id}, {size}. {room().describe()}", file=sys.stderr)


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


def _table(result: dict[str, Any], split: Any, method: str) -> str:
    """A table a person can read."""
    from core.methods import origin_of
    from core.methods.laf.fast import SPEEDS, is_measured

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
    settings = origin_of(method, split.dataset.family, split.task)
    if result["speed"] == "fast":
        measured = is_measured(split.dataset.family, split.task)
        settings = f"fast, approximate: {SPEEDS['fast'].partition(': ')[2]}; " + (
            "measured: docs/performance.md" if measured else "by a rule of thumb, not measured here"
        )
    lines.append(f"settings: {settings}")
    lines.append(
        "JS: Jensen-Shannon divergence to the retrained model on the forgotten images, 0 to 0.69 nats."
    )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
