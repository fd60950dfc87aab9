"""Arrays of an npz with strange types, shapes and orders of bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from core.errors import DataError
from tests.core.data.uploads.hostile import HEADER, MB, assert_one_sentence
from tests.uploads import member, npy, pack, read_here

ARRAYS = {
    "V0": npy(HEADER.format("'|V0'", "(20, 9, 9)")),
    "U0": npy(HEADER.format("'<U0'", "(20, 9, 9)")),
    "S0": npy(HEADER.format("'|S0'", "(20,)")),
    "V8": npy(HEADER.format("'|V8'", "(20,)"), bytes(160)),
    "objects": npy(HEADER.format("'|O'", "(20, 9, 9)"), b"cos\nsystem\n."),
    "a record": npy(HEADER.format("[('a', '|u1'), ('b', '<f4')]", "(20, 9, 9)"), bytes(20 * 81 * 5)),
    "a type of arrays": npy(HEADER.format("('|u1', (3,))", "(20, 9, 9)"), bytes(20 * 81 * 3)),
    "a side below 0": npy(HEADER.format("'|u1'", "(-20, -9, 9)"), bytes(1620)),
    "a product that overflows": npy(HEADER.format("'|u1'", f"({2**32}, {2**32}, {2**32})"), bytes(1)),
    "a huge side beside none": npy(HEADER.format("'|u1'", f"(0, {10**4000})")),
    "a side of 4,000 digits": npy(HEADER.format("'|u1'", f"({10**4000}, 9)"), bytes(9)),
    "70 sides": npy(HEADER.format("'|u1'", str((1,) * 70)), bytes(1)),
    "a side that is no number": npy(HEADER.format("'|u1'", "(True, 'a')"), bytes(9)),
    "dates": member(np.zeros((20, 9, 9), "M8[s]")),
    "spans of time": member(np.zeros((20, 9, 9), "m8[s]")),
    "truths": member(np.zeros((20, 9, 9), bool)),
    "complex numbers": member(np.zeros((20, 9, 9), np.complex64)),
    "text": member(np.full((20, 9, 9), "a")),
    "no dimension": member(np.array(5, np.uint8)),
    "a long header": npy(HEADER.format("'|u1'", "(" + "(" * 5000 + "1,")),
    "a header beyond numpy's": npy(HEADER.format("'|u1'", "(1,)" + " " * 12_000)),
    "nothing": b"",
    "half a magic": b"\x93NUM",
    "version 9": b"\x93NUMPY\x09\x00" + bytes(100),
    "version 2 of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100),
    "an image of 100 MB": None,  # made where it is used
}


@pytest.mark.parametrize("which", ARRAYS)
@pytest.mark.parametrize("part", ["x", "y", "classes"])
def test_an_array_of_a_strange_type_or_shape_is_one_sentence(which, part):
    body = ARRAYS[which]
    if body is None:
        body = npy(HEADER.format("'|u1'", f"(1, {100 * MB}, 1)"), bytes(100 * MB))
    arrays = {"x": member(np.zeros((20, 9, 9), np.uint8)), "y": member(np.arange(20) % 2)} | {part: body}
    with pytest.raises(DataError) as caught:
        read_here(pack({f"{n}.npy": a for n, a in arrays.items()}), "mine.npz", lambda done, total: None)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("dtype", [">u2", ">i8", "<f2", ">f4", ">f8", "u1", "<i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_order_of_bytes_are_read(dtype, order):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 9))
    x = (pixels / 255 if "f" in dtype else pixels).astype(dtype, order=order)
    file = io.BytesIO()
    np.savez(file, x=x, y=(np.arange(20) % 2).astype(">u4"))
    found = read_here(file.getvalue(), "mine.npz", lambda done, total: None)
    assert (found.x[:, 0].int() - torch.from_numpy(pixels)).abs().max() <= ("f2" in dtype)
