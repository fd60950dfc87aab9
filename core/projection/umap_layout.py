"""The map's arithmetic: UMAP built from its public parts, on plain numpy arrays.

This module must stay importable without torch: the process behind ``core.projection.umap_process`` runs it beside a training
run and should cost neither torch's memory nor its start-up. umap and numba are imported inside the functions that
need them, since they take seconds to import.

Everything is measured by direction: rows are scaled to unit length, and the distance of two rows is the chord
between them, which orders neighbours exactly as the cosine does. The alignment loss holds angles and leaves norms
free, so a map of directions shows what the method controls.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, LabError

Array: TypeAlias = npt.NDArray[np.float32]
Neighbours: TypeAlias = tuple[npt.NDArray[np.int32], Array]

N_NEIGHBORS = 15
MIN_DIST = 0.1  # UMAP's; in map units
FIT_EPOCHS = 200

# A follow frame is a short layout that starts from the previous map, with both ends of an edge moving. Chosen on 70
# frames of a run that forgets a class of MNIST, on a class of digits walking into another, and on 70 frames of rest:
# * one end fixed where it was: drifts little, but a class that should walk 38 % of the span gets 6 % of the way;
# * rate 0.2 is still enough only with STILL at 0.3, and keeps 0.51 of a point's neighbours where 0.1 keeps 0.54;
# * rate 0.05 lags by half the way; 30 epochs are no better, half as slow again, and drift twice as far.
FOLLOW_EPOCHS = 20
FOLLOW_RATE = 0.1
# Negative sampling shakes every point by about this much in each frame, whether or not its representation moved, and
# over 70 frames whole clusters wander by 5 to 10 % of the span. A proposed shift d is therefore shortened to
# d * max(0, 1 - (STILL / |d|)^2): within the noise nothing moves, and a long shift passes nearly whole. That leaves a
# drift of about 1 %, and a map that still moves wherever the neighbours really changed.
STILL = 0.15  # map units; 0.1 leaves 2.3 %

TWIN = 1e-5  # chord under which two rows are one: the float32 noise of a unit vector, with room
_BLOCK = 4096  # rows of the distance matrix held at once
_SPARE = 8  # candidates beyond k, so that rounding in the matrix product cannot cost a true neighbour

# numba's default threading layer aborts the process when two threads enter it at once.
_numba_lock = threading.Lock()


def unit_rows(e: Array) -> Array:
    """Rows of e (N, d) scaled to length 1; rows of zeros stay zero. Finite for every finite input."""
    largest = np.abs(e).max(axis=1, keepdims=True, initial=0.0)
    # Their largest entry first, so that squares can neither overflow nor vanish.
    e = np.divide(e, np.where(largest > 0, largest, 1), dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", e, e))[:, None]
    return np.divide(e, np.where(length > 0, length, 1), dtype=np.float32)


def nearest(unit: Array, k: int) -> Neighbours:
    """Exact k nearest rows of each row of unit (N, d), itself first, then by distance, then by number.

    Returns: indices (N, k) int32 and chord distances (N, k) float32; k must not exceed N.
    """
    n = len(unit)
    half_square = 0.5 * np.einsum("ij,ij->i", unit, unit)
    wanted = min(k + _SPARE, n)
    indices = np.empty((n, k), dtype=np.int32)
    distances = np.empty((n, k), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        score = unit[start : start + _BLOCK] @ unit.T  # (B, N); one block, and numpy computes only half of it
        np.subtract(half_square, score, out=score)  # orders as the distance does
        score[rows - start, rows] = -np.inf
        candidate = np.argpartition(score, wanted - 1, axis=1)[:, :wanted]
        candidate.sort(axis=1)
        exact = _chords(unit, rows, candidate)
        exact[candidate == rows[:, None]] = -1.0
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[rows] = np.take_along_axis(candidate, order, axis=1)
        distances[rows] = np.take_along_axis(exact, order, axis=1)
    distances[:, 0] = 0.0
    return indices, distances


def _chords(unit: Array, rows: npt.NDArray[np.intp], others: npt.NDArray[np.intp]) -> Array:
    """Distance (B, k) of each of ``rows`` (B,) to ``others`` (B, k), entry by entry.

    Taken from the product a.b instead, |a - b| has an error of 3e-4, which would swap near neighbours.
    """
    square = np.empty(others.shape, dtype=np.float32)
    for start in range(0, len(rows), 128):  # what fits the processor's cache
        part = slice(start, start + 128)
        difference = unit[others[part]]  # (128, k, d)
        difference -= unit[rows[part], None]
        square[part] = np.einsum("ijk,ijk->ij", difference, difference)
    return np.sqrt(square)


def twin_groups(unit: Array) -> npt.NDArray[np.intp]:
    """Number of the group (N,) that each row of unit (N, d) belongs to; rows less than TWIN apart share one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    distinct, group = np.unique(unit, axis=0, return_inverse=True)
    exact = distinct.astype(np.float64)  # in float64 the product resolves distances down to 1e-8
    square = np.einsum("ij,ij->i", exact, exact)
    pairs: list[npt.NDArray[np.intp]] = []
    for start in range(0, len(exact), _BLOCK):
        block = slice(start, start + _BLOCK)
        close = square[block, None] + square - 2 * exact[block] @ exact.T < TWIN**2
        pairs.append(np.argwhere(close) + np.array([start, 0]))
    first, second = np.concatenate(pairs).T
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(exact), len(exact)))
    labels: npt.NDArray[np.intp] = connected_components(graph, directed=False)[1][group.reshape(-1)]
    return labels


