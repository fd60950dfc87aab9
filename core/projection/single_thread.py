"""A context manager that runs numba, BLAS and OpenMP on one thread. This module must stay importable without torch."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.projection.umap_loops import load_umap

# numba's default threading layer aborts the process when two threads enter it at once.
_numba_lock = threading.Lock()


@contextmanager
def single_thread() -> Iterator[None]:
    """Hold the numba lock, with numba, BLAS and OpenMP on one thread and umap's warnings silenced.

    Sums over several threads have another order, so the map would depend on the number of cores.
    """
    with _numba_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The outer limit comes first, since numba's first use sets OpenMP, and with it torch, to all cores.
        with _thread_pools().limit(limits=1):
            import numba

            threads = numba.get_num_threads()
            numba.set_num_threads(1)
            try:
                yield
            finally:
                numba.set_num_threads(threads)


@functools.cache
def _thread_pools() -> Any:
    """Return the controller of this process's BLAS and OpenMP libraries; cached, since the search takes milliseconds."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    load_umap()  # loads scipy's BLAS, so that the search finds it
    return ThreadpoolController()
