"""The fixed map against a plain formula; saved maps, refused input, and the coordinates of other models."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits

from core.errors import ConfigError
from core.projection.projection import ANCHORS, NoiseFloor, Projection, orthogonal_align
from tests.core.projection.points import STILL, blobs, unit


class Plane:
    """A backend that lays out nothing: the first two coordinates are the map."""

    def fit(self, e, seed):
        return np.ascontiguousarray(np.resize(e, (len(e), 2)) if e.shape[1] < 2 else e[:, :2])

    def follow(self, previous, e):
        return previous + np.float32(0.01)


# The fixed map
def test_place_matches_the_plain_formula(fitted, digits):
    rng = np.random.default_rng(1)
    e = digits[rng.permutation(len(digits))[:200]] + rng.normal(0, 0.1, (200, 64)).astype(np.float32)
    chord = np.linalg.norm(unit(e)[:, None] - unit(digits)[None], axis=2)  # (200, 1797)
    expected = np.empty((200, 2))
    for i, row in enumerate(chord):
        near = np.argsort(row)[:15]
        expected[i] = np.average(fitted.positions[near], axis=0, weights=row[near] ** -2.0)
    placed = fitted.place(e)
    fifteenth, next_one = np.sort(chord, axis=1)[:, 14:16].T
    clear = next_one - fifteenth > 1e-5  # elsewhere rounding decides which of two is the fifteenth
    assert clear.mean() > 0.9
    np.testing.assert_allclose(placed.positions[clear], expected[clear], atol=STILL * fitted.span)
    np.testing.assert_allclose(placed.off_map, chord.min(1) / fitted.neighbour_distance, rtol=1e-3, atol=1e-3)


def test_the_originals_stand_still(fitted, digits):
    placed = fitted.place(digits)
    assert np.linalg.norm(placed.positions - fitted.positions, axis=1).max() <= STILL * fitted.span
    assert placed.off_map.max() == 0


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 7.0, 1e30])
def test_place_sees_directions_and_no_norms(fitted, digits, scale):
    placed = fitted.place(digits * np.float32(scale))
    assert np.linalg.norm(placed.positions - fitted.positions, axis=1).max() <= STILL * fitted.span


def test_a_row_is_placed_the_same_alone_and_among_others(fitted, digits):
    e = digits[:40] * 0.9 + digits[40:80] * 0.1
    together = fitted.place(e)
    alone = np.concatenate([fitted.place(row[None]).positions for row in e])
    np.testing.assert_allclose(alone, together.positions, atol=STILL * fitted.span)


def test_place_takes_any_number_of_rows_as_tensor_or_array(fitted, digits):
    from_array, from_tensor = fitted.place(digits[:3]), fitted.place(torch.from_numpy(digits[:3].copy()))
    np.testing.assert_array_equal(from_array.positions, from_tensor.positions)
    double = torch.tensor(digits[:3].copy(), dtype=torch.float64, requires_grad=True)
    np.testing.assert_array_equal(fitted.place(double).positions, from_array.positions)
    nothing = fitted.place(digits[:0])
    assert nothing.positions.shape == (0, 2)
    assert nothing.off_map.shape == (0,)


def test_off_map_grows_on_the_way_between_two_classes(fitted, digits):
    y = load_digits().target
    zeros, ones = digits[y == 0][:100], digits[y == 1][:100]
    off = [np.median(fitted.place((1 - t) * zeros + t * ones).off_map) for t in (0.0, 0.2, 0.5)]
    assert off[0] == 0
    assert off[0] < off[1] < off[2]


def test_a_row_of_zeros_is_finite_and_far_off_the_map(fitted):
    placed = fitted.place(np.zeros((1, 64), dtype=np.float32))
    assert np.isfinite(placed.positions).all()
    np.testing.assert_allclose(placed.off_map, 1 / fitted.neighbour_distance, rtol=1e-4)


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(deadline=None, max_examples=150)
@given(
    e0=hnp.arrays(np.float32, st.tuples(st.integers(3, 24), st.integers(1, 5)), elements=finite),
    data=st.data(),
)
def test_place_is_finite_and_stays_within_the_map(e0, data):
    e = data.draw(hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(e0.shape[1])), elements=finite))
    placed = Projection.fit(np.clip(e0, -1e15, 1e15), umap=Plane()).place(e)
    positions = np.clip(Plane().fit(e0, 0), -1e15, 1e15)
    room = 1e-5 * np.abs(positions).max() + 1e-30
    assert (placed.positions >= positions.min(0) - room).all()
    assert (placed.positions <= positions.max(0) + room).all()
    assert np.isfinite(placed.off_map).all()
    assert (placed.off_map >= 0).all()


def test_noise_floor_is_what_still_points_show():
    projection = Projection.fit(blobs(), umap=Plane())
    floor = projection.noise_floor()
    assert floor.fixed == pytest.approx(0, abs=STILL)
    assert floor.follow == pytest.approx(0.01 * np.sqrt(2) / projection.span, rel=1e-3)
    assert projection.noise_floor() is floor


def test_noise_floor_of_real_data_is_small_and_not_zero(fitted):
    floor = fitted.noise_floor()
    assert floor.fixed <= STILL
    assert 0 < floor.follow <= 0.01


# Saved and loaded
@pytest.mark.parametrize("measured", [False, True])
def test_a_saved_map_comes_back_the_same(measured):
    e = blobs()
    projection = Projection.fit(e)
    if measured:
        projection.noise_floor()
    file = io.BytesIO()
    np.savez(file, **projection.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        again = Projection.from_state(archive)
    np.testing.assert_array_equal(again.positions, projection.positions)
    assert (again.span, again.neighbour_distance, again.n) == (
        projection.span,
        projection.neighbour_distance,
        projection.n,
    )
    moved = e + np.float32(0.3)
    for ours, theirs in zip(again.place(moved), projection.place(moved), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.noise_floor() == projection.noise_floor()


def test_a_saved_noise_floor_is_not_measured_again():
    projection = Projection.fit(blobs(), umap=Plane())
    state = projection.state() | {"noise_floor": np.array([0.25, 0.5])}
    assert Projection.from_state(state, umap=Plane()).noise_floor() == NoiseFloor(0.25, 0.5)


# What is refused
@pytest.mark.parametrize(
    ("e0", "says"),
    [
        (np.zeros((2, 4), np.float32), "at least 3 points"),
        (np.zeros((5, 0), np.float32), "at least 1 dimension"),
        (np.zeros(5, np.float32), "2 axes"),
        (np.zeros((5, 2, 2), np.float32), "2 axes"),
        (np.array([[1, 2], [3, np.nan], [5, 6]]), "row 1 is not"),
        (np.array([[1, 2], [3, 4], [np.inf, 6]]), "row 2 is not"),
        (np.array([[1, 2], [3, 4], [1e300, 6]]), "row 2 is not"),
        (np.array([["a", "b"]] * 4), "rows of numbers"),
    ],
)
def test_fit_refuses_what_is_no_representation(e0, says):
    with pytest.raises(ConfigError, match=says):
        Projection.fit(e0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_fit_refuses_a_seed_that_umap_cannot_take(seed):
    with pytest.raises(ConfigError, match="seed"):
        Projection.fit(blobs(), seed=seed)


def test_place_and_follow_refuse_what_does_not_fit_the_map():
    e = blobs()
    projection = Projection.fit(e, umap=Plane())
    broken = e.copy()
    broken[4, 2] = np.nan
    with pytest.raises(ConfigError, match="width 12, got 11"):
        projection.place(e[:, :11])
    with pytest.raises(ConfigError, match="row 4 is not"):
        projection.place(broken)
    with pytest.raises(ConfigError, match="120 points"):
        projection.follow(projection.positions, e[:50])
    with pytest.raises(ConfigError, match="120 points"):
        projection.follow(projection.positions[:50], e)
    with pytest.raises(ConfigError, match="row 4 is not"):
        projection.follow(projection.positions, broken)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"positions": np.zeros((7, 2))}, "positions"),
        ({"positions": np.full((120, 2), np.nan)}, "row 0 is not"),
        ({"representations": np.zeros((2, 3))}, "representations"),
        ({"noise_floor": np.zeros(3)}, "noise_floor"),
        ({"positions": None}, "lacks positions"),
    ],
)
def test_a_broken_saved_map_is_refused(change, says):
    state = Projection.fit(blobs(), umap=Plane()).state() | change
    with pytest.raises(ConfigError, match=says):
        Projection.from_state({name: value for name, value in state.items() if value is not None})


# Another model's coordinates
def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def test_align_finds_the_rotation_between_two_models():
    e0 = blobs(200)
    e = (e0 @ rotation(12)).astype(np.float32) * np.linspace(0.5, 2, 200, dtype=np.float32)[:, None]
    aligned, fit = orthogonal_align(e, torch.from_numpy(e0), np.arange(80), torch.arange(80, 160))
    np.testing.assert_allclose(unit(aligned), unit(e0), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(aligned, axis=1), np.linalg.norm(e, axis=1), rtol=1e-5)
    assert fit == pytest.approx(1, abs=1e-6)


def test_align_is_judged_on_rows_it_did_not_see():
    rng = np.random.default_rng(0)
    e, e0 = (rng.normal(size=(60, 40)).astype(np.float32) for _ in range(2))  # nothing in common
    aligned, fit = orthogonal_align(e, e0, np.arange(30), np.arange(30, 60))
    seen = (unit(aligned[:30]) * unit(e0[:30])).sum(1).mean()
    assert seen > 0.5
    assert abs(fit) < 0.2
    assert fit == pytest.approx((unit(aligned[30:]) * unit(e0[30:])).sum(1).mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("fit", "check", "says"),
    [
        ([0, 1, 2], [2, 3], "share"),
        ([], [1], "row numbers"),
        ([0.5], [1], "row numbers"),
        ([-1], [1], r"\[0, 120\)"),
        ([0], [120], r"\[0, 120\)"),
    ],
)
def test_align_refuses_bad_rows(fit, check, says):
    with pytest.raises(ConfigError, match=says):
        orthogonal_align(blobs(), blobs(), np.array(fit), np.array(check))


def test_align_refuses_other_images():
    with pytest.raises(ConfigError, match="same images"):
        orthogonal_align(blobs(), blobs()[1:], np.arange(5), np.arange(5, 9))


def test_align_finds_a_narrow_representation_in_a_wide_one():
    """Columns of zeros and a rotation: the fit is whole, and angles stay."""
    narrow = blobs()
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(narrow.shape[1] + 3,) * 2))[0]
    wide = np.pad(narrow, ((0, 0), (0, 3))) @ rotation
    n = len(narrow) // 2
    turned, fit = orthogonal_align(narrow, wide, np.arange(n), np.arange(n, 2 * n))
    assert fit == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(turned, wide, atol=1e-4)


def test_importing_the_projection_loads_neither_umap_nor_a_screen():
    loaded = "import sys, core.projection.projection; print(*(m for m in ('umap', 'numba', 'streamlit', 'plotly') if m in sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )


def test_a_large_map_stands_still_and_places_by_its_anchors_as_the_plain_formula_does():
    rng = np.random.default_rng(3)
    n = ANCHORS + 300
    e0 = rng.normal(size=(n, 6)).astype(np.float32)
    projection = Projection(e0, rng.normal(size=(n, 2)).astype(np.float32), umap=None)
    still = projection.place(e0)
    assert np.abs(still.positions - projection.positions).max() < 1e-4 * projection.span
    assert still.off_map.max() < 1e-3
    e = e0 + rng.normal(size=e0.shape).astype(np.float32) * 0.5
    found = projection.place(e)

    anchors = projection._anchors.numpy()
    unit0, unit = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (e0.astype(float), e.astype(float)))
    for i in (0, 7, n - 1, int(anchors[5])):
        square = ((unit0 - unit[i]) ** 2).sum(1)
        near = np.union1d(anchors[np.argsort(square[anchors])[:15]], [i])
        weight = 1 / square[near]
        wanted = (projection.positions[near] * weight[:, None]).sum(0) / weight.sum()
        assert np.allclose(found.positions[i], wanted, atol=1e-3 * projection.span)
    alone = projection.place(e[:10])  # without knowing their points on the map
    assert np.isfinite(alone.positions).all()
