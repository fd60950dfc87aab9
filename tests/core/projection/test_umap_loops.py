"""UMAP's compiled loops come from disk in a second process."""

from __future__ import annotations

import importlib

import numba
import pytest

from core.projection import umap_layout
from core.projection.umap_loops import _LOOPS, _keep, load_umap


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in _LOOPS.items() for n in names])
def test_numba_looks_on_disk_for_each_loop_of_a_map(module, name):
    load_umap()
    umap_layout.warm_up()
    stats = getattr(importlib.import_module(module), name).stats  # an upgrade of UMAP may rename a loop
    assert stats.cache_path is not None
    assert sum(stats.cache_hits.values()) + sum(stats.cache_misses.values()) > 0


def test_a_kept_loop_is_compiled_once_and_then_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def twice(x: int) -> int:
        return 2 * x

    first, second = numba.njit(twice), numba.njit(twice)  # as in two processes
    _keep(first)
    _keep(second)
    assert (first(21), second(21)) == (42, 42)
    assert sum(first.stats.cache_misses.values()) == 1
    assert (sum(second.stats.cache_hits.values()), sum(second.stats.cache_misses.values())) == (1, 0)


def test_what_is_no_loop_is_left_alone():
    _keep(None)
    _keep(len)
