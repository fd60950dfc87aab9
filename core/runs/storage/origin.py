"""Entries of run.json and map.safetensors about the images, the original model and the map that a run began with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.config import EvalConfig, as_dict
from core.runs.storage.serialization import weights_key

if TYPE_CHECKING:
    from core.data.split import Split
    from core.models.base import Provenance
    from core.runs.observer import Observer
    from core.runs.run import Run


def origin_of(run: Run) -> dict[str, Any]:
    """Return what identifies images, original model and measurements of ``run``."""
    split, original = run.stepper.split, run.stepper.model
    norm = split.train.norm or split.dataset.scale
    return {
        "forget": split.request.describe(split.dataset.classes),
        "dataset": split.dataset.fingerprint,
        "original": weights_key(original),
        "images": {
            "title": split.dataset.title,
            "classes": list(split.dataset.classes),
            "shape": list(split.dataset.shape),
            "white": split.train.white,
            "norm": None if norm is None else [list(v) for v in norm],
        },
        "net": None if original.provenance is None else original.provenance.net,
        "training": _training(original.provenance),
        "eval": as_dict(run.observer.config if run.observer is not None else EvalConfig()),
    }


def _training(made: Provenance | None) -> dict[str, Any] | None:
    """Return how a later request of a chain retrains from scratch; None where the Lab did not train the original."""
    if made is None or made.given is not None:
        return None
    return {"config": as_dict(made.config), "seed": made.seed, "seconds": made.seconds}


def map_points(observer: Observer, split: Split) -> dict[str, Any]:
    """Return the points of the map: positions, ids, labels, and which are forgotten."""
    return {
        "positions": None if observer.projection is None else observer.projection.positions,
        "ids": split.train.ids[observer.rows].cpu(),
        "label": split.true_y[observer.rows].cpu(),
        "forget": observer.evaluator.is_forget.cpu(),
    }
