"""Plotly figures of evaluation reports; their colours are legible on the dark and on the light theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.evaluation.answers.answer_changes import AnswerChanges
from core.evaluation.report import EvaluationReport
from core.evaluation.representations.layer_probes import UNSEEN
from dashboard.presentation.charts.palette import NOW, RETRAINED
from dashboard.presentation.charts.plotly_import import go, make_subplots
from dashboard.presentation.text.pages import compare as say

PAIR = (NOW, "#0f9d8c")  # A and B; distinct from the colours of D_r and D_f


def answers(
    reports: Mapping[str, EvaluationReport], retrained: Sequence[EvaluationReport], classes: Sequence[str]
) -> go.Figure:
    """Return the models' answers to D_f as grouped bars."""
    return _bars(
        {n: _answer_shares(j) for n, j in reports.items()},
        [_answer_shares(j) for j in retrained],
        classes,
        "called",
        "share of D_f, %",
    )


def example_answers() -> go.Figure:
    """Return made-up answers of two methods and five retrained models to zeros, as ``answers`` draws them."""
    forgets = (0.0, 0.0, 0.14, 0.03, 0.08, 0.37, 0.25, 0.0, 0.05, 0.08)
    does_not = (0.61, 0.0, 0.0, 0.0, 0.0, 0.39, 0.0, 0.0, 0.0, 0.0)
    retrained = (0.0, 0.0, 0.16, 0.02, 0.09, 0.34, 0.22, 0.0, 0.06, 0.11)
    # five models a little apart: the shares of neighbouring classes trade places
    spread = [[v * (1 + 0.25 * ((c + k) % 5 - 2) / 2) for c, v in enumerate(retrained)] for k in range(5)]
    models = [[v / sum(one) for v in one] for one in spread]
    return _bars(
        {say.FORGETS: forgets, say.DOES_NOT: does_not},
        models,
        [str(c) for c in range(10)],
        "called",
        "share of D_f, %",
    )


def _answer_shares(report: EvaluationReport) -> list[float]:
    counts = report.prediction_matrix["forget"].sum(0).double()
    shares: list[float] = (counts / counts.sum().clamp_min(1)).tolist()
    return shares


def _accuracies(report: EvaluationReport) -> list[float | None]:
    return [None if math.isnan(v) else v for v in report.class_accuracy.tolist()]


def class_accuracy(
    reports: Mapping[str, EvaluationReport], retrained: Sequence[EvaluationReport], classes: Sequence[str]
) -> go.Figure:
    """Return test accuracy by class as grouped bars."""
    return _bars(
        {n: _accuracies(j) for n, j in reports.items()},
        [_accuracies(j) for j in retrained],
        classes,
        "true class",
        "accuracy, %",
    )


def _bars(
    values_by_name: Mapping[str, Sequence[float | None]],
    retrained: Sequence[Sequence[float | None]],
    classes: Sequence[str],
    x: str,
    y: str,
) -> go.Figure:
    figure = _empty(x, y)
    labels = list(classes)
    for (name, values), colour in zip(values_by_name.items(), PAIR, strict=False):
        figure.add_bar(
            x=labels, y=[None if v is None else 100 * v for v in values], name=name, marker_color=colour
        )
    if retrained:
        columns = list(zip(*retrained, strict=True))
        known = [[100 * v for v in column if v is not None] for column in columns]
        means = [sum(c) / len(c) if c else None for c in known]
        figure.add_bar(
            x=labels,
            y=means,
            name=f"{len(retrained)} retrained",
            marker_color=RETRAINED,
            error_y={
                "type": "data",
                "symmetric": False,
                "thickness": 1.2,
                "array": [max(c) - m if m is not None else 0 for c, m in zip(known, means, strict=True)],
                "arrayminus": [m - min(c) if m is not None else 0 for c, m in zip(known, means, strict=True)],
            },
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 102])
    return figure


def layers(
    reports: Mapping[str, EvaluationReport], retrained: Sequence[EvaluationReport], classes: Sequence[str]
) -> go.Figure:
    """Return CKA on D_f by layer: to the original on the left, to retrained models on the right."""
    titles = ("to the original", "to retrained models")
    figure = make_subplots(cols=2, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.05)
    first = next(iter(reports.values()), None)
    if first is not None:
        _add_between_retrained(figure, first)
    for number, report in enumerate(retrained):
        found = _of_forgotten(report)
        figure.add_scatter(
            x=[s.layer for s in found],
            y=[s.to_original for s in found],
            name="retrained",
            mode="lines",
            opacity=0.6,
            line={"color": RETRAINED, "width": 1.2},
            showlegend=not number,
            row=1,
            col=1,
        )
    for (name, report), colour in zip(reports.items(), PAIR, strict=False):
        found = _of_forgotten(report)
        for side, values in (
            (1, [s.to_original for s in found]),
            (2, [_mean(s.to_references) for s in found]),
        ):
            figure.add_scatter(
                x=[s.layer for s in found],
                y=values,
                name=name,
                mode="lines+markers",
                line_color=colour,
                showlegend=side == 1,
                row=1,
                col=side,
            )
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 1.02])
    figure.update_yaxes(title="linear CKA on D_f", col=1)
    return _dressed(figure)


