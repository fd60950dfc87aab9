"""Plotly figures of a study: heat maps and sampled settings, with the texts of axes and cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.experiments.studies.analysis import MEASURES, Group, percent
from dashboard.presentation.charts.plotly_import import go

SCALE = [
    [0.0, "#1f9e89"],
    [0.35, "#8fc7a6"],
    [0.65, "#e9c46a"],
    [1.0, "#c8553d"],
]  # near to retrained is green
NEUTRAL = "Cividis"
NAMES = ("variant", "method", "net", "task", "dataset", "classes", "sequence", "schedule", "losses")
KINDS = ("Heat map", "Lines", "Forgetting and utility")


def value_text(value: Any) -> str:
    """Return a field's value as text for an axis."""
    if isinstance(value, str):
        return value.replace("x", "×", 1) if value[:1] == "x" and value[1:2].isdigit() else value
    if isinstance(value, (list, tuple)):
        return ", ".join(map(value_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def title_of(measure: str) -> str:
    """Return a measure's label with its unit."""
    label, unit, _ = MEASURES[measure]
    return f"{label}, {unit}" if unit else label


def shown(measure: str, value: float | None) -> float | None:
    """Return a value in the unit that is shown; shares become percent."""
    return None if value is None else 100 * value if percent(measure) else value


def heat(
    groups: Sequence[Group], x: str, y: str, measure: str, xs: Sequence[Any], ys: Sequence[Any]
) -> go.Figure:
    """Return a heat map of the means over seeds for each pair of values; cells without runs are empty."""
    found = {(value_text(g.point.get(x)), value_text(g.point.get(y))): g for g in groups}
    columns, rows = [value_text(v) for v in xs], [value_text(v) for v in ys]
    z, text, data = [], [], []
    for r in rows:
        cells = [found.get((c, r)) for c in columns]
        z.append([None if g is None else shown(measure, g.mean(measure)) for g in cells])
        text.append([_cell(g, measure) for g in cells])
        data.append([None if g is None else repr(dict(g.point)) for g in cells])
    less = MEASURES[measure][2]
    scale: Any = NEUTRAL if less is None else SCALE
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=columns,
            y=rows,
            text=text,
            texttemplate="%{text}",
            customdata=data,
            colorscale=scale,
            reversescale=less is False,
            xgap=3,
            ygap=3,
            colorbar={"title": {"text": MEASURES[measure][1]}, "thickness": 12, "outlinewidth": 0},
            hoverinfo="skip",
        )
    )
    # cells of a heat map cannot be selected, so invisible points cover them
    figure.add_scatter(
        x=[c for _ in rows for c in columns],
        y=[r for r in rows for _ in columns],
        mode="markers",
        opacity=0,
        customdata=[d for line in data for d in line],
        text=[t for line in text for t in line],
        marker={"size": 56, "symbol": "square"},
        showlegend=False,
        hovertemplate=f"{x} %{{x}}<br>{y} %{{y}}<br>{MEASURES[measure][0]} %{{text}}<extra></extra>",
    )
    figure.update_xaxes(type="category", title=x, showgrid=False)
    figure.update_yaxes(type="category", title=y, showgrid=False)
    return dressed(figure)


def _cell(group: Group | None, measure: str) -> str:
    if group is None:
        return ""
    mean, spread = shown(measure, group.mean(measure)), shown(measure, group.spread(measure))
    if mean is None:
        return "failed" if group.failed else ""
    digits = 1 if percent(measure) or measure == "seconds" else 2
    return f"{mean:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")


def cloud(groups: Sequence[Group], x: str, y: str, measure: str, log: tuple[bool, bool]) -> go.Figure:
    """Return sampled settings as points: two fields as axes, the measure as colour."""
    known = [g for g in groups if g.mean(measure) is not None]
    less = MEASURES[measure][2]
    figure = go.Figure(
        go.Scatter(
            x=[g.point.get(x) for g in known],
            y=[g.point.get(y) for g in known],
            mode="markers",
            customdata=[repr(dict(g.point)) for g in known],
            text=[_cell(g, measure) for g in known],
            hovertemplate=f"{x} %{{x}}<br>{y} %{{y}}<br>%{{text}}<extra></extra>",
            marker={
                "size": 13,
                "color": [shown(measure, g.mean(measure)) for g in known],
                "colorscale": NEUTRAL if less is None else SCALE,
                "reversescale": less is False,
                "colorbar": {"title": {"text": MEASURES[measure][1]}, "thickness": 12, "outlinewidth": 0},
                "line": {"width": 1, "color": "rgba(255,255,255,.5)"},
            },
        )
    )
    for update, field, logarithmic in ((figure.update_xaxes, x, log[0]), (figure.update_yaxes, y, log[1])):
        update(title=field, type="log" if logarithmic else None)
    return dressed(figure)


def dressed(figure: go.Figure) -> go.Figure:
    """Set the margins, the legend and the effect of clicks that all charts of studies share; return the figure."""
    figure.update_layout(
        margin={"l": 10, "r": 10, "t": 34, "b": 10},
        legend={"orientation": "h", "y": 1.1, "x": 0},
        clickmode="event+select",
        hovermode="closest",
        dragmode="zoom",
    )
    # a click opens a run rather than selects it, so unselected points must not fade
    figure.update_traces(selector={"type": "scatter"}, unselected={"marker": {"opacity": None}})
    return figure
