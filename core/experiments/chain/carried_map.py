"""The map of a later request, which begins where the previous request ended."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from core.projection.projection import Projection, UmapBackend
from core.runs.records import Frame
from core.runs.setup import Setup
from core.runs.storage import read_run
from core.runs.storage.chain import held


def carried_map(setup: Setup, e0: Tensor, umap: UmapBackend | None = None) -> Projection | None:
    """Return a map of representations e0 (N, d) of the request's original, placed among the last points of the run before.

    None where that run has no map, or a representation of another width. Raises RequestError where the run is gone.
    """
    request = setup.earlier[-1]
    if request.run:
        kept = read_run(request.run)
        last: Frame | None = kept.frames[-1] if kept.frames else None
    else:
        found = held(request.weights)
        last = None if found is None else found[1]
    if last is None or last.positions is None or last.representations.shape[1] != e0.shape[1]:
        return None
    before = Projection(
        last.representations.astype(np.float32), np.array(last.positions, dtype=np.float32), _backend(umap)
    )
    placed = before.place(e0).positions
    return Projection.from_state({"representations": e0, "positions": placed}, umap=umap)


def _backend(umap: UmapBackend | None) -> UmapBackend:
    from core.projection.projection import InProcessUmap

    return InProcessUmap() if umap is None else umap
