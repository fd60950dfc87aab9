"""Settings and values as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.experiments.studies import Study
from core.experiments.studies.analysis import Group, percent
from dashboard.presentation.charts.studies import value_text


def named(field: str, value: Any) -> str:
    if field == "share":
        return f"{100 * float(value):g} % of the labels"
    return (
        value_text(value)
        if field in ("variant", "schedule", "net", "method", "task")
        else f"{field} {value_text(value)}"
    )


def point_text(study: Study, g: Group, without: str = "") -> str:
    return ", ".join(named(f, g.point[f]) for f in study.varied if f != without) or "the preset"


def told(g: Group, measure: str) -> str:
    scale, digits = (100, 1) if percent(measure) else (1, 1 if measure == "seconds" else 3)
    mean, spread = g.mean(measure), g.spread(measure)
    if mean is None:
        return "–"
    return f"{scale * mean:.{digits}f}" + ("" if spread is None else f" ± {scale * spread:.{digits}f}")


def spread_text(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.1f} ± {(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5:.1f}"
