"""Draw the charts of docs/findings.md by matplotlib as SVG text: means with error bars, and heat maps.

The same numbers give the same text: the ids have a fixed salt and the file names no date.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

COLOURS = ("#4f7cf0", "#0f9d8c", "#c2569b", "#b7791f")
INK, MUTED, GRID = "#182033", "#5d6a86", "#dfe3ee"
LOW_IS_GOOD = LinearSegmentedColormap.from_list("low-is-good", ["#7fc9a8", "#f0d48a", "#e28f78"])
STYLE = {
    "svg.hashsalt": "laf-lab",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
WIDTH = 7.6  # inches


@dataclass(frozen=True)
class Dot:
    """One mean with its standard deviation, or None where there is no deviation."""

    row: str
    series: str
    mean: float
    spread: float | None


def dots(dots: Sequence[Dot], unit: str, *, log: bool = False) -> str:
    """Return a chart with a row for each setting and a colour for each series.

    The bars are one standard deviation. The axis begins at 0, or is logarithmic.
    """
    rows, series = list(dict.fromkeys(d.row for d in dots)), list(dict.fromkeys(d.series for d in dots))
    with mpl.rc_context(STYLE):
        figure = Figure((WIDTH, 1.2 + len(rows) * (0.14 + 0.12 * len(series))), layout="constrained")
        axes = figure.subplots()
        for number, name in enumerate(series):
            mine = [d for d in dots if d.series == name]
            shift = 0.16 * (number - (len(series) - 1) / 2)
            axes.errorbar(
                [d.mean for d in mine],
                [rows.index(d.row) + shift for d in mine],
                xerr=[d.spread or 0.0 for d in mine],
                fmt="o",
                markersize=4,
                color=COLOURS[number % len(COLOURS)],
                label=name,
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if log:
            axes.set_xscale("log")
        else:
            axes.set_xlim(0.0, 1.06 * max(1e-3, *(d.mean + (d.spread or 0.0) for d in dots)))
        axes.set_xlabel(unit)
        axes.grid(axis="x", color=GRID)
        if len(series) > 1:
            figure.legend(loc="outside upper left", ncols=len(series), frameon=False)
        return text_of(figure)


def heat(
    xs: Sequence[str], ys: Sequence[str], values: Sequence[Sequence[float | None]], x: str, y: str, title: str
) -> str:
    """Return a heat map of ``values[row][column]``: the lowest is green, the highest red, None is left blank."""
    shown = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float)
    with mpl.rc_context(STYLE):
        size = (1.6 + min(1.1, 4.8 / len(xs)) * len(xs), 1.0 + 0.42 * len(ys))
        figure = Figure(size, layout="constrained")
        axes = figure.subplots()
        axes.pcolormesh(shown, cmap=LOW_IS_GOOD, edgecolors="white", linewidth=2)
        for (row, column), value in np.ndenumerate(shown):
            if np.isfinite(value):
                axes.text(column + 0.5, row + 0.5, f"{value:.1f}", ha="center", va="center")
        axes.set_xticks(np.arange(len(xs)) + 0.5, xs)
        axes.set_yticks(np.arange(len(ys)) + 0.5, ys)
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(title, loc="left", color=MUTED, fontsize=9)
        return text_of(figure)


def text_of(figure: Figure) -> str:
    """Return the figure as SVG without a date."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
