"""`laf run`: one run from start to end, and its result as a table or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.options import clients
from dashboard.cli.running import after, keeping
from dashboard.cli.running.assignments import ASSIGNMENT, with_set
from dashboard.cli.running.evaluation import Evaluation
from dashboard.cli.tables import run_numbers, run_seconds, run_table, trainings_from_cache
from dashboard.cli.terminal import ProgressBars, Stopwatch, path_of, target_of, terminal_width, write
from dashboard.presentation.text import numbers

UNMET = 3  # exit code of --check
NOT_KEPT = 1  # exit code of --save where the run could not be kept


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `run`; return its parser."""
    run: argparse.ArgumentParser = commands.add_parser(
        "run", help="train, forget, retrain, and print how they compare"
    )
    options.add(run)
    options.add_net(run)
    clients.add(run)
    options.add_model(run)
    after.add(run)
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
    if a.model is not None and (a.net, a.clients) != (None, None):
        raise RequestError("--net and --clients say how a model is trained here; leave them out with --model")
    if a.save and a.model is not None:
        raise RequestError(
            "--save keeps runs of the Lab's own models only; to keep a run of your model, upload it on the page"
        )
    setup, dataset = after.setup_and_dataset(a)
    if a.share is not None and a.method != "laf+r":
        raise RequestError(
            f"--share is the share of labels that repair reads; it goes with --method laf+r, not {a.method}"
        )
    setup = replace(setup, method=a.method, share=a.share, speed=a.speed, precision=a.precision)
    setup = replace(setup, settings=setup.usual_settings if a.settings is None else a.settings)
    split = setup.split(dataset)
    config = with_set(setup.config(split), a.assignments)
    setup.require_held(config)
    net_training(setup, split, unlearner)  # raises for a net that cannot be trained
    require_room(setup, split, config, references=1, watched=a.save)
    unlearner = method(a.method, config)
    result = _play(split, unlearner, a, _uploaded_model(a, split), setup)
    if a.json == "-":
        print(json.dumps(result))
    elif not a.quiet:
        print(run_table(result, split, a.method, width=terminal_width()))
    if target is not None:  # last, so that the table is printed even if the file cannot be written
        write(target, json.dumps(result, indent=1) + "\n")
    if not getattr(a, "kept", True):
        return NOT_KEPT
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
    from core.experiments.automatic_run import retrained_beside
    from core.methods import method
    from core.runtime.device import peak_memory_mb, pick_device

    show, clock = ProgressBars(quiet=a.quiet), Stopwatch(a.began)
    device = str(pick_device(a.device))
    begins_afresh = uploaded is None and not setup.earlier
    early = retrained_beside(split, unlearner, setup, device=device) if begins_afresh else None
    with nullcontext() if early is None else early:
        model, found = _original(split, unlearner, setup, uploaded, device, show, clock)
        if found is not None:
            unlearner = method(unlearner.name, with_set(found.settings.config, a.assignments))
        run = _finished_run(split, unlearner, model, setup, found, a, show, clock)
        measured = Evaluation(split, clock, early)
        measured.begin(model, run.result)
        retrained, retrained_s = _retrained(split, model, run, early, show, clock)
    measured.add("retrained", retrained, keep=True)
    if setup.earlier:
        measured.add("at once", _at_once(setup, split, model, a, show, clock))
    show.close()
    reports, verdict = measured.end(model, run, automatic=found is not None)
    a.kept = keeping.let_go(run, verdict, reports, quiet=a.quiet)
    cached = trainings_from_cache(show, uploaded)
    beside = ["retrain"] if early is not None and early.is_trained else []
    trained_s = model.provenance.seconds if model.provenance else 0.0
    seconds = run_seconds(run, clock, [*cached, *beside], train=trained_s, retrain=retrained_s)
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
        "chain": after.chain_values(setup, split),
        "clients": clients.values(setup, split),
        "verdict": verdict,
        "seconds": seconds,
        "from_cache": cached,
        "shipped": _shipped(model, split) if begins_afresh else [],
        "beside": beside,
        "peak_memory_mb": peak_memory_mb(),
    }