def fit_layout(e: Array, seed: int) -> Array:
    """A first map (N, 2), centred, of representations e (N, d), by UMAP on exact cosine neighbours.

    Rows that point the same way get one position: a map is a function of the representation.
    Raises: LabError when the layout does not come out finite.
    """
    with _one_thread():
        unit = unit_rows(e)
        neighbours = nearest(unit, min(N_NEIGHBORS, len(unit)))
        group = np.arange(len(unit))
        if len(unit) > 1 and neighbours[1][:, 1].min() < TWIN:
            group = twin_groups(unit)
            unit = unit[np.unique(group, return_index=True)[1]]
            neighbours = nearest(unit, min(N_NEIGHBORS, len(unit)))
        if len(unit) <= 2:  # nothing to lay out: one spot, or two a map unit apart
            positions = np.zeros((len(unit), 2), dtype=np.float32)
            positions[:, 0] = np.arange(len(unit))
        else:
            positions = _umap(unit, neighbours, seed)
        positions = positions[group]
    positions = np.ascontiguousarray(positions - positions.mean(axis=0), dtype=np.float32)
    return _finite(positions)


def follow_layout(previous: Array, e: Array) -> Array:
    """The next map (N, 2) for representations e (N, d), as near to the previous map (N, 2) as its structure allows.

    Exact cosine neighbours -> fuzzy simplicial set -> a short layout from ``previous`` -> rotated and shifted back
    onto it -> shifts within the layout's own noise dropped. Same inputs, same bits; neither input is written to.
    Raises: ConfigError when the shapes do not match, LabError when the layout does not come out finite.
    """
    if previous.shape != (len(e), 2) or len(e) < 3:  # the compiled loop would write past the end
        raise ConfigError(f"a map of shape {previous.shape} cannot be followed by {len(e)} representations")
    with _one_thread():
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import make_epochs_per_sample

        graph = _graph(*nearest(unit_rows(e), min(N_NEIGHBORS, len(e))))
        too_weak = graph.data < graph.data.max() / FOLLOW_EPOCHS  # to be sampled even once
        graph.data[too_weak] = 0
        graph.eliminate_zeros()
        a, b = _curve()
        start = np.array(previous, dtype=np.float32, order="C")
        moved = start.copy()
        optimize_layout_euclidean(  # in place
            moved,
            moved,
            graph.row,
            graph.col,
            FOLLOW_EPOCHS,
            len(start),
            make_epochs_per_sample(graph.data, FOLLOW_EPOCHS),
            a,
            b,
            # Any fixed state will do: UMAP adds each point's position to it.
            np.array([1, 2, 3], dtype=np.int64),
            initial_alpha=FOLLOW_RATE,
            tqdm_kwds={"disable": True},
            move_other=True,
        )
        shift = rigid_align(moved, start) - start
    square = np.einsum("ij,ij->i", shift, shift)[:, None]
    kept = np.maximum(0.0, 1.0 - STILL**2 / np.maximum(square, STILL**2))
    return _finite(np.asarray(start + shift * kept, dtype=np.float32))


