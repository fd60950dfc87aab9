"""The run that a chain is compared with: the images of all requests so far, forgotten in one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.data.later_request import at_once
from core.data.split import Split
from core.experiments.automatic_run import settings_search
from core.methods import method
from core.models.base import Net, device_of
from core.models.uploads import load_uploaded_model
from core.runs.original_models import original
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.unlearned_models import played
from core.runtime.progress import Work


def first_original(setup: Setup, split: Split, model: Net) -> Work[Net]:
    """Return the model that the first request of a chain began with; ``model`` is the original of a later one.

    Raises DivergedError when its training fails.
    """
    device = device_of(model)
    if setup.model is not None:
        return load_uploaded_model(setup.model, split.dataset).to(device)
    made = model.provenance
    assert made is not None
    return (yield from original(at_once(split), seed=made.seed, device=str(device), config=made.config))


def run_at_once(
    setup: Setup, split: Split, model: Net, *, change: Callable[[Any], Any] | None = None
) -> Work[Run]:
    """Forget D_f of ``split`` in one run from the chain's first original, in slices; return the finished Run.

    ``change`` is applied to the settings, which are found or taken from the preset as those of ``setup``. Raises what the method raised.
    """
    whole = at_once(split)
    first = yield from first_original(setup, split, model)
    config = replace(setup, earlier=()).config(whole)
    if setup.settings == "automatic":
        found = yield from settings_search(whole, first, seed=setup.seed)
        config = found.config
    run = Run(
        method(setup.method, config if change is None else change(config)), first, whole, seed=setup.seed
    )
    return (yield from played(run))


__all__ = ["first_original", "run_at_once"]
