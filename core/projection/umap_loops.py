"""The import of UMAP, with its compiled loops kept on disk. This module must stay importable without torch."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any

# The loops that a fit and a follow frame call. UMAP compiles them anew in each process, which takes seconds.
_LOOPS = {
    "umap.umap_": ("smooth_knn_dist", "compute_membership_strengths"),
    "umap.layouts": ("_nb_optimize_layout_euclidean_single_epoch",),
}


@functools.cache
def load_umap() -> None:
    """Import UMAP and have numba keep its loops on disk, beside UMAP or in the user's cache folder.

    The loops stay as UMAP wrote them, so maps have the same bits. Where numba cannot write, or UMAP has no loop of
    that name, each process compiles.
    """
    import importlib

    for module, names in _LOOPS.items():
        found = importlib.import_module(module)
        for name in names:
            _keep(getattr(found, name, None))


def _keep(loop: Any) -> None:
    with suppress(AttributeError, RuntimeError):  # no compiled function of numba; no folder to write to
        loop.enable_caching()
