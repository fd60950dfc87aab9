"""`laf run`: one run from start to end, and its result as a table or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.assignments import ASSIGNMENT, with_set
from dashboard.cli.options import setup_and_dataset
from dashboard.cli.tables import run_numbers, run_table
from dashboard.cli.terminal import ProgressBars, path_of, target_of, write
from dashboard.presentation.text import numbers

UNMET = 3  # exit code of --check
AUTO = " Or let --settings automatic find settings on this data."


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `run`; return its parser."""
    run: argparse.ArgumentParser = commands.add_parser(
        "run", help="train, forget, retrain, and print how they compare"
    )
    options.add(run)
    options.add_net(run)
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
    options.add_settings(run)
    run.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar=ASSIGNMENT,
        help="change a setting of the method, as in lr_ra=3e-3, steps=80 or vae.latent=16; may be repeated",
    )
    options.add_speed(run)
    options.add_common(
        run,
        seed="decides initial weights, batches and noise",
        json="the result",
        quiet="progress and no table",
    )
    run.add_argument(
        "--save", action="store_true", help="keep the run: `laf runs` and the Lab's page Runs show it"
    )
    run.add_argument(
        "--check",
        action="store_true",
        help="exit with 3 if the run did not do what was asked: too little forgotten, too high a price, or a poor original",
    )
    return run


def run(a: argparse.Namespace) -> int:
    """Run the requested method to its end; print or write the result; return the exit code. Raises LabError."""
    target = target_of(a.json)
    from core.experiments.session.memory_estimate import require_room
    from core.methods import method
    from core.methods.base import require_no_model
    from core.runs.original_models import net_training

    unlearner = method(a.method)
    if a.model is not None:
        require_no_model(unlearner)
    if a.model is not None and a.net is not None:
        raise RequestError("--net names a net that is trained here; leave it out with --model")
    if a.save and a.model is not None:
        raise RequestError(
            "--save keeps runs of the Lab's own models only; to keep a run of your model, upload it on the page"
        )
    setup, dataset = setup_and_dataset(a)
    if a.share is not None and a.method != "laf+r":
        raise RequestError(
            f"--share is the share of labels that repair reads; it goes with --method laf+r, not {a.method}"
        )
    setup = replace(setup, method=a.method, share=a.share, speed=a.speed, precision=a.precision)
    setup = replace(setup, settings=setup.usual_settings if a.settings is None else a.settings)
    split = setup.split(dataset)
    config = with_set(setup.config(split), a.assignments)
    net_training(setup, split, unlearner)  # raises for a net that cannot be trained
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
    from core.methods import method
    from core.runtime.device import peak_memory_mb, pick_device

    show = ProgressBars(quiet=a.quiet)
    device = str(pick_device(a.device))
    model, found = _original(split, unlearner, setup, a, uploaded, device, show)
    if found is not None:
        unlearner = method(unlearner.name, with_set(found.settings.config, a.assignments))
    runs = _finished_runs(split, unlearner, model, setup, found, a, show)
    show.close()
    start = time.perf_counter()
    run, retrained = runs[unlearner.name], runs["retrain"].result
    models = {"original": model, "retrained": retrained, "unlearned": run.result}
    reports = {name: evaluate(m, split, references=[retrained]) for name, m in models.items()}
    verdict = _verdict(split, model, reports, run, automatic=found is not None)
    _let_go(run, verdict, quiet=a.quiet)
    return {
        "schema": 1,
        "dataset": split.dataset.name,
        "task": split.task,
        "method": unlearner.name,
        "speed": setup.speed,
        "seed": a.seed,
        "device": device,
        "steps": len(run.steps),
        "settings": setup.settings,
        "set": a.assignments,
        "automatic": found.as_dict() if found else None,
        "metrics": {name: run_numbers(r) for name, r in reports.items()},
        "verdict": verdict,
        "seconds": {
            "train": model.provenance.seconds if model.provenance else 0.0,
            **_seconds(run.seconds),
            "retrain": runs["retrain"].seconds["retrain"],
            "evaluate": time.perf_counter() - start,
        },
        "peak_memory_mb": peak_memory_mb(),
    }


def _finished_runs(
    split: Any, unlearner: Any, model: Any, setup: Any, found: Any, a: argparse.Namespace, show: Any
) -> dict[str, Any]:
    """Play the method and retraining to their ends; return the runs by the names of their methods."""
    from core.methods import METHODS
    from core.runs.run import Run, finish

    runs = {}
    for name, method in ((unlearner.name, unlearner), ("retrain", METHODS["retrain"]())):
        if name not in runs:
            keep = a.save and method is unlearner
            runs[name] = run = (
                _kept(method, model, split, setup, found) if keep else Run(method, model, split, seed=a.seed)
            )
            if found is not None and method is unlearner:
                found.end(run)
            run.on_progress = show
            finish(run)
    return runs


def _original(
    split: Any,
    unlearner: Any,
    setup: Any,
    a: argparse.Namespace,
    uploaded: Any,
    device: str,
    show: ProgressBars,
) -> tuple[Any, Any]:
    """Return the original and, with automatic settings, the record of how they were found."""
    from core.experiments.automatic_run import AutomaticRecord, find_settings, get_original
    from core.runs.original_models import net_training, original
    from core.runtime.progress import run_to_end

    model, recipe = uploaded, None
    if uploaded is not None:
        model = uploaded.to(device)
    elif setup.settings == "automatic":
        model, recipe = get_original(split, seed=a.seed, device=device, net=setup.net, progress=show)
    else:
        config = net_training(setup, split, unlearner)
        model = run_to_end(original(split, unlearner, seed=a.seed, device=device, config=config), show)
    if setup.settings != "automatic":
        return model, None
    return model, AutomaticRecord(find_settings(split, model, seed=a.seed, progress=show), recipe)


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


def _kept(unlearner: Any, model: Any, split: Any, setup: Any, found: Any) -> Any:
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
    record(run, setup, automatic=None if found is None else found.as_dict())
    return run


def _let_go(run: Any, verdict: dict[str, Any], *, quiet: bool) -> None:
    """Keep the verdict with a run that is kept; print on standard error where it is and its size, or why it is not kept."""
    from core.runs.storage import megabytes, stop_run, storage_quota

    recorder = run.recorder
    if recorder is None:
        return
    recorder.tell(verdict=verdict)
    is_kept = recorder.is_kept
    stop_run(run)
    if recorder.problem is not None or not is_kept:
        print(f"laf: {recorder.problem or 'the run has no step, so nothing is kept'}", file=sys.stderr)
    elif not quiet:
        size = megabytes(recorder.folder.bytes)
        print(f"kept as {recorder.id}, {size}. {storage_quota().describe()}", file=sys.stderr)
