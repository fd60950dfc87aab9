"""Maps of original models, laid out once and cached by content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from core.data.images import Dataset
from core.models.base import Net
from core.projection.projection import ArrayLike, Projection, UmapBackend
from core.runtime.content_cache import content_key, maps


def map_key(model: Net, dataset: Dataset, rows: Tensor, seed: int, *, after: Sequence[str] = ()) -> str:
    """Return the cache key of the map of ``model`` on the images ``rows`` (N,) of the training set of ``dataset``.

    The same model and images give the same map, unless it goes on from the map of the runs ``after``.
    """
    weights = [value for _, value in sorted(model.state_dict().items())]
    return content_key("map", dataset.fingerprint, rows, seed, *after, *weights)


def cached_map(key: str, e0: ArrayLike, umap: UmapBackend | None = None) -> Projection | None:
    """Return the map of ``key`` for the representations e0 (N, d) it was laid out from; None where the cache has none."""
    kept = maps.get(key)
    return None if kept is None else Projection.from_state({**kept, "representations": e0}, umap=umap)


def keep_map(key: str, projection: Projection, dataset: Dataset) -> None:
    """Store the places of ``projection`` under ``key``; a purge finds them by the name of ``dataset``."""
    maps.put(key, {"positions": projection.positions}, dataset=dataset.name)


def fitted_map(
    model: Net, dataset: Dataset, rows: Tensor, e0: Any, *, seed: int, umap: UmapBackend | None = None
) -> Projection:
    """Lay out the map of ``map_key``, or take it from the cache. Raises ConfigError and LabError as ``Projection.fit`` does."""
    key = map_key(model, dataset, rows, seed)
    found = cached_map(key, e0, umap)
    if found is None:
        found = Projection.fit(e0, seed=seed, umap=umap)
        keep_map(key, found, dataset)
    return found
