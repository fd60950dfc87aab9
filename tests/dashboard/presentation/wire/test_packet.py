"""The container that carries frames to the browser: what goes in comes out, aligned for typed arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dashboard.presentation.wire.packet import DTYPES, pack, unpack

floats = st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | floats | st.text(max_size=9)
names = st.text(max_size=9)
headers = st.dictionaries(
    names.filter(lambda name: name != "arrays"), plain | st.lists(plain, max_size=3), max_size=4
)
shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
arrays_of = st.sampled_from(DTYPES).flatmap(lambda dtype: npst.arrays(np.dtype(dtype), shapes))
tables = st.dictionaries(names, arrays_of, max_size=4)


@settings(max_examples=150, deadline=None)
@given(header=headers, arrays=tables)
def test_what_goes_in_comes_out(header, arrays):
    back, held = unpack(pack(header, arrays))
    assert back == header
    assert list(held) == list(arrays)
    for name, array in arrays.items():
        assert held[name].dtype.name == array.dtype.name
        np.testing.assert_array_equal(held[name], array)
        assert held[name].shape == array.shape


@settings(max_examples=100, deadline=None)
@given(header=headers, arrays=tables)
def test_every_array_starts_where_a_typed_array_may(header, arrays):
    packet = pack(header, arrays)
    start = 4 + int.from_bytes(packet[:4], "little")
    assert start % 8 == 0
    table = json.loads(packet[4:start])["arrays"]
    assert all(entry["offset"] % 8 == 0 for entry in table.values())
    assert len(packet) % 8 == 0


def test_numbers_lie_little_endian_and_row_major_whatever_the_array_was():
    array = np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=">i2"))
    assert pack({}, {"a": array})[-8:] == bytes([1, 0, 2, 0, 3, 0, 4, 0])


@pytest.mark.parametrize("dtype", [bool, np.int64, complex, "U1"])
def test_refuses_what_the_browser_cannot_read(dtype):
    with pytest.raises(ValueError, match="'odd' has dtype"):
        pack({}, {"odd": np.zeros(2, dtype)})


def test_refuses_nan_in_the_header_and_a_second_table():
    with pytest.raises(ValueError, match="JSON compliant"):
        pack({"value": float("nan")}, {})
    with pytest.raises(ValueError, match="'arrays'"):
        pack({"arrays": {}}, {})
