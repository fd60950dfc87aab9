"""Plotly figures of a study: lines with bands over seeds, and forgetting against utility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.experiments.studies.analysis import MEASURES, Group, pareto
from dashboard.presentation.charts.palette import NEUTRAL, NOW, RETRAINED
from dashboard.presentation.charts.plotly_import import go
from dashboard.presentation.charts.studies import NAMES, dressed, shown, title_of, value_text

# distinct from the colours of D_r and D_f
LINES = (NOW, "#0f9d8c", "#c2569b", "#b7791f", "#6b7a90", RETRAINED)
FLOOR = 0.1  # %; smaller distances are drawn here on a logarithmic axis


def lines(
    groups: Sequence[Group],
    x: str,
    split: str | None,
    measure: str,
    xs: Sequence[Any],
    *,
    retrained: bool = True,
) -> go.Figure:
    """Return lines of means with a band of one standard deviation over seeds, one for each value of ``split``."""
    order = [value_text(v) for v in xs]
    numbers = _numbers(xs)
    names = list(dict.fromkeys(value_text(g.point.get(split)) if split else "" for g in groups))
    figure = go.Figure()
    for number, name in enumerate(names):
        mine = {
            value_text(g.point.get(x)): g
            for g in groups
            if not split or value_text(g.point.get(split)) == name
        }
        known = [(at, g) for at in order if (g := mine.get(at)) is not None and g.mean(measure) is not None]
        positions = [numbers[order.index(at)] if numbers else at for at, _ in known]
        # a line between two names would mean nothing
        _add_line(
            figure,
            positions,
            [g for _, g in known],
            measure,
            name=name,
            colour=LINES[number % len(LINES)],
            joined=x not in NAMES,
            in_legend=bool(split),
        )
    if retrained and len(names) == 1:
        _level(figure, groups, measure)
    figure.update_xaxes(title=x, type="linear" if numbers else "category")
    if not numbers:
        figure.update_xaxes(categoryorder="array", categoryarray=order)
    figure.update_yaxes(title=title_of(measure), rangemode="tozero" if MEASURES[measure][2] else "normal")
    return dressed(figure)


def _add_line(
    figure: go.Figure,
    positions: Sequence[Any],
    groups: Sequence[Group],
    measure: str,
    *,
    name: str,
    colour: str,
    joined: bool,
    in_legend: bool,
) -> None:
    mean = [shown(measure, g.mean(measure)) or 0.0 for g in groups]
    half = [shown(measure, g.spread(measure)) or 0.0 for g in groups]
    if joined:
        low, high = ([m + sign * h for m, h in zip(mean, half, strict=True)] for sign in (-1, 1))
        figure.add_scatter(
            x=[*positions, *positions[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=_faint(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            mode="lines",
        )
    figure.add_scatter(
        x=positions,
        y=mean,
        name=name,
        mode="lines+markers" if joined else "markers",
        line={"color": colour, "width": 2},
        marker={"size": 9},
        customdata=[repr(dict(g.point)) for g in groups],
        showlegend=in_legend,
        error_y={"type": "data", "array": half, "thickness": 1, "width": 3},
        hovertemplate="%{x}: %{y:.2f}<extra></extra>",
    )


def _level(figure: go.Figure, groups: Sequence[Group], measure: str) -> None:
    """Add horizontal lines for retrained models and for doing nothing."""
    for key, name, colour in (("yardstick", "retrained", RETRAINED), ("original", "do nothing", NEUTRAL)):
        found = [v for g in groups for r in g.rows if (v := r[key].get(measure)) is not None]
        if found:
            level = shown(measure, sum(found) / len(found))
            figure.add_hline(
                y=level,
                line={"color": colour, "width": 1.5, "dash": "dot"},
                annotation_text=name,
                annotation_font_color=colour,
                annotation_position="top right",
            )


def front(groups: Sequence[Group], varied: Sequence[str]) -> go.Figure:
    """Return forgetting against utility: a point with its spread for each setting, and the Pareto front as a line."""
    known = [g for g in groups if g.mean("forget_gap") is not None and g.mean("utility_gap") is not None]
    exact = [(100 * (g.mean("forget_gap") or 0.0), 100 * (g.mean("utility_gap") or 0.0)) for g in known]
    best = pareto(exact, less=(True, True))
    points = [(max(a, FLOOR), max(b, FLOOR)) for a, b in exact]
    figure = go.Figure()
    figure.add_scatter(
        x=[points[i][0] for i in best],
        y=[points[i][1] for i in best],
        mode="lines",
        name="no setting is better in both",
        line={"color": NOW, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    for name, chosen, colour, size in (("on the front", True, NOW, 12), ("a setting", False, NEUTRAL, 8)):
        part = [i for i in range(len(known)) if (i in best) is chosen]
        figure.add_scatter(
            x=[points[i][0] for i in part],
            y=[points[i][1] for i in part],
            mode="markers",
            name=name,
            marker={"color": colour, "size": size, "line": {"width": 1, "color": "rgba(255,255,255,.6)"}},
            customdata=[repr(dict(known[i].point)) for i in part],
            error_x=_error(known, part, "forget_gap"),
            error_y=_error(known, part, "utility_gap"),
            text=[", ".join(f"{k} {value_text(v)}" for k, v in known[i].point.items()) for i in part],
            hovertemplate="%{text}<br>%{x:.1f} · %{y:.1f}<extra></extra>",
        )
    nothing = [r["original"] for g in known for r in g.rows if r["original"].get("forget_gap") is not None]
    if nothing:
        figure.add_scatter(
            x=[max(FLOOR, 100 * sum(n["forget_gap"] for n in nothing) / len(nothing))],
            y=[max(FLOOR, 100 * sum(n["utility_gap"] for n in nothing) / len(nothing))],
            mode="markers",
            name="do nothing",
            marker={"symbol": "x", "size": 11, "color": "#bb4a04"},
            hovertemplate="do nothing<br>%{x:.1f} · %{y:.1f}<extra></extra>",
        )
    ticks = {
        "type": "log",
        "tickvals": [FLOOR, 0.3, 1, 3, 10, 30, 100],
        "ticktext": ["≤ 0.1", "0.3", "1", "3", "10", "30", "100"],
        "range": [-1.15, 2.1],
    }
    figure.update_xaxes(title="forgetting: distance of Train_f to retrained, % (left is best)", **ticks)
    figure.update_yaxes(title="utility: distance of Test_r or Test, % (low is best)", **ticks)
    return dressed(figure)


def _error(known: Sequence[Group], part: Sequence[int], measure: str) -> Mapping[str, Any]:
    return {
        "type": "data",
        "array": [100 * (known[i].spread(measure) or 0.0) for i in part],
        "thickness": 0.8,
        "width": 0,
        "color": "rgba(127,138,163,.55)",
    }


def _numbers(values: Sequence[Any]) -> list[float] | None:
    """Return the values as numbers where a linear axis suits them, otherwise None."""
    if not values or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return None
    positive = [v for v in values if v > 0]
    return [float(v) for v in values] if positive and max(positive) / min(positive) <= 40 else None


def _faint(colour: str) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},0.14)"
