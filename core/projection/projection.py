"""The map of the original model's representations, the frame of reference of a run.

``Projection.place`` is the fixed map: it gives the place of a representation on the original's map.
``Projection.follow`` draws the current neighbourhood structure, near the frame before.
Both use directions (cosine), since the alignment loss holds angles and not norms.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import ConfigError
from core.projection import umap_layout
from core.projection.umap_layout import N_NEIGHBORS, TWIN
from core.runtime import seeding

Array: TypeAlias = npt.NDArray[np.float32]
ArrayLike: TypeAlias = Tensor | npt.NDArray[Any]

ANCHORS = 2000  # points that a larger map searches for neighbours
_BLOCK = 512  # rows placed at once, so that their distances fit the processor's cache
_EXACT_BELOW = 0.01  # squared chord, below which the rounding of the matrix product (3e-7) matters
_COINCIDENT = 1e-16  # added to squared chords, so that the weight of a coincident row is finite but dominates
_FLOOR_STEPS = 5


class UmapBackend(Protocol):
    """The layout of maps, in this process or in a child (``core.projection.umap_process.UmapProcess``)."""

    def fit(self, e: Array, seed: int) -> Array:
        """Return a first map (N, 2) of representations e (N, d)."""
        ...

    def follow(self, previous: Array, e: Array) -> Array:
        """Return the next map (N, 2) after ``previous`` (N, 2) for representations e (N, d)."""
        ...


class InProcessUmap:
    """UMAP in this process. Its compiled loops hold the GIL, which slows training beside it to a third."""

    def fit(self, e: Array, seed: int) -> Array:
        """Return a first map (N, 2) of representations e (N, d)."""
        return umap_layout.fit_layout(e, seed)

    def follow(self, previous: Array, e: Array) -> Array:
        """Return the next map (N, 2) after ``previous`` (N, 2) for representations e (N, d)."""
        return umap_layout.follow_layout(previous, e)


class Placement(NamedTuple):
    """The places of representations on the fixed map."""

    positions: Array  # (M, 2), map units
    off_map: Array  # (M,), distance to the nearest original representation, in neighbour distances


class NoiseFloor(NamedTuple):
    """Mean apparent move of a point in one frame while its representation is still, in fractions of span."""

    fixed: float
    follow: float


@dataclass(frozen=True, eq=False, repr=False)
class Projection:
    """The map of the original model. It is immutable, with read-only arrays; threads and sessions can share it.

    Make a map with ``fit`` or ``from_state``.
    """

    representations: Array  # (N, d), of the original model
    positions: Array  # (N, 2), map units, centred
    umap: UmapBackend
    span: float = field(init=False)  # the map's larger extent, map units
    neighbour_distance: float = field(init=False)  # median chord from an original to its nearest other one
    _unit: Tensor = field(init=False)  # (N, d), rows of length 1
    _half_square: Tensor = field(init=False)  # (A,), of the anchors
    _positions: Tensor = field(init=False)  # (N, 2)
    _anchors: Tensor | None = field(init=False)  # (ANCHORS,) rows; None: all rows
    _near: Tensor = field(init=False)  # (A, d), unit rows of the anchors

    def __post_init__(self) -> None:
        e0, positions = self.representations.copy(), self.positions.copy()
        e0.setflags(write=False)
        positions.setflags(write=False)
        unit = umap_layout.unit_rows(e0)
        chords = umap_layout.nearest(unit, min(N_NEIGHBORS, len(unit)))[1]  # (N, k)
        nearest_other = np.where(chords < TWIN, np.inf, chords).min(axis=1)  # twins count as the same point
        nearest_other = nearest_other[np.isfinite(nearest_other)]
        derived: dict[str, Any] = {
            "representations": e0,
            "positions": positions,
            "span": float(np.ptp(positions, axis=0).max()) or 1.0,  # 1 where all points coincide
            "neighbour_distance": float(np.median(nearest_other)) if nearest_other.size else 1.0,
            "_unit": torch.from_numpy(unit),
            "_half_square": torch.from_numpy(0.5 * np.einsum("ij,ij->i", unit, unit)),
            "_positions": torch.from_numpy(positions.copy()),
            "_anchors": None,
        }
        derived["_near"] = derived["_unit"]
        if len(unit) > ANCHORS:
            order = torch.randperm(len(unit), generator=seeding.generator(0, "map", "anchors"))
            anchors = order[:ANCHORS].sort().values
            derived |= {"_anchors": anchors, "_near": derived["_unit"][anchors]}
            derived["_half_square"] = derived["_half_square"][anchors]
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        n, d = self.representations.shape
        return f"Projection(n={n}, d={d}, span={self.span:.3g})"

    @property
    def n(self) -> int:
        """Number of points on the map."""
        return len(self.positions)

    @classmethod
    def fit(cls, e0: ArrayLike, *, seed: int = 0, umap: UmapBackend | None = None) -> Projection:
        """Lay out the original model's representations e0 (N, d); about a second for 2,000 points.

        Raises ConfigError for fewer than 3 points, numbers that are not finite, or a seed outside [0, 2^32).
        """
        e0 = _rows(e0, "representations")
        if len(e0) < 3 or e0.shape[1] < 1:
            raise ConfigError(f"a map needs at least 3 points of at least 1 dimension, got shape {e0.shape}")
        if not 0 <= seed < 2**32:
            raise ConfigError(f"the seed of a map must be in [0, 2^32), got {seed}")
        backend = InProcessUmap() if umap is None else umap
        return cls(e0, backend.fit(e0, seed), backend)

    def place(self, e: ArrayLike) -> Placement:
        """Return the places of representations e (M, d) on the fixed map.

        A position is the mean of the map positions of the 15 originals nearest in angle, weighted by 1 / chord².
        An original's own representation gives its own position, also where ``fit`` gave several originals (chord < 1e-5)
        the same position. A map of more than ``ANCHORS`` points searches that many of them, drawn once at random. If e has
        a row for each point of the map, it also searches the point's own original. A row of zeros has no direction; its
        position has no meaning, and its ``off_map`` is large. Runs on the CPU, in torch, without the GIL.

        Raises ConfigError for another width than the map's, or numbers that are not finite.
        """
        rows = _rows(e, "representations")
        width = self.representations.shape[1]
        if rows.shape[1] != width:
            raise ConfigError(f"the map has representations of width {width}, got {rows.shape[1]}")
        unit = torch.from_numpy(umap_layout.unit_rows(rows))
        positions = torch.empty(len(unit), 2)
        off_map = torch.empty(len(unit))
        for start in range(0, len(unit), _BLOCK):
            block = slice(start, start + _BLOCK)
            own = None if self._anchors is None or len(unit) != self.n else torch.arange(self.n)[block]
            positions[block], off_map[block] = self._place(unit[block], own)
        return Placement(positions.numpy(), off_map.numpy())

    def _place(self, unit: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return positions (B, 2) and off_map (B,) of unit rows (B, d); ``own`` (B,) are points to search too, if any."""
        score = torch.addmm(self._half_square, unit, self._near.T, beta=-1)  # (B, A): (|a|² - |a - b|²) / 2
        best, index = score.topk(min(N_NEIGHBORS, len(self._near)), dim=1, sorted=False)
        index = index if self._anchors is None else self._anchors[index]
        square = (unit.square().sum(1, keepdim=True) - 2 * best).clamp_min(0)  # (B, k)
        row, column = (square < _EXACT_BELOW).nonzero(as_tuple=True)
        square[row, column] = (unit[row] - self._unit[index[row, column]]).square().sum(1)
        if own is not None:
            square[index == own[:, None]] = float("inf")  # not counted twice
            square = torch.cat([square, (unit - self._unit[own]).square().sum(1, keepdim=True)], 1)
            index = torch.cat([index, own[:, None]], 1)
        weight = 1 / (square + _COINCIDENT)
        weight /= weight.sum(1, keepdim=True)
        positions = (self._positions[index] * weight[..., None]).sum(1)
        return positions, square.amin(1).sqrt() / self.neighbour_distance

    def follow(self, previous: ArrayLike, e: ArrayLike) -> Array:
        """Return the next map (N, 2) after ``previous`` (N, 2) for representations e (N, d') of the same N images.

        It is a short layout from ``previous``; see ``umap_layout.follow_layout``. It is reproducible to the bit, and the
        inputs do not change. After a jump to another model, about 10 calls let the map settle.

        Raises ConfigError for another shape than the map's or numbers that are not finite, LabError when the layout fails.
        """
        before, rows = _rows(previous, "the previous map"), _rows(e, "representations")
        if before.shape != (self.n, 2) or len(rows) != self.n or rows.shape[1] < 1:
            raise ConfigError(
                f"the map has {self.n} points, got a previous map of shape {before.shape} "
                f"and representations of shape {rows.shape}"
            )
        return self.umap.follow(before, rows)

    def noise_floor(self) -> NoiseFloor:
        """Return the noise of both modes, measured on still representations once (about a second), then cached.

        For ``follow`` it is the largest mean of 5 frames.
        """
        return self._noise_floor

    @functools.cached_property
    def _noise_floor(self) -> NoiseFloor:
        fixed = _drift(self.place(self.representations).positions, self.positions)
        now, steps = self.positions, []
        for _ in range(_FLOOR_STEPS):
            now, before = self.follow(now, self.representations), now
            steps.append(_drift(now, before))
        return NoiseFloor(fixed / self.span, max(steps) / self.span)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that ``from_state`` needs, for an npz or safetensors file."""
        state: dict[str, npt.NDArray[Any]] = {
            "representations": self.representations.copy(),
            "positions": self.positions.copy(),
        }
        if "_noise_floor" in self.__dict__:  # only after its measurement
            state["noise_floor"] = np.array(self._noise_floor, dtype=np.float64)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike], *, umap: UmapBackend | None = None) -> Projection:
        """Return the map whose ``state`` is given. Raises ConfigError when the arrays do not make a map."""
        missing = {"representations", "positions"} - set(state)
        if missing:
            raise ConfigError(f"the saved map lacks {' and '.join(sorted(missing))}")
        e0, positions = (_rows(state[name], f"the saved {name}") for name in ("representations", "positions"))
        if len(e0) < 3 or e0.shape[1] < 1 or positions.shape != (len(e0), 2):
            raise ConfigError(f"the saved map has representations {e0.shape} and positions {positions.shape}")
        projection = cls(e0, positions, InProcessUmap() if umap is None else umap)
        if "noise_floor" in state:
            floor = np.asarray(state["noise_floor"], dtype=np.float64)
            if floor.shape != (2,) or not np.isfinite(floor).all():
                raise ConfigError(f"the saved map's noise_floor must be two numbers, got {floor}")
            projection.__dict__["_noise_floor"] = NoiseFloor(*floor.tolist())
        return projection


def orthogonal_align(
    e: ArrayLike, e0: ArrayLike, rows_fit: ArrayLike, rows_check: ArrayLike
) -> tuple[Array, float]:
    """Rotate representations e (N, d) into the coordinates of e0 (N, d0), and measure the fit on other rows.

    A model from other initial weights has other coordinates, so it cannot be on the map without this rotation.
    The rotation (or reflection) R maximises Σ cos(e_i R, e0_i) over ``rows_fit`` and keeps all angles and norms of e.
    For d > d0 it drops dimensions. ``rows_fit`` and ``rows_check`` should be two halves of D_r.

    Returns: (e R (N, d0) float32, mean cos(e_i R, e0_i) over ``rows_check``, in [-1, 1]).

    Raises ConfigError for different numbers of rows, and for rows that are empty, outside [0, N) or in both halves.
    """
    source, target = _rows(e, "representations"), _rows(e0, "the original's representations")
    if len(source) != len(target):
        raise ConfigError(f"both models must be given the same images, got {len(source)} and {len(target)}")
    fit, check = (_indices(rows, len(source)) for rows in (rows_fit, rows_check))
    if np.intersect1d(fit, check).size:
        raise ConfigError("rows_fit and rows_check must not share a row")
    a, b = (umap_layout.unit_rows(rows).astype(np.float64) for rows in (source, target))
    u, _, vt = np.linalg.svd(a[fit].T @ b[fit], full_matrices=False)
    rotation = u @ vt  # (d, d0)
    held_out = float(np.einsum("ij,ij->i", a[check] @ rotation, b[check]).mean())
    return np.asarray(source.astype(np.float64) @ rotation, dtype=np.float32), held_out


def _drift(a: Array, b: Array) -> float:
    """Return the mean distance between the points of two maps (N, 2), in map units."""
    return float(np.linalg.norm(a - b, axis=1).mean())


def _rows(values: ArrayLike, name: str) -> Array:
    """Return ``values`` as a finite float32 array of rows on the CPU. Raises ConfigError for anything else."""
    try:
        if isinstance(values, Tensor):
            values = values.detach().to("cpu", torch.float32).numpy()
        with np.errstate(over="ignore"):  # too large numbers become infinite, which is refused below
            rows = np.ascontiguousarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be rows of numbers: {error}") from error
    if rows.ndim != 2:
        raise ConfigError(f"{name} must have 2 axes (points, dimensions), got shape {rows.shape}")
    if not np.isfinite(rows).all():
        broken = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ConfigError(f"{name} must be finite numbers; row {broken} is not")
    return rows


def _indices(rows: ArrayLike, n: int) -> npt.NDArray[np.intp]:
    """Return row numbers as a 1-d integer array inside [0, n). Raises ConfigError for anything else."""
    numbers = np.asarray(rows.cpu() if isinstance(rows, Tensor) else rows)
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer) or not numbers.size:
        raise ConfigError(f"rows must be a list of row numbers, got shape {numbers.shape} of {numbers.dtype}")
    if numbers.min() < 0 or numbers.max() >= n:
        raise ConfigError(f"rows must be in [0, {n}), got {numbers.min()} to {numbers.max()}")
    return numbers.astype(np.intp)
