"""The loops of ``core.models.pooled_conv``, compiled by numba when this module is imported: a gradient goes back only to the places that won a pool.

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
def _begins(places, width, row, channels):  # type: ignore[no-untyped-def]
    """Where in a framed image the patch of each place begins: looked up, since a division for each was a third of finding the winners."""
    begins = np.empty(places, np.int64)
    for place in range(places):
        y = place // width
        begins[place] = y * row + (place - y * width) * channels
    return begins


@_compiled()
def _lists(out):  # type: ignore[no-untyped-def]
    """Room for what ``_winners`` writes of an image."""
    channels, most = out.shape[3], out.shape[1] * out.shape[2]
    return (
        np.empty((channels, most), np.int64),
        np.empty((channels, most), np.float32),
        np.empty(channels, np.int64),
    )


@_compiled()
def _winners(slope, out, at, i, begin_of, begins, values, counts):  # type: ignore[no-untyped-def]
    """For each channel of image ``i`` where the patches begin whose value won its pool and passed ReLU, their gradients, and how many.

    Each value is written and only those that passed are counted: a branch on what is as good as chance takes longer.
    """
    counts[:] = 0
    for py in range(out.shape[1]):
        for px in range(out.shape[2]):
            passed, places, slopes = out[i, py, px], at[i, py, px], slope[i, py, px]
            for c in range(len(passed)):
                n = counts[c]
                begins[c, n] = begin_of[places[c]]
                values[c, n] = slopes[c]
                counts[c] = n + (passed[c] > 0)


@_compiled(GRADIENT)
def gradients(x, slope, out, at, weight, dx, dweight, dbias, pad, width):  # type: ignore[no-untyped-def]
    """All three gradients: ``dx`` is overwritten, ``dweight`` (as ``weight``: out channels, height, width · in channels) and ``dbias`` grow."""
    height, across, channels = x.shape[1:]
    count, rows, length = weight.shape
    row = (across + 2 * pad) * channels
    framed, back = (
        np.zeros((height + 2 * pad) * row, np.float32),
        np.empty((height + 2 * pad) * row, np.float32),
    )
    begin_of = _begins((height + 2 * pad) * width, width, row, channels)
    begins, values, counts = _lists(out)
    for i in range(x.shape[0]):
        _framed(x, i, pad, framed)
        _winners(slope, out, at, i, begin_of, begins, values, counts)
        back[:] = 0
        for c in range(count):
            n, at_c, of_c = counts[c], begins[c], values[c]
            for m in range(n):
                dbias[c] += of_c[m]
            # slices' indices cannot be negative: only so the loops become vector instructions; four at a time, in the order of one by one
            for m in range(0, n - 3, 4):
                a, b, d, e = of_c[m], of_c[m + 1], of_c[m + 2], of_c[m + 3]
                for dy in range(rows):
                    down = dy * row
                    p = framed[at_c[m] + down : at_c[m] + down + length]
                    q = framed[at_c[m + 1] + down : at_c[m + 1] + down + length]
                    r = framed[at_c[m + 2] + down : at_c[m + 2] + down + length]
                    s = framed[at_c[m + 3] + down : at_c[m + 3] + down + length]
                    into = dweight[c, dy]
                    for k in range(length):
                        into[k] = (((into[k] + a * p[k]) + b * q[k]) + d * r[k]) + e * s[k]
            for m in range(n - n % 4, n):
                value = of_c[m]
                for dy in range(rows):
                    begin = at_c[m] + dy * row
                    patch, into = framed[begin : begin + length], dweight[c, dy]
                    for k in range(length):
                        into[k] += value * patch[k]
            for m in range(n):
                value = of_c[m]
                for dy in range(rows):
                    begin = at_c[m] + dy * row
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
    count, rows, length = weight.shape
    row = (across + 2 * pad) * channels
    framed = np.zeros((height + 2 * pad) * row + 5, np.float32)
    begin_of = _begins((height + 2 * pad) * width, width, row, channels)
    begins, values, counts = _lists(out)
    for i in range(x.shape[0]):
        _framed(x, i, pad, framed)
        _winners(slope, out, at, i, begin_of, begins, values, counts)
        for c in range(count):
            n, at_c, of_c = counts[c], begins[c], values[c]
            for m in range(n):
                dbias[c] += of_c[m]
            for dy in range(rows):
                for begin in range(0, length, 5):
                    a = b = d = e = f = np.float32(0)
                    for m in range(n):
                        first, value = at_c[m] + dy * row + begin, of_c[m]
                        patch = framed[first : first + 5]
                        a += value * patch[0]
                        b += value * patch[1]
                        d += value * patch[2]
                        e += value * patch[3]
                        f += value * patch[4]
                    sums = (a, b, d, e, f)
                    for k in range(min(5, length - begin)):
                        dweight[c, dy, begin + k] += sums[k]
