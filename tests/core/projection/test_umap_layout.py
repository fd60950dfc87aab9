"""The first map and the follow map: against fresh UMAP fits, and for stillness."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from core.errors import LabError
from core.projection import umap_layout
from core.projection.projection import InProcessUmap, Projection
from tests.core.projection.points import STILL, blobs, unit


# The first map
def test_the_map_is_centred_read_only_and_its_own(digits):
    e0 = digits[:60].copy()
    projection = Projection.fit(e0)
    np.testing.assert_allclose(projection.positions.mean(0), 0, atol=1e-4 * projection.span)
    assert projection.positions.dtype == np.float32
    assert projection.span == pytest.approx(np.ptp(projection.positions, axis=0).max())
    with pytest.raises(ValueError, match="read-only"):
        projection.positions[0] = 0
    before = projection.place(digits[:60]).positions
    e0[:] = 1  # the caller's array is the caller's
    np.testing.assert_array_equal(projection.place(digits[:60]).positions, before)


def test_the_map_is_as_trustworthy_as_umap_on_its_own(fitted, digits):
    import umap

    distance, index = NearestNeighbors(n_neighbors=15).fit(unit(digits)).kneighbors(unit(digits))
    theirs = umap.UMAP(
        n_neighbors=15,
        min_dist=0.1,
        n_epochs=200,
        random_state=0,
        n_jobs=1,
        precomputed_knn=(index.astype(np.int32), distance.astype(np.float32), None),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that such a map has no transform
        reference = theirs.fit_transform(unit(digits))
    ours, expected = (trustworthiness(unit(digits), m, n_neighbors=15) for m in (fitted.positions, reference))
    assert ours >= 0.995 * expected


def test_a_seed_names_a_map():
    e = blobs()
    first, again, other = (Projection.fit(e, seed=s).positions for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_global_generators_neither_change_the_map_nor_are_changed_by_it():
    e = blobs()
    expected = Projection.fit(e).positions
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    projection = Projection.fit(e)
    projection.follow(projection.positions, e)
    np.testing.assert_array_equal(projection.positions, expected)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has nothing to change")
def test_laying_out_a_map_leaves_the_number_of_threads_alone():
    """In a fresh process: numba's first use is what sets OpenMP, and with it torch, to all cores."""
    code = (
        "import torch, core.projection.umap_layout as layout\ntorch.set_num_threads(1)\n"
        "with layout.single_thread():\n import numba; numba.get_num_threads()\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("n", [3, 4, 5, 8, 14, 15, 16, 17, 40])
def test_small_maps_work(n):
    e = blobs(n)
    projection = Projection.fit(e)
    assert projection.positions.shape == (n, 2)
    assert (
        np.linalg.norm(projection.place(e).positions - projection.positions, axis=1).max()
        <= STILL * projection.span
    )
    assert np.isfinite(projection.follow(projection.positions, e)).all()


def test_twins_share_one_position_and_keep_it():
    e = blobs(60)
    e = np.concatenate([e, e[:20], e[:5] * np.float32(3.3), np.repeat(e[7:8], 40, axis=0)])
    projection = Projection.fit(e)
    np.testing.assert_array_equal(projection.positions[60:80], projection.positions[:20])
    np.testing.assert_array_equal(projection.positions[80:85], projection.positions[:5])
    np.testing.assert_array_equal(projection.positions[85:], np.repeat(projection.positions[7:8], 40, axis=0))
    placed = projection.place(e)
    assert np.linalg.norm(placed.positions - projection.positions, axis=1).max() <= STILL * projection.span
    assert placed.off_map.max() < 1e-4
    assert projection.neighbour_distance > 0.01  # of distinct points; the twins are no neighbours


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(hnp.arrays(np.float32, st.tuples(st.integers(3, 30), st.integers(1, 3)), elements=st.integers(-2, 2)))
def test_any_coarse_data_gives_a_finite_map_that_stands_still(e):
    """Few whole numbers: full of twins, zero rows, straight lines and separate groups."""
    projection = Projection.fit(e)
    assert np.isfinite(projection.positions).all()
    moved = np.linalg.norm(projection.place(e).positions - projection.positions, axis=1)
    assert moved.max() <= STILL * projection.span
    assert np.isfinite(projection.follow(projection.positions, e)).all()


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(2, 50), st.integers(1, 4)), elements=st.integers(-3, 3)),
    st.data(),
)
def test_neighbours_are_the_exact_ones(e, data):
    rows = umap_layout.unit_rows(e)
    k = data.draw(st.integers(1, len(e)))
    index, distance = umap_layout.nearest(rows, k)
    true = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=2)
    np.testing.assert_array_equal(index[:, 0], np.arange(len(e)))
    np.testing.assert_allclose(distance, np.take_along_axis(true, index, axis=1), atol=1e-6)
    np.testing.assert_allclose(np.sort(distance, axis=1), np.sort(true, axis=1)[:, :k], atol=1e-6)
    assert all(len(set(row)) == k for row in index.tolist())