def layer_information(
    reports: Mapping[str, EvaluationReport], retrained: Sequence[EvaluationReport], classes: Sequence[str]
) -> go.Figure:
    """Return the AUC of the probes that tell forgotten from unseen images, by layer."""
    figure = _empty("layer", "AUC of the probe")
    lines = [("retrained", r, RETRAINED, 1.2) for r in retrained]
    lines += [(n, r, colour, 2.4) for (n, r), colour in zip(reports.items(), PAIR, strict=False)]
    for number, (name, report, colour, width) in enumerate(lines):
        found = [p for p in report.layer_probes if p.against == UNSEEN]
        figure.add_scatter(
            x=[p.layer for p in found],
            y=[p.auc for p in found],
            name=name,
            mode="lines" if name == "retrained" else "lines+markers",
            line={"color": colour, "width": width},
            showlegend=name != "retrained" or not number,
        )
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 1.02])
    return figure


def answer_changes(changes: AnswerChanges, classes: Sequence[str]) -> go.Figure:
    """Return the matrix original's answer × answer now as a heat map with counts; its points select cells."""
    counts = changes.matrix.tolist()
    labels = list(classes)
    figure = _empty("answer now", "original's answer")
    cells = [(b, n, counts[b][n]) for b in range(len(labels)) for n in range(len(labels)) if counts[b][n]]
    most = max((c for *_, c in cells), default=1)
    figure.add_scatter(
        x=[labels[n] for _, n, _ in cells],
        y=[labels[b] for b, _, _ in cells],
        mode="markers+text",
        text=[str(c) for *_, c in cells],
        customdata=[[b, n] for b, n, _ in cells],
        marker={
            "symbol": "square",
            "size": 30,
            "color": PAIR[0],
            "opacity": [0.25 + 0.7 * c / most for *_, c in cells],
        },
        hovertemplate="%{text}: %{y} → %{x}<extra></extra>",
    )
    axis = {"type": "category", "categoryorder": "array", "categoryarray": labels}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, autorange="reversed")
    figure.update_layout(showlegend=False, clickmode="event+select")
    return figure


def _add_between_retrained(figure: go.Figure, report: EvaluationReport) -> None:
    """Add the mean CKA between retrained models, where every layer has one."""
    found = _of_forgotten(report)
    means = [_mean(s.between_references) for s in found]
    if all(mean is not None for mean in means):
        figure.add_scatter(
            x=[s.layer for s in found],
            y=means,
            name="retrained to one another",
            mode="lines",
            row=1,
            col=2,
            line={"color": RETRAINED, "width": 2, "dash": "dot"},
        )


def _of_forgotten(report: EvaluationReport) -> list[Any]:
    return [s for s in report.cka if s.images == "forget"]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def relearning(
    reports: Mapping[str, EvaluationReport], retrained: Sequence[EvaluationReport], classes: Sequence[str]
) -> go.Figure:
    """Return accuracy on the rest of D_f over relearning steps."""
    figure = _empty("relearning steps", "accuracy on the rest of D_f, %")
    for number, report in enumerate(r for r in retrained if r.relearn is not None):
        curve = report.relearn
        assert curve is not None
        figure.add_scatter(
            x=curve.steps,
            y=[100 * v for v in curve.accuracy],
            name="retrained",
            mode="lines",
            opacity=0.6,
            line={"color": RETRAINED, "width": 1.2},
            showlegend=not number,
        )
    for (name, report), colour in zip(reports.items(), PAIR, strict=False):
        curve = report.relearn
        if curve is not None:
            figure.add_scatter(
                x=curve.steps,
                y=[100 * v for v in curve.accuracy],
                name=name,
                mode="lines+markers",
                line_color=colour,
            )
    figure.update_yaxes(range=[0, 102])
    return figure


def _empty(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return _dressed(figure)


def _dressed(figure: go.Figure) -> go.Figure:
    layout: dict[str, Any] = {
        "margin": {"l": 10, "r": 10, "t": 36, "b": 10},
        "legend": {"orientation": "h", "y": 1.12, "x": 0},
    }
    figure.update_layout(**layout)
    return figure
