"""Kept runs as curves and as columns of figures, for one run or two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.runs.storage import KeptRun
from dashboard.presentation.charts.palette import FORGET, NEUTRAL, REMAIN
from dashboard.presentation.charts.plotly_import import go
from dashboard.presentation.text.pages import nouns

ROLES = {"train_r": ("Train_r", REMAIN), "train_f": ("Train_f", FORGET), "test": ("Test", NEUTRAL)}
DASHES = ("solid", "dot")
FIGURES = {
    "train_r": "Train_r, %",
    "train_f": "Train_f, %",
    "test": "Test, %",
    "test_r": "Test_r, %",
    "test_f": "Test_f, %",
    "commonest_share": "most common answer, %",
}


def title_of(kept: KeptRun) -> str:
    """Return the run's name, or its id."""
    return str(kept.about["name"] or kept.id)


def curves(runs: Sequence[KeptRun]) -> go.Figure:
    """Return accuracies in percent over steps, with the second run dotted."""
    figure = go.Figure()
    for kept, dash in zip(runs, DASHES, strict=False):
        for key, (label, colour) in ROLES.items():
            figure.add_scatter(
                x=[f.step for f in kept.frames],
                y=[100 * getattr(f.reading, key) for f in kept.frames],
                name=label if len(runs) == 1 else f"{label} · {title_of(kept)}",
                line={"color": colour, "dash": dash, "width": 2},
            )
    return _laid_out(figure, len(runs))


def example_curves() -> go.Figure:
    """Return made-up accuracies of a run that forgets, as ``curves`` draws them."""
    steps = list(range(23))
    values = {
        "train_r": [99.8 - 0.03 * s for s in steps],
        "train_f": [100 / (1 + math.exp(0.8 * (s - 10))) for s in steps],
        "test": [97.6 - 8 / (1 + math.exp(-0.8 * (s - 10))) for s in steps],
    }
    figure = go.Figure()
    for key, (label, colour) in ROLES.items():
        figure.add_scatter(x=steps, y=values[key], name=label, line={"color": colour, "width": 2})
    return _laid_out(figure, 1)


def _laid_out(figure: go.Figure, runs: int) -> go.Figure:
    return figure.update_layout(
        height=280 + 50 * (runs - 1),
        margin={"l": 44, "r": 8, "t": 30 + 50 * (runs - 1), "b": 36},
        xaxis_title="step",
        yaxis={"title": "accuracy, %", "range": [-2, 102]},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )


def figures(runs: Sequence[KeptRun]) -> dict[str, list[Any]]:
    """Return the figures of each run's last frame as table columns, with the difference of two runs."""
    rows: dict[str, list[Any]] = {"last frame": ["step", *FIGURES.values(), "AUC, learned"]}
    values = []
    for number, kept in enumerate(runs):
        f = kept.frames[-1]
        found = [getattr(f.reading, key) for key in FIGURES]
        values.append([f.step, *(None if v is None else 100 * v for v in found), f.reading.attack.auc])
        name = title_of(kept)
        rows[name if name not in rows else f"{name} ({number + 1})"] = [_shown(v) for v in values[-1]]
    if len(values) == 2:
        rows["difference"] = [
            "–" if a is None or b is None else f"{b - a:+.4g}" for a, b in zip(*values, strict=True)
        ]
    return rows


def on_all_images(about: dict[str, Any]) -> str | None:
    """Return a finished run's figures on all images, where its frames use a share of them; None without such figures.

    ``about``: the contents of run.json.
    """
    report = about.get("report")
    if not report:
        return None
    names = {key: label.removesuffix(", %") for key, label in FIGURES.items()}
    found = [f"{names[key]} {100 * report[key]:.1f} %" for key in FIGURES if report.get(key) is not None]
    apart = report.get("js_to_references") or []
    if apart:
        found.append(f"distance to {len(apart)} retrained {sum(apart) / len(apart):.2f} nats")
    return f"On all {nouns.kind_of_run(about)} at its end: " + "; ".join(found)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
