"""The figures after each request of a chain, as lines and as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.runs.storage import ChainLink
from dashboard.presentation.charts.palette import FORGET, NEUTRAL, REMAIN
from dashboard.presentation.charts.plotly_import import go
from dashboard.presentation.text.pages.lab import chain as say

LINES = {
    "train_r": ("Train_r", REMAIN),
    "train_f": ("Train_f, all asked so far", FORGET),
    "newest_f": ("Train_f, newest request", "#c2569b"),
    "test": ("Test", NEUTRAL),
}
CHAIN_CHART = (
    "Lines: the model after each request. Dotted: models retrained without all that was asked so far. "
    "JS and AUC are of all images asked so far."
)


def chain_chart(links: Sequence[ChainLink]) -> go.Figure:
    """Return accuracies in percent after each request of a chain, with retrained models dotted."""
    figure = go.Figure()
    known = [(link.number, link.ended) for link in links if link.ended is not None]
    for key, (label, colour) in LINES.items():
        for role, dash in (("unlearned", "solid"), ("retrained", "dot")):
            found = [(n, end[role].get(key)) for n, end in known if role in end]
            found = [(n, value) for n, value in found if value is not None]
            figure.add_scatter(
                x=[n for n, _ in found],
                y=[100 * value for _, value in found],
                name=label,
                showlegend=role == "unlearned",
                mode="lines+markers" if role == "unlearned" else "lines",
                line={"color": colour, "dash": dash, "width": 2},
            )
    return figure.update_layout(
        height=300,
        margin={"l": 44, "r": 8, "t": 64, "b": 36},
        xaxis={"title": "request", "dtick": 1},
        yaxis={"title": "accuracy, %", "range": [-2, 102]},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )


def chain_summary(links: Sequence[ChainLink]) -> str:
    """Return in one or two sentences what the requests came to; "" before there are figures of two of them."""
    known = [link for link in links if link.ended is not None and "retrained" in link.ended]
    if len(known) < 2:
        return ""
    name = "test_r" if any(link.forget.startswith("class") for link in known) else "test"
    first, last = ((known[k].ended or {})["unlearned"].get(name) for k in (0, -1))
    gold = (known[-1].ended or {})["retrained"].get(name)
    idle = sum(_code(link) == "no gain" for link in known)
    found = [say.nothing_to_do(idle, len(known))] if idle else []
    if None not in (first, last, gold):
        found.append(say.worn("Test_r" if name == "test_r" else "Test", first, last, gold, known[-1].number))
    return " ".join(found)


def _code(link: ChainLink) -> str:
    """Return the code of the gravest finding on a request; "" without a verdict."""
    findings = [] if link.verdict is None else link.verdict.get("findings", [])
    return str(findings[0]["code"]) if findings else ""


def chain_rows(links: Sequence[ChainLink], at_once: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return a row of figures for each request, then one for all ``at_once`` where it is known; percent, nats, seconds."""
    rows = [
        {
            **_row(str(link.number), link.forget, link.ended),
            "verdict": say.VERDICTS.get(_code(link), _code(link)),
        }
        for link in links
    ]
    last = next((link.ended for link in reversed(links) if link.ended is not None), None)
    if at_once is not None:
        rows.append(_row("at once", "all of them", at_once))
    if last is not None and "retrained" in last:
        rows.append(_row("retrained", "without all of them", {"unlearned": last["retrained"]}))
    return rows


def _row(number: str, forget: str, ended: dict[str, Any] | None) -> dict[str, Any]:
    end = ended or {}
    mine = end.get("unlearned", {})
    newest = mine.get(
        "train_f" if number == "1" else "newest_f"
    )  # the first request is all that was asked so far
    return {
        "request": number,
        "forget": forget,
        "Train_r, %": _percent(mine.get("train_r")),
        "Train_f, %": _percent(mine.get("train_f")),
        "newest, %": _percent(newest),
        "Test, %": _percent(mine.get("test")),
        "Test_r, %": _percent(mine.get("test_r")),
        "JS": _rounded(mine.get("js")),
        "AUC": _rounded(mine.get("auc")),
        "conflict, % of steps": _percent(end.get("conflict")),
        "seconds": _rounded(end.get("seconds")),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
