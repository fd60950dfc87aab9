"""Pictures of samples for hover, gallery, map and exports: an image as it is, a vector as bars, a series as lines."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.data.images import Images, kind_of

DRAWN = 48  # pixels a side of the drawing of a vector or series
SIDE = DRAWN + 2  # with a margin, so that pictures side by side stay apart
REACH = 3.0  # standard deviations from the middle to the edge; larger values end at the edge
MOST_LANES = 6  # channels drawn below each other; more are averaged in groups
BACKGROUND, MIDDLE, INK = 24, 92, 236  # grey values, readable on a light and on a dark page


def pictures(images: Images) -> Tensor:
    """Return a picture of each of ``images``, (N, C, h, w) uint8 on the CPU.

    Those of images are their pixels from 0 to 255. A vector has a bar for each feature, up where it is above the training mean and
    down where it is below. A series has a line for each channel. Both have SIDE pixels a side, one channel, and a grey line at
    the mean; the edges lie REACH standard deviations away.
    """
    x = images.x.cpu()
    kind = kind_of(x.shape[1:])
    if kind == "images":
        return (x.float() * (255 / images.white)).to(torch.uint8)
    if not len(x):
        return torch.zeros(0, 1, SIDE, SIDE, dtype=torch.uint8)
    drawing = _bars(x) if kind == "vectors" else _lines(x)
    return functional.pad(drawing, (1, 1, 1, 1), value=BACKGROUND)[:, None]


def _bars(x: Tensor) -> Tensor:
    """Return bars (N, DRAWN, DRAWN) uint8 of vectors x (N, d); features beyond DRAWN are averaged in groups."""
    values = functional.adaptive_avg_pool1d(x[:, None].float(), min(DRAWN, x.shape[1]))[:, 0]
    d = values.shape[1]
    bar = torch.arange(DRAWN) * d // DRAWN  # of each column
    ends = torch.cat([bar[1:] != bar[:-1], torch.tensor([False])])
    height = _heights(values, DRAWN)[:, bar]  # (N, DRAWN)
    middle = torch.full_like(height, (DRAWN - 1) / 2)
    gap = ends & torch.tensor(3 * d <= DRAWN)  # a free column after each bar that is wide enough
    drawn = _spans(torch.minimum(height, middle), torch.maximum(height, middle), DRAWN) & ~gap
    return _painted(drawn)


def _lines(x: Tensor) -> Tensor:
    """Return lines (N, DRAWN, DRAWN) uint8 of series x (N, channels, length), one lane below the other."""
    n, channels, length = x.shape
    values = x.float()
    if channels > MOST_LANES:
        values = functional.adaptive_avg_pool1d(values.transpose(1, 2), MOST_LANES).transpose(1, 2)
    lanes = values.shape[1]
    side = DRAWN // lanes
    # several points a column, so that the span of a column holds its whole stroke
    points = 4 * DRAWN if length > 1 else DRAWN
    fine = functional.interpolate(values, size=points, mode="linear", align_corners=length > 1)
    height = _heights(fine, side)  # (N, lanes, points)
    columns = height.reshape(n, lanes, DRAWN, -1)
    # a stroke begins where the last one ends
    before = torch.cat([columns[:, :, :1, :1], columns[:, :, :-1, -1:]], 2)
    columns = torch.cat([columns, (before + columns[..., :1]) / 2], 3)
    low, high = columns.amin(3), columns.amax(3)
    picture = torch.full((n, DRAWN, DRAWN), BACKGROUND, dtype=torch.uint8)
    for lane in range(lanes):
        drawn = _spans(low[:, lane], high[:, lane] + 1, side)
        picture[:, lane * side : (lane + 1) * side] = _painted(drawn)
    return picture


def _heights(values: Tensor, side: int) -> Tensor:
    """Return the row, from the top, of each standardised value in a picture of ``side`` rows; a float."""
    return (side - 1) * (0.5 - values.clamp(-REACH, REACH) / (2 * REACH))


def _spans(low: Tensor, high: Tensor, side: int) -> Tensor:
    """Return (N, side, columns) bool: the rows from ``low`` to ``high`` (N, columns) of each column, and at least one."""
    rows = torch.arange(side)[None, :, None]
    return (rows >= low.floor()[:, None]) & (rows <= torch.maximum(high.ceil() - 1, low.floor())[:, None])


def _painted(drawn: Tensor) -> Tensor:
    """Return the grey values of a drawing (N, rows, columns) bool, with a line in the middle row."""
    picture = torch.full(drawn.shape, BACKGROUND, dtype=torch.uint8)
    picture[:, (drawn.shape[1] - 1) // 2] = MIDDLE
    picture[drawn] = INK
    return picture
