"""`laf run --after`: a request that follows a kept run, and its comparison with one run for all requests."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import RequestError
from core.runtime.bounds import quote_value
from dashboard.cli import options
from dashboard.cli.runs import named_run
from dashboard.cli.terminal import path_of

DATASET, SEED = "digits", 0  # of a run that follows none


def add(run: argparse.ArgumentParser) -> None:
    """Add --after. Without it, --dataset and --seed have their usual defaults."""
    run.add_argument(
        "--after",
        default=None,
        metavar="RUN",
        help="forget more: begin with the result of a finished run, which `laf runs list` names, or with its folder; dataset, seed and "
        "clients are that run's",
    )
    run.set_defaults(dataset=None, seed=None)


def setup_and_dataset(a: argparse.Namespace) -> tuple[Any, Any]:
    """Return the Setup of the request and its dataset, with the requests before it where --after names a run. Raises LabError."""
    if a.after is None:
        a.dataset = DATASET if a.dataset is None else a.dataset
        a.seed = SEED if a.seed is None else a.seed
        return options.setup_and_dataset(a)
    from core.runs.storage import setup_after

    before = setup_after(_run_id(a.after))
    _require_fitting(a, before)
    a.dataset, a.data_dir = before.dataset, before.data_dir if a.data_dir is None else a.data_dir
    a.seed = before.seed if a.seed is None else a.seed
    if before.clients is not None:
        a.clients, a.partition, a.server = before.clients, before.partition, before.server
        a.local_epochs = before.local_epochs
    setup, dataset = options.setup_and_dataset(a)
    return replace(setup, earlier=before.earlier, model=before.model), dataset


def _run_id(text: str) -> str:
    """Return the id of the run that ``text`` names: an id, its first letters, or the folder of a kept run."""
    from core.runs.storage import runs_home

    if os.sep not in text:
        return named_run(text)
    folder = Path(os.path.abspath(path_of(text)))
    if folder.parent != Path(os.path.abspath(runs_home())):
        raise RequestError(
            f"{quote_value(text)} is no folder of a kept run; `laf runs list` names kept runs, and their folders are in $LAF_HOME/runs"
        )
    return folder.name


def _require_fitting(a: argparse.Namespace, before: Any) -> None:
    """Raise RequestError for options that do not go with --after."""
    from core.methods import method
    from core.methods.base import require_no_model

    require_no_model(method(a.method))
    if a.model is not None:
        raise RequestError("--model does not go with --after: the request begins with the result of that run")
    if a.plant is not None:
        raise RequestError("--plant does not go with --after: the original has learnt already")
    if (a.classes, a.indices, a.client) == (None, None, None):
        raise RequestError(
            "--after needs what to forget next: --classes LIST, --indices FILE, or --client NUMBER"
        )
    if (a.clients, a.partition, a.local_epochs, a.server) != (None,) * 4:
        raise RequestError(
            "--clients, --partition, --local-epochs and --server do not go with --after: they are those of that run"
        )
    if a.dataset is not None and _key_of(a) != before.dataset:
        raise RequestError(
            f"that run is of {before.dataset}, and --dataset names {a.dataset}; leave out --dataset, or name a run of that data"
        )


def _key_of(a: argparse.Namespace) -> str:
    """Return the key of --dataset, under which an uploaded file is kept."""
    from core.data.registry import DATASETS, load

    return a.dataset if a.dataset in DATASETS else str(load(a.dataset, data_dir=a.data_dir).name)


def play_at_once(setup: Any, split: Any, model: Any, change: Any, show: Any) -> Any:
    """Play the run that forgets the images of all requests at once, and return it. Raises what the method raised."""
    from core.experiments.chain.at_once import run_at_once
    from core.runtime.progress import run_to_end

    return run_to_end(run_at_once(setup, split, model, change=change), show)


def chain_values(setup: Any, split: Any) -> dict[str, Any] | None:
    """Return where the request stands in its chain, for JSON; None for a first request."""
    if not setup.earlier:
        return None
    return {
        "request": len(setup.earlier) + 1,
        "earlier": [request.run for request in setup.earlier],
        "newest": len(split.newest_rows),
        "forgotten": len(split.forget_rows),
    }
