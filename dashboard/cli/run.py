"""`laf run`: one run from start to end, and its result as a table or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.options import setup_and_dataset, with_set
from dashboard.cli.tables import run_numbers, run_table
from dashboard.cli.terminal import ProgressBars, path_of, target_of, write
from dashboard.presentation.text import numbers

UNMET = 3  # exit code of --check
AUTO = " Or let --auto find settings on this data."


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `run`; return its parser."""
    run: argparse.ArgumentParser = commands.add_parser(
        "run", help="train, forget, retrain, and print how they compare"
    )
    options.add(run)
    options.add_model(run)
    run.add_argument(
        "--method", default="laf", help="laf, laf+r, retrain, nothing, finetune, … (default: laf)"
    )
    run.add_argument(
        "--share",
        type=numbers.share,
        default=None,
        metavar="F",
        help="for laf+r: share of the remaining images' labels that repair reads, up to 1 (default: all)",
    )
    _add_settings_options(run)
    _add_speed_options(run)
    run.add_argument(
        "--seed",
        type=numbers.whole(0, numbers.SEED),
        default=0,
        help="decides initial weights, batches and noise (default: 0)",
    )
    run.add_argument(
        "--json", default=None, metavar="FILE", help="write the result as JSON; - for standard output"
    )
    run.add_argument(
        "--save", action="store_true", help="keep the run: `laf runs` and the Lab's page Runs show it"
    )
    run.add_argument(
        "--check",
        action="store_true",
        help="exit with 3 if the run did not do what was asked: too little forgotten, too high a price, or a poor original",
    )
    run.add_argument("--quiet", action="store_true", help="no progress and no table")
    return run


def _add_settings_options(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar=options.ASSIGNMENT,
        help="change a setting of the method, as in lr_ra=3e-3, steps=80 or vae.latent=16; may be repeated",
    )
    run.add_argument(
        "--auto",
        action="store_true",
        help="for laf: find its settings on this data, without labels or retrained models; where no measured preset fits, "
        "find the original's training too",
    )


def _add_speed_options(run: argparse.ArgumentParser) -> None:
    speed = run.add_mutually_exclusive_group()
    speed.add_argument(
        "--exact",
        action="store_const",
        dest="speed",
        const="exact",
        default="exact",
        help="the paper's arithmetic (the default)",
    )
    speed.add_argument(
        "--fast",
        action="store_const",
        dest="speed",
        const="fast",
        help="for laf and laf+r: approximate, in a hundredth of the time; moves only the last layer, on kept features "
        "of a part of the images",
    )
    run.add_argument(
        "--precision",
        default="float32",
        metavar="KIND",
        help="for laf and laf+r: float32, bf16, or auto: bf16 where the processor supports it (default: float32)",
    )


def run(a: argparse.Namespace) -> int:
    """Run the requested method to its end; print or write the result; return the exit code. Raises LabError."""
    target = target_of(a.json)
    from core.experiments.session.memory_estimate import require_room
    from core.methods import method
    from core.methods.base import require_no_model

    unlearner = method(a.method)
    if a.model is not None:
        require_no_model(unlearner)
    if a.save and a.model is not None:
        raise RequestError(
            "--save keeps runs of the Lab's own models only; to keep a run of your model, upload it on the page"
        )
    setup, dataset = setup_and_dataset(a)
    split = setup.split(dataset)
    if a.share is not None and a.method != "laf+r":
        raise RequestError(
            f"--share is the share of labels that repair reads; it goes with --method laf+r, not {a.method}"
        )
    if a.auto and (a.method, a.speed, a.precision) != ("laf", "exact", "float32"):
        raise RequestError("--auto is for exact LAF in float32; leave out --method, --fast, --precision")
    setup = replace(setup, method=a.method, share=a.share, speed=a.speed, precision=a.precision)
    config = with_set(setup.config(split), a.assignments)
    require_room(setup, split, config, references=1, watched=a.save)
    unlearner = method(a.method, config)
    result = _play(split, unlearner, a, _uploaded_model(a, split), setup)
    if a.json == "-":
        print(json.dumps(result))
    elif not a.quiet:
        print(run_table(result, split, a.method))
    if target is not None:  # last, so that the table is printed even if the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")
    return UNMET if a.check and not result["verdict"]["success"] else 0


def _uploaded_model(a: argparse.Namespace, split: Any) -> Any:
    """Return the checked model of --model, or None without the option. Raises LabError."""
    if a.model is None:
        if (a.arch, a.layer, a.resize) != (None, None, None):
            raise RequestError("--arch, --layer and --resize describe a model; name its file with --model")
        return None
    if a.arch is None:
        raise RequestError("--model needs --arch, torchvision's name of the net (or the Lab's)")
    from core.models.uploads import as_original, check

    uploaded = check(a.arch, a.layer or "", path_of(a.model), split.dataset, size=a.resize)
    model = as_original(uploaded, split)
    if not a.quiet:
        print(uploaded.about.describe(), file=sys.stderr)
    return model


