"""Comparisons as CSV, Markdown, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from core.evaluation.report import Metric
from core.experiments.comparison_summary import Entry, Line, Summary
from core.methods.base import reads_text
from dashboard.presentation.export.latex import latex_text


def shown(figure: Metric, value: float) -> float:
    """Return a value in the unit that is shown; shares become percent."""
    return 100 * value if figure.unit == "%" else value


def cell(figure: Metric, entry: Entry | None, *, plus: str = " ± ") -> str:
    """Return mean and spread, such as "97.6 ± 0.8", or "–" without a value."""
    if entry is None:
        return "–"
    mean = f"{shown(figure, entry.mean):.{figure.digits}f}"
    return mean if entry.spread is None else f"{mean}{plus}{shown(figure, entry.spread):.{figure.digits}f}"


def heading(figure: Metric) -> str:
    """Return symbol and unit, such as "Train_f, %"."""
    name = name_of(figure)
    return f"{name}, {figure.unit}" if figure.unit else name


def name_of(figure: Metric) -> str:
    """Return the figure's symbol, or its label where several figures share the symbol."""
    return figure.label if figure.symbol in ("", "AUC", "CKA", "KLoM", "p") else figure.symbol


def to_csv(summary: Summary, keys: Sequence[str] | None = None) -> str:
    """Return a line for each method and figure (default: all), with the value of each seed; shares are in [0, 1]."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "method",
            "figure",
            "unit",
            "mean",
            "spread",
            "seeds_inside_band",
            "gap_to_retrained",
            "doing_nothing_is_nearer",
            "reads",
        ]
        + [f"seed_{s}" for s in summary.seeds]
    )
    for line in summary.lines:
        for key, figure in _columns(summary, keys).items():
            entry = line.entries.get(key)
            if entry is None:
                continue
            values = (
                list(entry.values) if len(entry.values) == len(summary.seeds) else [""] * len(summary.seeds)
            )
            writer.writerow(
                [
                    line.method,
                    key,
                    "share" if figure.unit == "%" else figure.unit,
                    entry.mean,
                    _blank(entry.spread),
                    _blank(entry.inside),
                    _blank(entry.gap),
                    int(entry.loses),
                    "" if line.reads is None else reads_text(line.reads),
                    *values,
                ]
            )
    return out.getvalue()


def to_text(summary: Summary, keys: Sequence[str] | None = None) -> str:
    """Return a table for a terminal, a column as wide as its widest cell: * inside the band in every seed, ▼ as in Markdown."""
    columns = _columns(summary, keys)
    names = _names(summary)
    named = len(names[0])  # columns of words, which begin at the left
    rows = [[*names.pop(0), *(heading(f) for f in columns.values())]]
    for name, line in zip(names, summary.lines, strict=True):
        rows.append([*name, *(_marked(columns[k], line, k, "", "*", "▼") for k in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            c.ljust(w) if i < named else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n" + _failures(summary)


def to_markdown(summary: Summary, keys: Sequence[str] | None = None) -> str:
    """Return a Markdown table: bold inside the band in every seed, ▼ where doing nothing is closer to retraining."""
    columns = _columns(summary, keys)
    names = _names(summary)
    head = [*names.pop(0), *(heading(f) for f in columns.values())]
    rows = ["| " + " | ".join(head) + " |", "|---|" + "---|" * tells_reads(summary) + "---:|" * len(columns)]
    for name, line in zip(names, summary.lines, strict=True):
        cells = [_marked(columns[k], line, k, "**", "**", " ▼") for k in columns]
        rows.append("| " + " | ".join(c.replace("|", "\\|") for c in (*name, *cells)) + " |")
    return "\n".join(rows) + "\n" + _failures(summary)


def to_latex(summary: Summary, keys: Sequence[str] | None = None) -> str:
    """Return a booktabs tabular: bold inside the band in every seed, a dagger where doing nothing is closer."""
    columns = _columns(summary, keys)
    names = _names(summary)
    head = " & ".join([*names.pop(0), *(latex_text(heading(f)) for f in columns.values())])
    rows = []
    for name, line in zip(names, summary.lines, strict=True):
        cells = [
            _marked(columns[k], line, k, r"\textbf{", "}", r"$^\dagger$")
            .replace(" ± ", r" $\pm$ ")
            .replace("–", "--")
            for k in columns
        ]
        rows.append(" & ".join([*map(latex_text, name), *cells]) + r" \\")
    body = "\n".join(rows)
    return (
        f"% bold: inside the band of retrained models in every seed; dagger: doing nothing is closer to retraining\n"
        f"\\begin{{tabular}}{{l{'l' * tells_reads(summary)}{'r' * len(columns)}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
    )


def tells_reads(summary: Summary) -> bool:
    """Return whether a line says what its method reads; results from files do not."""
    return any(line.reads is not None for line in summary.lines)


def _names(summary: Summary) -> list[list[str]]:
    """Return the first cells of the head and of each row: the method, and what it reads where that is known."""
    rows = [["method", "reads"], *([line.title, reads_text(line.reads)] for line in summary.lines)]
    return rows if tells_reads(summary) else [row[:1] for row in rows]


def to_json(summary: Summary, about: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of ``laf compare``."""
    return {"schema": 1, **about, "methods": summary.as_dict()}


def _columns(summary: Summary, keys: Sequence[str] | None) -> dict[str, Metric]:
    chosen = (
        summary.columns if keys is None else {k: summary.columns[k] for k in keys if k in summary.columns}
    )
    return {k: f for k, f in chosen.items() if any(k in line.entries for line in summary.lines)}


def _marked(figure: Metric, line: Line, key: str, open_: str, close: str, loses: str) -> str:
    entry = line.entries.get(key)
    text = cell(figure, entry)
    if entry is None:
        return "failed" if line.errors and not line.entries else text
    if line.method != "references" and entry.inside is not None and entry.inside == len(entry.values):
        text = f"{open_}{text}{close}"
    return text + (loses if entry.loses else "")


def _failures(summary: Summary) -> str:
    found = [
        f"{line.title} failed on seed {seed}: {why}"
        for line in summary.lines
        for seed, why in line.errors.items()
    ]
    return "".join(f"\n{text}\n" for text in found)


def _blank(value: Any) -> Any:
    return "" if value is None else value
