"""Small charts as SVG text, for docs/findings.md: means with bars of one standard deviation, and heat maps. No screen, no fonts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#4f7cf0", "#0f9d8c", "#c2569b", "#b7791f")
PANEL, INK, MUTED, GRID, RETRAINED = "#ffffff", "#182033", "#5d6a86", "#dfe3ee", "#6d48cf"
WIDTH, LABEL = 760, 230


@dataclass(frozen=True)
class Dot:
    """One mean with its spread; None where there is no spread."""

    row: str
    series: str
    mean: float
    spread: float | None


def dots(dots: Sequence[Dot], unit: str, *, log: bool = False) -> str:
    """A row for each setting, a colour for each series, the figure across; 0 at the left, or a logarithmic axis."""
    rows, series = list(dict.fromkeys(d.row for d in dots)), list(dict.fromkeys(d.series for d in dots))
    step = 12 * len(series) + 12
    top, bottom = 40 if len(series) > 1 else 16, 44
    height = top + step * len(rows) + bottom
    ends = [d.mean + (d.spread or 0.0) for d in dots]
    low = min(max(d.mean, 1e-3) for d in dots) * 0.8 if log else 0.0
    high = max([*ends, 1e-3]) * 1.06

    def x(value: float) -> float:
        share = math.log(max(value, low) / low) / math.log(high / low) if log else value / high
        return LABEL + share * (WIDTH - LABEL - 24)

    out = [_open(height)]
    for tick in _ticks(low, high, log):
        out.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{height - bottom}" stroke="{GRID}"/>'
        )
        out.append(_text(x(tick), height - bottom + 16, f"{tick:g}", anchor="middle", colour=MUTED))
    out.append(_text((LABEL + WIDTH) / 2, height - 10, unit, anchor="middle", colour=MUTED))
    for i, row in enumerate(rows):
        middle = top + step * (i + 0.5)
        out.append(_text(LABEL - 12, middle + 4, row, anchor="end"))
        for d in (d for d in dots if d.row == row):
            j = series.index(d.series)
            y = middle + 12 * (j - (len(series) - 1) / 2)
            colour = COLOURS[j % len(COLOURS)]
            if d.spread:
                left = max(d.mean - d.spread, low)
                out.append(f'<line x1="{x(left):.1f}" x2="{x(d.mean + d.spread):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="2" opacity="0.45"/>')  # fmt: skip
            out.append(f'<circle cx="{x(d.mean):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
    at = LABEL
    for j, name in enumerate(series if len(series) > 1 else ()):
        out.append(f'<circle cx="{at:.0f}" cy="18" r="4.5" fill="{COLOURS[j % len(COLOURS)]}"/>')
        out.append(_text(at + 10, 22, name))
        at += 30 + 7 * len(name)
    return "\n".join([*out, "</svg>\n"])


def heat(
    xs: Sequence[str], ys: Sequence[str], values: Sequence[Sequence[float | None]], x: str, y: str, title: str
) -> str:
    """``values`` (row, column), each in a square; the lowest green, the highest red."""
    known = [v for row in values for v in row if v is not None]
    low, high = min(known), max(known)
    w, h, left, top = min(110, 480 // len(xs)), 42, 120, 34
    height = top + h * len(ys) + 56
    out = [_open(height, left + w * len(xs) + 24), _text(left, 20, title, colour=MUTED)]
    for i, row in enumerate(values):
        out.append(_text(left - 10, top + h * (i + 0.5) + 4, ys[i], anchor="end"))
        for j, v in enumerate(row):
            if v is None:
                continue
            share = (v - low) / (high - low) if high > low else 0.0
            out.append(
                f'<rect x="{left + w * j}" y="{top + h * i}" width="{w - 3}" height="{h - 3}" rx="4" fill="{_shade(share)}"/>'
            )
            out.append(
                _text(
                    left + w * (j + 0.5) - 1.5,
                    top + h * (i + 0.5) + 3,
                    f"{v:.1f}",
                    anchor="middle",
                    colour="#101626",
                )
            )
    for j, name in enumerate(xs):
        out.append(_text(left + w * (j + 0.5), top + h * len(ys) + 16, name, anchor="middle"))
    out.append(_text(left + w * len(xs) / 2, height - 10, x, anchor="middle", colour=MUTED))
    out.append(_text(12, top + h * len(ys) / 2, y, colour=MUTED))
    return "\n".join([*out, "</svg>\n"])


def _open(height: float, width: float = WIDTH) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="{PANEL}" rx="8"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _ticks(low: float, high: float, log: bool) -> list[float]:
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [t for e in range(first, last + 1) for m in (1, 3) if low <= (t := m * 10.0**e) <= high]
    raw = high / 6
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(s * size for s in (1, 2, 5, 10) if s * size >= raw)
    return [i * step for i in range(int(high / step) + 1)]


def _shade(share: float) -> str:
    """Green over yellow to red."""
    stops = ((0x7F, 0xC9, 0xA8), (0xF0, 0xD4, 0x8A), (0xE2, 0x8F, 0x78))
    at = min(1.0, max(0.0, share)) * 2
    i = min(1, int(at))
    r, g, b = (round(a + (at - i) * (c - a)) for a, c in zip(stops[i], stops[i + 1], strict=True))
    return f"#{r:02x}{g:02x}{b:02x}"