def _play(split: Any, unlearner: Any, a: argparse.Namespace, uploaded: Any, setup: Any) -> dict[str, Any]:
    """Train (unless the user ``uploaded`` a model), unlearn, retrain and evaluate; return the result for JSON."""
    import time

    from core.evaluation.metrics import evaluate
    from core.runtime.device import peak_memory_mb, pick_device

    show = ProgressBars(quiet=a.quiet)
    device = str(pick_device(a.device))
    model, training = _original(split, unlearner, a, uploaded, device, show)
    found = None
    if a.auto:
        unlearner, found = _automatic(split, model, training, a, show)
    runs = _finished_runs(split, unlearner, model, setup, a, show)
    show.close()
    start = time.perf_counter()
    run, retrained = runs[unlearner.name], runs["retrain"].result
    models = {"original": model, "retrained": retrained, "unlearned": run.result}
    reports = {name: evaluate(m, split, references=[retrained]) for name, m in models.items()}
    return {
        "schema": 1,
        "dataset": split.dataset.name,
        "task": split.task,
        "method": unlearner.name,
        "speed": setup.speed,
        "seed": a.seed,
        "device": device,
        "steps": len(run.steps),
        "set": a.assignments,
        "automatic": found.as_dict() if found else None,
        "metrics": {name: run_numbers(r) for name, r in reports.items()},
        "verdict": _verdict(split, model, reports, run, automatic=a.auto),
        "seconds": {
            "train": model.provenance.seconds if model.provenance else 0.0,
            **_seconds(run.seconds),
            "retrain": runs["retrain"].seconds["retrain"],
            "evaluate": time.perf_counter() - start,
        },
        "peak_memory_mb": peak_memory_mb(),
    }


def _finished_runs(
    split: Any, unlearner: Any, model: Any, setup: Any, a: argparse.Namespace, show: Any
) -> dict[str, Any]:
    """Play the method and retraining to their ends; return the runs by the names of their methods."""
    from core.methods import METHODS
    from core.runs.run import Run, finish
    from core.runs.storage import stop_run

    runs = {}
    for name, method in ((unlearner.name, unlearner), ("retrain", METHODS["retrain"]())):
        if name not in runs:
            keep = a.save and method is unlearner
            runs[name] = run = (
                _kept(method, model, split, setup) if keep else Run(method, model, split, seed=a.seed)
            )
            run.on_progress = show
            finish(run)
    if runs[unlearner.name].recorder is not None:
        _report_kept(runs[unlearner.name].recorder, quiet=a.quiet)
        stop_run(runs[unlearner.name])
    return runs


def _original(
    split: Any, unlearner: Any, a: argparse.Namespace, uploaded: Any, device: str, show: ProgressBars
) -> tuple[Any, Any]:
    """Return the original, and the recipe of its training if one was found."""
    from core.experiments.automatic_run import train_original
    from core.methods.base import has_own_original
    from core.runs.original_models import original
    from core.runtime.progress import run_to_end
    from core.training.supervised import train

    if uploaded is not None:
        return uploaded.to(device), None
    if has_own_original(unlearner):
        return run_to_end(original(split, unlearner, seed=a.seed, device=device), show), None
    if a.auto:
        return train_original(split, seed=a.seed, device=device, progress=show)
    return train(split, seed=a.seed, device=device, progress=show), None


def _automatic(split: Any, model: Any, training: Any, a: argparse.Namespace, show: Any) -> tuple[Any, Any]:
    """Return LAF with the settings that were found, and how."""
    from core.experiments.automatic_run import AutomaticRecord, find_settings
    from core.methods import LAF

    found = find_settings(split, model, seed=a.seed, progress=show)
    return LAF(with_set(found.config, a.assignments)), AutomaticRecord(found, training)


def _verdict(split: Any, model: Any, reports: dict[str, Any], run: Any, *, automatic: bool) -> dict[str, Any]:
    from core.evaluation.verdict import verdict
    from core.training.recipe import check_learnt

    learning = check_learnt(model, split.dataset)
    found = verdict(
        split.task,
        reports["original"],
        [reports["retrained"]],
        reports["unlearned"],
        steps=len(run.steps),
        pixel_accuracy=None if learning.learnt else learning.neighbours,
    )
    offer = not automatic and run.unlearner.name == "laf" and not found.is_success
    return {**found.as_dict(), "text": found.describe() + (AUTO if offer else "")}


def _seconds(spent: Any) -> dict[str, float]:
    return {
        "vae": spent.get("vae", 0.0) + spent.get("vae_f", 0.0),
        "unlearn": sum(v for k, v in spent.items() if k not in ("vae", "vae_f", "evaluate")),
    }


def _kept(unlearner: Any, model: Any, split: Any, setup: Any) -> Any:
    """Return a run with frames and a map that is written to disk as it advances."""
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


def _report_kept(recorder: Any, *, quiet: bool) -> None:
    """Print on standard error where the run is kept and its size, or why it is not kept."""
    from core.runs.storage import megabytes, storage_quota

    if recorder.problem is not None or not recorder.is_kept:
        print(f"laf: {recorder.problem or 'the run has no step, so nothing is kept'}", file=sys.stderr)
    elif not quiet:
        size = megabytes(recorder.folder.bytes)
        print(f"kept as {recorder.id}, {size}. {storage_quota().describe()}", file=sys.stderr)
