"""The loops of ``core.pooled_conv``, compiled by numba when this module is imported: a gradient goes back only to the places that won a pool.

Arrays are C-contiguous, images as (B, height, width, channels). ``at`` holds each winner's place in its plane of convolved values, row by row.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

F4, I8 = "float32[:, :, :, ::1]", "int64[:, :, :, ::1]"
GRADIENT = (
    f"({F4}, {F4}, {F4}, {I8}, float32[:, :, ::1], {F4}, float32[:, :, ::1], float32[::1], int64, int64)"
)
OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy", "fastmath": {"contract"}}


def _compiled(signature: str | None = None, **more: Any) -> Any:
    """numba's decorator, its result kept beside this file or where numba keeps such things, if anywhere."""

    def decorate(function: Any) -> Any:
        given = () if signature is None else (f"void{signature}",)
        try:
            return numba.njit(*given, cache=True, **OPTIONS, **more)(function)
        except RuntimeError:  # nowhere to write: compiled again by the next process
            return numba.njit(*given, **OPTIONS, **more)(function)

    return decorate


@_compiled()
def _framed(x, i, pad, into):  # type: ignore[no-untyped-def]
    """Image ``i`` of x, with ``pad`` zeros around that are there already."""
    height, width, channels = x.shape[1:]
    row = (width + 2 * pad) * channels
    for y in range(height):
        begin = (y + pad) * row + pad * channels
        into[begin : begin + width * channels] = x[i, y].reshape(-1)


@_compiled()
def _winners(slope, out, at, i, c, width, row, channels, begins, values):  # type: ignore[no-untyped-def]
    """Where the patches begin whose value at channel ``c`` won its pool and passed ReLU, and their gradients; how many."""
    n = 0
    for py in range(out.shape[1]):
        for px in range(out.shape[2]):
            if out[i, py, px, c] > 0:
                place = at[i, py, px, c]
                y = place // width
                begins[n] = y * row + (place - y * width) * channels
                values[n] = slope[i, py, px, c]
                n += 1
    return n


@_compiled(GRADIENT)
def gradients(x, slope, out, at, weight, dx, dweight, dbias, pad, width):  # type: ignore[no-untyped-def]
    """All three gradients: ``dx`` is overwritten, ``dweight`` (as ``weight``: out channels, height, width · in channels) and ``dbias`` grow."""
    height, across, channels = x.shape[1:]
    rows, length = weight.shape[1:]
    row = (across + 2 * pad) * channels
    framed, back = (
        np.zeros((height + 2 * pad) * row, np.float32),
        np.empty((height + 2 * pad) * row, np.float32),
    )
    begins, values = (
        np.empty(out.shape[1] * out.shape[2], np.int64),
        np.empty(out.shape[1] * out.shape[2], np.float32),
    )
    for i in range(x.shape[0]):
        _framed(x, i, pad, framed)
        back[:] = 0
        for c in range(weight.shape[0]):
            n = _winners(slope, out, at, i, c, width, row, channels, begins, values)
            for m in range(n):
                value = values[m]
                dbias[c] += value
                for dy in range(rows):
                    begin = begins[m] + dy * row
                    # as slices, whose indices cannot be negative: only so the loops become vector instructions
                    patch, into = framed[begin : begin + length], dweight[c, dy]
                    for k in range(length):
                        into[k] += value * patch[k]
                    of, into = weight[c, dy], back[begin : begin + length]
                    for k in range(length):
                        into[k] += value * of[k]
        for y in range(height):
            begin = (y + pad) * row + pad * channels
            dx[i, y].reshape(-1)[:] = back[begin : begin + across * channels]


@_compiled(GRADIENT)
def parameter_gradients(x, slope, out, at, weight, dx, dweight, dbias, pad, width):  # type: ignore[no-untyped-def]
    """The same without ``dx``, for a first layer: few channels, so that five sums at a time stay in registers."""
    height, across, channels = x.shape[1:]
    rows, length = weight.shape[1:]
    row = (across + 2 * pad) * channels
    framed = np.zeros((height + 2 * pad) * row + 5, np.float32)
    begins, values = (
        np.empty(out.shape[1] * out.shape[2], np.int64),
        np.empty(out.shape[1] * out.shape[2], np.float32),
    )
    for i in range(x.shape[0]):
        _framed(x, i, pad, framed)
        for c in range(weight.shape[0]):
            n = _winners(slope, out, at, i, c, width, row, channels, begins, values)
            for m in range(n):
                dbias[c] += values[m]
            for dy in range(rows):
                for begin in range(0, length, 5):
                    a = b = d = e = f = np.float32(0)
                    for m in range(n):
                        first, value = begins[m] + dy * row + begin, values[m]
                        patch = framed[first : first + 5]
                        a += value * patch[0]
                        b += value * patch[1]
                        d += value * patch[2]
                        e += value * patch[3]
                        f += value * patch[4]
                    sums = (a, b, d, e, f)
                    for k in range(min(5, length - begin)):
                        dweight[c, dy, begin + k] += sums[k]