def _shipped(model: Any, split: Any) -> list[str]:
    """Return the trainings whose model ships with the Lab."""
    from core.runs.original_models import ships

    return ["train"] if ships(model, split) else []


def _at_once(setup: Any, split: Any, model: Any, a: argparse.Namespace, show: Any, clock: Stopwatch) -> Any:
    """Return the model that forgets the images of all requests of a chain at once."""
    with clock.stage("at_once"):
        return after.play_at_once(setup, split, model, lambda c: with_set(c, a.assignments), show).result


def _finished_run(
    split: Any,
    unlearner: Any,
    model: Any,
    setup: Any,
    found: Any,
    a: argparse.Namespace,
    show: Any,
    clock: Stopwatch,
) -> Any:
    """Play the method to its end; return its run."""
    from core.runs.run import Run, finish

    if a.save:
        run = _kept(unlearner, model, split, setup, found, clock)
    else:
        run = Run(unlearner, model, split, seed=a.seed)
    if found is not None:
        found.end(run)
    run.on_progress = show
    with clock.stage("play"), keeping.kept_when_stopped(run):
        finish(run)
    return run


def _retrained(
    split: Any, model: Any, run: Any, early: Any, show: ProgressBars, clock: Stopwatch
) -> tuple[Any, float]:
    """Return the retrained model and the seconds of its training: that of ``run``, the ``early`` one, or one from the cache."""
    from core.runs.reference_models import retraining
    from core.runtime.progress import run_to_end

    if run.unlearner.name == "retrain":
        return run.result, run.seconds["retrain"]
    with clock.stage("retrain"):
        if early is not None:
            found = early.result(show)
        else:
            found = run_to_end(retraining(split, model, seed=run.seed), show)
    return found.model, found.seconds


def _original(
    split: Any,
    unlearner: Any,
    setup: Any,
    uploaded: Any,
    device: str,
    show: ProgressBars,
    clock: Stopwatch,
) -> tuple[Any, Any]:
    """Return the original and, with automatic settings, the record of how they were found."""
    from core.experiments.automatic_run import AutomaticRecord, find_settings, get_original
    from core.runs.original_models import net_training, original
    from core.runs.storage import chain_original
    from core.runtime.progress import run_to_end

    model, recipe = uploaded, None
    with clock.stage("train"):
        if setup.earlier:
            model = chain_original(setup, split, device)
        elif uploaded is not None:
            model = uploaded.to(device)
        elif setup.settings == "automatic":
            model, recipe = get_original(split, seed=setup.seed, device=device, net=setup.net, progress=show)
        else:
            config = net_training(setup, split, unlearner)
            work = original(split, unlearner, seed=setup.seed, device=device, config=config)
            model = run_to_end(work, show)
    if setup.settings != "automatic":
        return model, None
    with clock.stage("search"):
        settings = find_settings(split, model, seed=setup.seed, progress=show)
    return model, AutomaticRecord(settings, recipe)


def _kept(unlearner: Any, model: Any, split: Any, setup: Any, found: Any, clock: Stopwatch) -> Any:
    """Return a run with frames and a map that is written to disk as it advances."""
    from core.config import EvalConfig
    from core.experiments.chain.carried_map import carried_map
    from core.projection.map_cache import fitted_map
    from core.runs.checkpoints import Checkpoints
    from core.runs.observer import Observer
    from core.runs.run import Run
    from core.runs.storage import record

    with clock.stage("map"):
        observer = Observer(split, model, EvalConfig.preset(split.dataset.family), seed=setup.seed)
        e0 = observer.original.train.representations
        carried = carried_map(setup, e0) if setup.earlier else None
        observer.projection = carried or fitted_map(model, split.dataset, observer.rows, e0, seed=setup.seed)
    run = Run(unlearner, model, split, seed=setup.seed, observer=observer, checkpoints=Checkpoints())
    record(run, setup, automatic=None if found is None else found.as_dict())
    return run
