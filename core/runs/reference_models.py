"""Models retrained from scratch on D_r, in slices, and cached by content. One model is one draw, so there are several."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from core.config import as_dict, environment
from core.config.preset_tables import QUICK
from core.data.split import Split
from core.errors import CancelledError, LabError
from core.evaluation.reference_band import Retrained
from core.methods.retrain import Retrain
from core.models.base import Net, Provenance
from core.models.own_modules import has_factory
from core.models.registry import build
from core.runs.run import Phase, Run
from core.runtime import seeding
from core.runtime.content_cache import content_key, models
from core.runtime.progress import Progress, Work, run_to_end

log = logging.getLogger(__name__)


def usual_count(family: str, model: Net | None = None) -> int:
    """Return the usual number of retrained models: 5 of a QUICK family, whose retraining takes seconds, else 3.

    ``$LAF_REFERENCES`` sets another number. Raises RequestError when it cannot be used.

    It is 0, and a warning is logged, for an original ``model`` whose training cannot be repeated.
    """
    if model is not None and model.provenance is not None and not has_factory(model.provenance.net):
        log.warning("%r: there are no retrained models to compare with", model)
        return 0
    asked = environment.reference_count()
    if asked is not None:
        return asked
    return 5 if family in QUICK else 3


def retraining(split: Split, model: Net, *, seed: int = 0, number: int = 0) -> Work[Retrained]:
    """Retrain model number ``number`` for the original ``model`` in slices, or take it from the cache.

    Raises LabError when training fails.
    """
    provenance = model.provenance
    given = provenance is not None and provenance.given is not None
    own = seeding.derive_seed(seed, "reference", number) if number else seed
    run = Run(Retrain(begin=own if number else None), model, split, seed=own)
    device = next(model.parameters()).device.type
    begin = own if number else provenance.seed if provenance and not given else None
    key = content_key(
        "retrained", split.dataset.fingerprint, split.remain_rows, as_dict(run.config), own, begin, device
    )
    kept = models.get(key)
    if kept is None:
        yield Progress("retrain", 0, run.total_steps)
        run.play()
        while run.tick():
            yield run.progress["retrain"]
        if run.error is not None:
            raise LabError(f"retraining failed: {run.error}")
        if run.phase is not Phase.DONE:
            raise CancelledError("retraining was stopped before it was finished")
        kept = {"weights": run.result.state_dict(), "seconds": run.seconds["retrain"]}
        models.put(key, kept, dataset=split.dataset.name, kind="retrained model")
    return Retrained(number, restore(split, run.config, own, kept, device), kept["seconds"])


def references(
    split: Split,
    model: Net,
    *,
    count: int | None = None,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
) -> list[Retrained]:
    """Return ``count`` retrained models (default: ``usual_count``). Raises LabError when training fails."""
    found = []
    for number in range(usual_count(split.dataset.family, model) if count is None else count):
        found.append(run_to_end(retraining(split, model, seed=seed, number=number), progress))
    return found


def restore(split: Split, config: Any, seed: int, kept: dict[str, Any], device: str) -> Net:
    """Return a net for the dataset of ``split`` from its entry in the cache."""
    model = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=seed)
    model.load_state_dict(kept["weights"])
    model.provenance = Provenance(config.net, seed, config, kept["seconds"])
    return model.to(device).eval()
