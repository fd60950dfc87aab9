"""Plotly figures of an attack's result: histogram, ROC and AUC."""

from __future__ import annotations

import numpy as np

from core.evaluation.attacks.result import AttackResult, Scores
from core.evaluation.attacks.roc import roc_points
from dashboard.presentation.charts.palette import FORGET, NOW, RETRAINED
from dashboard.presentation.charts.palette import NEUTRAL as UNSEEN
from dashboard.presentation.charts.plotly_import import go

BINS = (10, 36)  # fewest and most


def histogram(result: AttackResult, threshold: float) -> go.Figure:
    """Return the histogram of member and non-member scores, as shares of each, with the threshold."""
    assert result.scores is not None
    figure = _empty("score (right: more like training data)", "share, %")
    both = np.r_[result.scores.members, result.scores.non_members]
    fewer = min(len(result.scores.members), len(result.scores.non_members))
    edges = np.linspace(both.min(), both.max() + 1e-9, int(np.clip(3 * np.sqrt(fewer), *BINS)) + 1)
    for name, values, colour in (
        ("forgotten", result.scores.members, FORGET),
        ("unseen", result.scores.non_members, UNSEEN),
    ):
        counts, _ = np.histogram(values, edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=100 * counts / len(values),
            width=np.diff(edges),
            customdata=counts,
            name=f"{name} · {len(values):,}",
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.62,
            hovertemplate="%{customdata} of " + f"{len(values):,} {name}<extra></extra>",
        )
    figure.add_vline(
        x=threshold, line={"color": NOW, "width": 2}, annotation_text="threshold", annotation_font_color=NOW
    )
    figure.update_layout(barmode="overlay", bargap=0)
    return figure


def roc(result: AttackResult, threshold: float) -> go.Figure:
    """Return the ROC of this model, of the original and of each retrained model, with a dot at the threshold."""
    assert result.scores is not None
    figure = _empty("unseen taken for members, %", "forgotten detected, %")
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": UNSEEN, "width": 1, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for k, scores in enumerate(result.reference_scores):
        _curve(figure, scores, "retrained", RETRAINED, 1.2, k == 0)
    if result.original_scores is not None:
        _curve(figure, result.original_scores, "original", UNSEEN, 1.6, True)
    _curve(figure, result.scores, "now", NOW, 2.4, True)
    tpr, fpr = ((s >= threshold).mean() for s in (result.scores.members, result.scores.non_members))
    figure.add_scatter(
        x=[100 * fpr],
        y=[100 * tpr],
        mode="markers",
        marker={"color": NOW, "size": 11, "line": {"width": 2, "color": "white"}},
        showlegend=False,
        hovertemplate=f"at the threshold: {100 * tpr:.0f} % detected, {100 * fpr:.0f} % false alarms<extra></extra>",
    )
    figure.update_xaxes(range=[-1, 101])
    figure.update_yaxes(range=[-1, 101], scaleanchor="x")
    return figure


def strip(result: AttackResult) -> go.Figure:
    """Return the AUC of this model with its interval, of the original and of each retrained model."""
    assert result.auc is not None
    assert result.low is not None
    assert result.high is not None
    figure = _empty("AUC; at 0.5 it cannot tell", "")
    figure.add_vline(x=0.5, line={"color": UNSEEN, "width": 1, "dash": "dot"})
    if result.reference_aucs:
        figure.add_scatter(
            x=list(result.reference_aucs),
            y=["retrained"] * len(result.reference_aucs),
            mode="markers",
            marker={
                "color": RETRAINED,
                "size": 9,
                "symbol": "line-ns",
                "line": {"width": 2.5, "color": RETRAINED},
            },
        )
    if result.original_auc is not None:
        figure.add_scatter(
            x=[result.original_auc], y=["original"], mode="markers", marker={"color": UNSEEN, "size": 10}
        )
    figure.add_scatter(
        x=[result.auc],
        y=["now"],
        mode="markers",
        marker={"color": NOW, "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [result.high - result.auc],
            "arrayminus": [result.auc - result.low],
            "color": NOW,
        },
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure


def _curve(figure: go.Figure, scores: Scores, name: str, colour: str, width: float, legend: bool) -> None:
    fpr, tpr, _ = roc_points(scores.members, scores.non_members)
    figure.add_scatter(
        x=100 * fpr,
        y=100 * tpr,
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=legend,
        line={"color": colour, "width": width},
        hovertemplate=f"{name} · AUC {scores.auc:.2f}: %{{y:.0f}} % at %{{x:.0f}} %<extra></extra>",
    )


def _empty(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    figure.update_layout(
        margin={"l": 10, "r": 10, "t": 30, "b": 10}, legend={"orientation": "h", "y": 1.12, "x": 0}
    )
    return figure
