"""Packing loses no bit, whatever the values; rounded representations are near the true ones and pack well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.runtime.packing import GRAINS, pack, rounded_rows, same_layout, unpack

KINDS = [np.float16, np.float32, np.float64, np.uint8, np.int64, np.bool_]


def again(array, before=None):
    return unpack(pack(array, before), array.dtype.str, array.shape, before)


def same_bits(a, b) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_every_array_comes_back_to_the_bit(data, kind):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5))
    a, b = (data.draw(hnp.arrays(kind, shape)) for _ in range(2))
    assert same_bits(again(a), a)
    assert same_bits(again(a, b), a)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=hnp.arrays(np.float32, (4, 6), elements=st.floats(-1e5, 1e5, width=32)),
    scale=st.sampled_from([0.0, 1e-8, 1e-3, 1.0]),
)
def test_rounded_rows_come_back_to_the_bit_alone_and_after_others(rows, scale):
    now, before = rounded_rows(rows * np.float32(scale)), rounded_rows(rows[::-1] + 1)
    assert same_bits(again(now), now)
    assert same_bits(again(now, before), now)


@pytest.mark.parametrize("size", [1e-3, 1.0, 300.0])
def test_a_rounded_value_is_within_half_a_grain_of_its_row(size):
    rows = np.random.default_rng(1).normal(size=(200, 64)).astype(np.float32)
    rows *= size * np.random.default_rng(2).uniform(0.1, 10, (200, 1)).astype(np.float32)
    off = np.abs(rounded_rows(rows).astype(np.float64) - rows)
    grain = np.sqrt((rows.astype(np.float64) ** 2).mean(1, keepdims=True)) / GRAINS
    assert (off <= grain / 2 * 1.001).all()


def test_a_row_of_zeros_and_one_that_is_no_number_survive():
    rows = np.zeros((3, 4), np.float32)
    assert same_bits(rounded_rows(rows), np.zeros((3, 4), np.float16))
    odd = np.array([[np.nan, np.inf], [-0.0, 1.0]], np.float16)
    assert same_bits(again(odd), odd)
    assert same_bits(again(odd, np.ones((2, 2), np.float16)), odd)


def test_a_small_move_takes_a_fraction_of_the_array():
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(500, 128)).astype(np.float32)
    now, before = (
        rounded_rows(r) for r in (rows + 0.05 * chance.normal(size=rows.shape).astype(np.float32), rows)
    )
    assert len(pack(now, before)) < 0.25 * now.nbytes
    assert len(pack(now)) < 0.5 * now.nbytes


def test_bytes_that_were_not_packed_are_refused():
    whole = pack(np.ones((3, 4), np.float32))
    for bad in (b"", b"x", whole[:-3], whole[:1] + b"junk"):
        with pytest.raises(ValueError):  # noqa: PT011 - several sentences
            unpack(bad, "<f4", (3, 4))
    with pytest.raises(ValueError, match="number"):
        unpack(whole, "<f4", (3, 3))


def test_arrays_of_another_kind_do_not_match():
    a = np.ones((2, 2), np.float32)
    assert same_layout(a, a + 1)
    assert not same_layout(a, None)
    assert not same_layout(a, a.astype(np.float16))
    assert not same_layout(a, a[:1])


@pytest.mark.filterwarnings("error")
def test_rows_of_a_wrecked_model_are_cut_to_what_float16_holds():
    rows = np.array([[1e30, -np.inf, 0.0, 1.0], [1e38, 1e38, 1e38, 1e38]], np.float32)
    found = rounded_rows(rows)
    assert found[0].tolist()[:3] == [65504.0, -65504.0, 0.0]
    assert (found[1] == 65504.0).all()
