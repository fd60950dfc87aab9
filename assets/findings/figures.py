"""The chart of each study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assets.findings.charts import Dot, dots, heat
from assets.findings.words import named
from core.experiments.studies import Study
from core.experiments.studies.analysis import Group, percent
from dashboard.presentation.charts.studies import title_of, value_text


def figure_of(study: Study, found: Sequence[Group], measure: str) -> str:
    scale = 100 if percent(measure) else 1
    varied = list(study.varied)
    if study.name.startswith("sensitivity") or study.name.startswith("classes"):
        x, y = varied[0], varied[1]
        rest = {f: study.grid[f][len(study.grid[f]) // 2] for f in varied[2:]}
        at = {
            (value_text(g.point[x]), value_text(g.point[y])): g
            for g in found
            if all(g.point[f] == v for f, v in rest.items())
        }
        xs, ys = [value_text(v) for v in study.grid[x]], [value_text(v) for v in study.grid[y]]
        values = [[_scaled(at.get((a, b)), measure, scale) for a in xs] for b in ys]
        kept = "".join(f", {f} {value_text(v)}" for f, v in rest.items())
        return heat(xs, ys, values, x, y, title_of(measure) + kept)
    series = next((f for f in ("task", "classes") if f in varied and len(varied) > 1), None)
    points = []
    for g in found:
        mean, spread = g.mean(measure), g.spread(measure)
        if mean is not None:
            row = ", ".join(named(f, g.point[f]) for f in varied if f != series) or study.title
            points.append(
                Dot(
                    row,
                    _series_name(series, g.point[series]) if series else "",
                    scale * mean,
                    None if spread is None else scale * spread,
                )
            )
    return dots(points, title_of(measure), log=measure == "seconds")


def _scaled(group: Group | None, measure: str, scale: float) -> float | None:
    mean = None if group is None else group.mean(measure)
    return None if mean is None else scale * mean


def _series_name(field: str, value: Any) -> str:
    return str(value) if field == "task" else f"{field} {value_text(value)}"
