"""Originals of kept runs that the usual training would not give again, such as one that Python trained with other settings."""

from __future__ import annotations

from typing import Any

from core.config import TrainConfig, as_dict
from core.data.split import Split
from core.models.base import Net, device_of
from core.models.own_modules import PREFIX
from core.runs.original_models import original_key
from core.runs.reference_models import restore
from core.runs.storage.serialization import config_like, weights_key
from core.runtime.content_cache import content_key, models


def keep_original(model: Any, split: Split) -> None:
    """Keep ``model`` for ``kept_original``, unless the cache has the same weights as the usual original.

    The two differ where training has other rounding: a processor's own, and that of the machine whose model comes with the Lab.
    Models that the Lab did not train, and originals that a method trained for itself, are not kept here.
    """
    known = getattr(model, "provenance", None)
    if known is None or known.given is not None or known.net.startswith(PREFIX):
        return
    usual = models.get(original_key(split, known.config, known.seed, device_of(model).type))
    weights = weights_key(model)
    if usual is not None and weights == _key_of(usual["weights"]):
        return
    key = _cache_key(weights)
    if models.get(key) is not None:
        return
    kept = {
        "weights": {name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
        "config": as_dict(known.config),
        "seed": known.seed,
        "seconds": known.seconds,
    }
    models.put(key, kept, dataset=split.dataset.name, kind="trained model")


def kept_original(weights: str, split: Split, device: str) -> Net | None:
    """Return the original with the hash ``weights`` (``weights_key``), or None where it was not kept. Raises StoreError for settings of another version."""
    kept = models.get(_cache_key(weights))
    if kept is None:
        return None
    return restore(split, config_like(TrainConfig(), kept["config"]), int(kept["seed"]), kept, device)


def _cache_key(weights: str) -> str:
    return content_key("original of a run", weights)


def _key_of(weights: dict[str, Any]) -> str:
    """Return ``weights_key`` of a model with these weights."""
    return content_key("weights", *[value for _, value in sorted(weights.items())])