def rigid_align(moving: Array, fixed: Array) -> Array:
    """``moving`` (N, 2) rotated and shifted onto ``fixed`` (N, 2), by the points that agree.

    Weights 1 / (r² + median r²) over the residuals r, found again 10 times: up to half of the points are forgotten
    ones on their way somewhere, and must not drag the others along. Neither scaled nor reflected: a map that swells
    should be seen to, and a layout that starts from ``fixed`` cannot have turned over.
    """
    source, target = moving.astype(np.float64), fixed.astype(np.float64)
    weight = np.full(len(source), 1 / len(source))
    aligned = source
    for _ in range(10):
        centre, goal = weight @ source, weight @ target
        u, _, vt = np.linalg.svd((source - centre).T @ ((target - goal) * weight[:, None]))
        handed = np.diag([1.0, 1.0 if np.linalg.det(u @ vt) > 0 else -1.0])
        aligned = (source - centre) @ (u @ handed @ vt) + goal
        square = ((aligned - target) ** 2).sum(axis=1)
        weight = 1 / (square + np.median(square) + 1e-12)
        weight /= weight.sum()
    return aligned.astype(np.float32)


def warm_up() -> None:
    """Compile everything that a fit and a follow frame need (seconds, once per process)."""
    e = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    follow_layout(fit_layout(e, 0), e)


def _umap(unit: Array, neighbours: Neighbours, seed: int) -> Array:
    """UMAP of distinct unit rows (N, d), N >= 3 -> (N, 2); the caller holds ``_one_thread``."""
    from umap.umap_ import simplicial_set_embedding

    random = np.random.RandomState(seed)
    a, b = _curve()
    # The spectral start needs more points than eigenvectors; a handful starts from its principal plane.
    start = "spectral" if len(unit) > N_NEIGHBORS else _principal_plane(unit, random)
    positions, _ = simplicial_set_embedding(
        unit,
        _graph(*neighbours),
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=FIT_EPOCHS,
        init=start,
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        tqdm_kwds={"disable": True},
    )
    return np.asarray(positions, dtype=np.float32)


def _principal_plane(unit: Array, random: np.random.RandomState) -> Array:
    """Coordinates (N, 2) on the first two principal axes, with a little noise so that no axis is flat."""
    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(unit), 2))
    plane[:, : min(2, s.size)] = u[:, :2] * s[:2]
    return np.asarray(plane + random.normal(scale=1e-3, size=plane.shape), dtype=np.float32)


def _graph(indices: npt.NDArray[np.int32], distances: Array) -> Any:
    """UMAP's fuzzy neighbourhood graph (N, N), a scipy coo_matrix, of exact neighbours (N, k), each row's own first."""
    from umap.umap_ import fuzzy_simplicial_set

    unused = np.random.RandomState(0)  # only an approximate neighbour search would draw from it
    graph, _, _ = fuzzy_simplicial_set(
        indices, indices.shape[1], unused, "euclidean", knn_indices=indices, knn_dists=distances
    )  # of its first argument only the length is used
    return graph.tocoo()


@functools.cache
def _curve() -> tuple[float, float]:
    """a and b of UMAP's similarity 1 / (1 + a d^(2b)) on the map, for spread 1 and MIN_DIST."""
    from umap.umap_ import find_ab_params

    a, b = find_ab_params(1.0, MIN_DIST)
    return float(a), float(b)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold the numba lock, with numba, BLAS and OpenMP on one thread, and umap's warnings silenced.

    One thread because sums over several come out in another order: the map would depend on the machine's cores.
    """
    with _numba_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _thread_pools().limit(
            limits=1
        ):  # outside, since numba's first use sets OpenMP, so torch, to all cores
            import numba

            threads = numba.get_num_threads()
            numba.set_num_threads(1)
            try:
                yield
            finally:
                numba.set_num_threads(threads)


@functools.cache
def _thread_pools() -> Any:
    """The BLAS and OpenMP libraries of this process; looking for them takes milliseconds, so only once."""
    import umap.umap_  # noqa: F401  (brings scipy's BLAS in, so that it is found)
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _finite(positions: Array) -> Array:
    if not np.isfinite(positions).all():
        raise LabError("the map could not be laid out: UMAP returned positions that are not numbers")
    return positions
