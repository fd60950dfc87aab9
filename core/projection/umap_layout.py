"""The layout of the map: UMAP from its public parts, on plain numpy arrays.

A follow frame takes 151 ms and drifts 0.05 % of the span; a fresh fit of UMAP takes 1,282 ms and drifts 10 % (docs/performance.md).

This module must stay importable without torch. The process of ``core.projection.umap_process`` runs it beside a training
run, without torch's memory and start-up time. umap and numba take seconds to import, so functions import them.

All distances are between directions. Rows are scaled to unit length, and the distance of two rows is their chord, which
orders neighbours like the cosine. The alignment loss holds angles and not norms, so directions show what LAF controls.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, LabError
from core.projection.single_thread import single_thread

Array: TypeAlias = npt.NDArray[np.float32]
Neighbours: TypeAlias = tuple[npt.NDArray[np.int32], Array]

N_NEIGHBORS = 15
MIN_DIST = 0.1  # UMAP's; in map units
FIT_EPOCHS = 200

# A follow frame is a short layout that starts from the previous map, with both ends of an edge moving. Other settings fail:
# * with one end fixed, a class that should move by 38 % of the span moves by 6 % of that distance;
# * rate 0.2 needs STILL = 0.3 against drift, and keeps 0.51 of a point's neighbours, where rate 0.1 keeps 0.54;
# * rate 0.05 lags by half the distance; 30 epochs take half as long again, drift twice as far and are not better.
FOLLOW_EPOCHS = 20
FOLLOW_RATE = 0.1
# Negative sampling moves every point by about STILL in each frame, even where its representation is still. Over 70 frames
# clusters would drift by 5 to 10 % of the span. A shift d is therefore shortened to d * max(0, 1 - (STILL / |d|)^2):
# shifts within the noise vanish, and long shifts stay. The drift is then about 1 %.
STILL = 0.15  # map units; 0.1 leaves a drift of 2.3 %

TWIN = 1e-5  # rows with a smaller chord are equal; above the float32 noise of a unit vector
_BLOCK = 4096  # rows of the distance matrix in memory
_SPARE = 8  # candidates beyond k, so that rounding in the matrix product loses no neighbour


def unit_rows(e: Array) -> Array:
    """Return the rows of e (N, d) scaled to length 1; rows of zeros stay zero. Finite for every finite input."""
    largest = np.abs(e).max(axis=1, keepdims=True, initial=0.0)
    # Divide by the largest entry first, against overflow and underflow of squares.
    e = np.divide(e, np.where(largest > 0, largest, 1), dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", e, e))[:, None]
    return np.divide(e, np.where(length > 0, length, 1), dtype=np.float32)


def nearest(unit: Array, k: int) -> Neighbours:
    """Return the exact k nearest rows of each row of unit (N, d), itself first, then by distance, then by number.

    Returns: indices (N, k) int32 and chord distances (N, k) float32; k must not exceed N.
    """
    n = len(unit)
    half_square = 0.5 * np.einsum("ij,ij->i", unit, unit)
    wanted = min(k + _SPARE, n)
    indices = np.empty((n, k), dtype=np.int32)
    distances = np.empty((n, k), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        score = unit[start : start + _BLOCK] @ unit.T  # (B, N)
        np.subtract(half_square, score, out=score)  # has the order of the distance
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
    """Return the distances (B, k) of ``rows`` (B,) to ``others`` (B, k), from the differences of the rows.

    From the product a.b, |a - b| would have an error of 3e-4, which swaps near neighbours.
    """
    square = np.empty(others.shape, dtype=np.float32)
    for start in range(0, len(rows), 128):  # fits the processor's cache
        part = slice(start, start + 128)
        difference = unit[others[part]]  # (128, k, d)
        difference -= unit[rows[part], None]
        square[part] = np.einsum("ijk,ijk->ij", difference, difference)
    return np.sqrt(square)


def twin_groups(unit: Array) -> npt.NDArray[np.intp]:
    """Return the group number (N,) of each row of unit (N, d); rows less than TWIN apart share a group."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    distinct, group = np.unique(unit, axis=0, return_inverse=True)
    exact = distinct.astype(np.float64)  # the float64 product resolves distances down to 1e-8
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
    """Return a first map (N, 2), centred, of representations e (N, d), by UMAP on exact cosine neighbours.

    Rows of the same direction get the same position. Raises LabError when the layout is not finite.
    """
    with single_thread():
        unit = unit_rows(e)
        neighbours = nearest(unit, min(N_NEIGHBORS, len(unit)))
        group = np.arange(len(unit))
        if len(unit) > 1 and neighbours[1][:, 1].min() < TWIN:
            group = twin_groups(unit)
            unit = unit[np.unique(group, return_index=True)[1]]
            neighbours = nearest(unit, min(N_NEIGHBORS, len(unit)))
        if len(unit) <= 2:  # one point, or two points at distance 1
            positions = np.zeros((len(unit), 2), dtype=np.float32)
            positions[:, 0] = np.arange(len(unit))
        else:
            positions = _umap(unit, neighbours, seed)
        positions = positions[group]
    positions = np.ascontiguousarray(positions - positions.mean(axis=0), dtype=np.float32)
    return _finite(positions)