def test_neighbours_are_exact_across_blocks(digits, monkeypatch):
    monkeypatch.setattr(umap_layout, "_BLOCK", 500)
    rows = umap_layout.unit_rows(digits)
    index, _ = umap_layout.nearest(rows, 15)
    true = 2 - 2 * rows.astype(np.float64) @ rows.astype(np.float64).T
    np.fill_diagonal(true, -1)
    worst = np.take_along_axis(true, index, axis=1).max(1)
    np.testing.assert_allclose(worst, np.sort(true, axis=1)[:, 14], atol=1e-6)


# Follow
def test_follow_repeats_to_the_bit_and_writes_to_nothing(fitted, digits):
    e = digits + np.random.default_rng(0).normal(0, 0.05, digits.shape).astype(np.float32)
    previous, e_before = fitted.positions.copy(), e.copy()
    first, again = fitted.follow(previous, e), fitted.follow(previous, e)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(previous, fitted.positions)
    np.testing.assert_array_equal(e, e_before)
    assert first.dtype == np.float32
    assert not np.array_equal(first, previous)


@pytest.mark.slow
def test_still_points_do_not_wander_over_40_frames(fitted, digits):
    """Half of them rest; the others tremble by a sixth of a neighbour distance, and so make the graph change."""
    rng = np.random.default_rng(0)
    tremble = np.zeros_like(digits)
    now, steps = fitted.positions, []
    for _ in range(40):
        tremble[::2] = rng.normal(0, 0.02, digits[::2].shape)
        now, before = fitted.follow(now, digits + tremble), now
        steps.append(np.linalg.norm(now - before, axis=1).mean() / fitted.span)
    assert max(steps) <= 0.01
    assert np.linalg.norm(now - fitted.positions, axis=1).mean() / fitted.span <= 0.02
    assert np.ptp(now, axis=0).max() == pytest.approx(fitted.span, rel=0.05)


def kept(e, positions, rows):
    """Share of the 15 nearest by angle that are among the 15 nearest on the map."""
    chord = 2 - 2 * unit(e)[rows] @ unit(e).T
    apart = np.linalg.norm(positions[rows, None] - positions[None], axis=2)
    near, drawn = (np.argsort(d, axis=1)[:, 1:16] for d in (chord, apart))
    return np.mean([np.isin(a, b).mean() for a, b in zip(near, drawn, strict=True)])


@pytest.mark.slow
def test_follow_keeps_up_with_a_class_that_walks_into_another(fitted, digits):
    """Zeros become ones in 40 frames: the map is then as good as one fitted for it alone, and the others stayed put."""
    y = load_digits().target
    zero = np.flatnonzero(y == 0)
    goal = digits[np.random.default_rng(0).choice(np.flatnonzero(y == 1), len(zero))]
    now = fitted.positions
    for t in np.linspace(0, 0.9, 41)[1:]:
        e = digits.copy()
        e[zero] = (1 - t) * digits[zero] + t * goal
        now = fitted.follow(now, e)
    fresh = Projection.fit(e).positions
    ours, expected = (trustworthiness(unit(e), m, n_neighbors=15) for m in (now, fresh))
    assert ours >= 0.98 * expected
    assert kept(e, now, zero) >= 0.8 * kept(e, fresh, zero)
    moved = np.linalg.norm(now - fitted.positions, axis=1) / fitted.span
    assert np.median(moved[zero]) >= 0.1
    assert (
        np.median(moved[np.isin(y, (2, 3, 4, 5, 6, 7, 9))]) <= 0.02
    )  # ones and eights are where the zeros arrive


@pytest.mark.parametrize("degrees", [0, 37, 180])
def test_rigid_align_undoes_a_turn_and_a_shift(degrees):
    fixed = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    a = np.deg2rad(degrees)
    turned = fixed @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) + (5, -3)
    np.testing.assert_allclose(umap_layout.rigid_align(turned.astype(np.float32), fixed), fixed, atol=1e-5)


def test_rigid_align_goes_by_the_points_that_rest():
    rng = np.random.default_rng(0)
    fixed = rng.normal(size=(100, 2)).astype(np.float32)
    moving = fixed + np.float32(0.5)
    moving[:45] += rng.normal(3, 1, (45, 2)).astype(np.float32)  # nearly half of them walk away together
    np.testing.assert_allclose(umap_layout.rigid_align(moving, fixed)[45:], fixed[45:], atol=0.01)


def test_rigid_align_never_mirrors():
    fixed = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    aligned = umap_layout.rigid_align(fixed * np.array([-1, 1], dtype=np.float32), fixed)
    area = [np.linalg.det(m[1:3] - m[0]) for m in (fixed, aligned)]
    assert np.sign(area[0]) == -np.sign(area[1])  # still the mirror image it was


def test_two_threads_may_lay_out_maps_at_once():
    e, results = blobs(200), {}
    expected = Projection.fit(e).positions

    def work(i):
        projection = Projection.fit(e)
        results[i] = (projection.positions, projection.follow(projection.positions, e))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for positions, followed in results.values():
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(followed, results[0][1])


def test_a_layout_that_is_not_finite_is_an_error(monkeypatch):
    monkeypatch.setattr(umap_layout, "_umap", lambda unit, *_: np.full((len(unit), 2), np.nan, np.float32))
    with pytest.raises(LabError, match="not finite"):
        InProcessUmap().fit(blobs(), 0)