def follow_layout(previous: Array, e: Array) -> Array:
    """Return the next map (N, 2) for representations e (N, d), near the previous map (N, 2).

    Steps: exact cosine neighbours, fuzzy simplicial set, a short layout from ``previous``, rigid alignment with
    ``previous``, removal of shifts within the noise of the layout. Reproducible to the bit; the inputs do not change.

    Raises ConfigError when the shapes do not match, LabError when the layout is not finite.
    """
    if previous.shape != (len(e), 2) or len(e) < 3:  # the compiled loop does not check bounds
        raise ConfigError(f"a map of shape {previous.shape} cannot be followed by {len(e)} representations")
    with single_thread():
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import make_epochs_per_sample

        graph = _graph(*nearest(unit_rows(e), min(N_NEIGHBORS, len(e))))
        too_weak = graph.data < graph.data.max() / FOLLOW_EPOCHS  # for one sample
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
            # a fixed random state; UMAP adds each point's position
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
    """Return ``moving`` (N, 2) rotated and shifted onto ``fixed`` (N, 2), without scaling or reflection.

    Ten rounds of weights 1 / (r² + median r²) over the residuals r limit the effect of points that move away.
    Forgotten points do, and may be half of all points.
    """
    source, target = moving.astype(np.float64), fixed.astype(np.float64)
    weight = np.full(len(source), 1 / len(source))
    aligned = source
    for _ in range(10):
        centre, goal = weight @ source, weight @ target
        u, _, vt = np.linalg.svd((source - centre).T @ ((target - goal) * weight[:, None]))
        no_reflection = np.diag([1.0, 1.0 if np.linalg.det(u @ vt) > 0 else -1.0])
        aligned = (source - centre) @ (u @ no_reflection @ vt) + goal
        square = ((aligned - target) ** 2).sum(axis=1)
        weight = 1 / (square + np.median(square) + 1e-12)
        weight /= weight.sum()
    return aligned.astype(np.float32)


def warm_up() -> None:
    """Compile the loops of a fit and of a follow frame (seconds, once per process)."""
    e = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    follow_layout(fit_layout(e, 0), e)


def _umap(unit: Array, neighbours: Neighbours, seed: int) -> Array:
    """Return UMAP's positions (N, 2) of distinct unit rows (N, d), N >= 3. Call it within ``single_thread``."""
    from umap.umap_ import simplicial_set_embedding

    random = np.random.RandomState(seed)
    a, b = _curve()
    # The spectral start needs more points than eigenvectors; fewer points start from their principal plane.
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
    """Return coordinates (N, 2) on the first two principal axes, with a little noise, so that no axis is constant."""
    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(unit), 2))
    plane[:, : min(2, s.size)] = u[:, :2] * s[:2]
    return np.asarray(plane + random.normal(scale=1e-3, size=plane.shape), dtype=np.float32)


def _graph(indices: npt.NDArray[np.int32], distances: Array) -> Any:
    """Return UMAP's fuzzy neighbourhood graph (N, N), a scipy coo_matrix, of neighbours (N, k), each row itself first."""
    from umap.umap_ import fuzzy_simplicial_set

    unused = np.random.RandomState(0)  # only for an approximate neighbour search
    graph, _, _ = fuzzy_simplicial_set(
        indices, indices.shape[1], unused, "euclidean", knn_indices=indices, knn_dists=distances
    )  # uses only the length of its first argument
    return graph.tocoo()


@functools.cache
def _curve() -> tuple[float, float]:
    """Return a and b of UMAP's similarity 1 / (1 + a d^(2b)) on the map, for spread 1 and MIN_DIST."""
    from umap.umap_ import find_ab_params

    a, b = find_ab_params(1.0, MIN_DIST)
    return float(a), float(b)


def _finite(positions: Array) -> Array:
    if not np.isfinite(positions).all():
        raise LabError(
            "the map could not be laid out: UMAP returned positions that are not finite; start again"
        )
    return positions
