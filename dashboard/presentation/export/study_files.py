"""The rows of a study as CSV and as JSON, and its settings as a table for the terminal, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from core.experiments.studies.analysis import MEASURES, best, groups, percent
from dashboard.presentation.export.latex import latex_text

SHOWN = ("train_r", "train_f", "test_r", "test_f", "js", "average_gap", "seconds")


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return ``rows`` as CSV text; the columns are all keys that any row has."""
    columns = list(dict.fromkeys(k for r in rows for k in r))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(study: Any, rows: list[dict[str, Any]]) -> str:
    """Return the study, its rows, and the seeds used to choose settings and to report them, as JSON text."""
    about = {
        "schema": 1,
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "chosen_on": list(study.chosen),
        "reported_on": list(study.reported),
        "study": study.source,
        "rows": rows,
    }
    return json.dumps(about, indent=1) + "\n"


@dataclass(frozen=True)
class SettingsTable:
    """Each setting's measures over the reported seeds, best first by the measure ``by``."""

    names: tuple[str, ...]  # of the varied fields, the first columns
    measures: tuple[str, ...]  # keys of MEASURES, the next columns
    rows: tuple[tuple[str, ...], ...]  # cells as text; "–" without a value
    failed: tuple[int, ...]  # failed runs of each row
    best: int | None  # index of the row that was chosen on other seeds, by ``by``
    about: str  # one sentence on seeds and units
    choice: str  # one sentence on the chosen setting; "" where none was chosen

    def heads(self) -> list[str]:
        """Return the column titles with units, such as "Train_f, %"."""
        units = [(MEASURES[m][0], MEASURES[m][1]) for m in self.measures]
        return [
            *self.names,
            *(f"{title}, {unit}" if unit and title != "seconds" else title for title, unit in units),
        ]


def usual_measure(study: Any) -> str:
    """Return the measure that the study's own text names, by default the average gap."""
    named = study.show.get("measure", "average_gap")
    return str(named) if named in MEASURES else "average_gap"


def settings_table(study: Any, rows: list[dict[str, Any]], by: str) -> SettingsTable:
    """Return the table of ``rows``, as ``joined`` returns them, sorted and chosen by the measure ``by``."""
    settings = sorted(groups(rows), key=lambda g: float("inf") if (rank := g.rank(by)) is None else rank)
    names = tuple(n for n in study.varied if n in {k for r in rows for k in r["point"]})
    measures = tuple(m for m in dict.fromkeys((*SHOWN, by)) if any(g.values(m) for g in settings))
    chosen = best(study, rows, by)
    points = [g.point for g in settings]
    choice = ""
    if chosen is not None:
        seeds = ", ".join(map(str, chosen.chosen_on))
        point = describe_point(chosen.point) or "the only setting"
        noun = "seed" if seeds.isdecimal() else "seeds"
        choice = f"Chosen by {by} on {noun} {seeds}, with labels and retrained models: {point}"
    seeds = ", ".join(map(str, study.reported))
    many = len(study.reported) > 1
    return SettingsTable(
        names,
        measures,
        tuple(
            (*(value_text(g.point.get(n)) for n in names), *(_cell(g, m) for m in measures)) for g in settings
        ),
        tuple(g.failed for g in settings),
        points.index(chosen.point) if chosen is not None and chosen.point in points else None,
        f"Means ± standard deviation over seeds {seeds}; accuracies in %."
        if many
        else f"Seed {seeds}; accuracies in %.",
        choice,
    )


def as_markdown(table: SettingsTable) -> str:
    """Return ``table`` in Markdown; the chosen setting is bold."""
    heads = table.heads()
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for i, row in enumerate(table.rows):
        cells = [f"**{cell}**" if i == table.best and cell else cell for cell in row]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", table.about, *_more(table)]) + "\n"


def as_latex(table: SettingsTable) -> str:
    """Return ``table`` as a booktabs tabular in LaTeX; the chosen setting is bold."""
    body = []
    for i, row in enumerate(table.rows):
        cells = [latex_text(cell) for cell in row]
        body.append(" & ".join(f"\\textbf{{{c}}}" if i == table.best and c else c for c in cells) + r" \\")
    columns = "l" * len(table.names) + "r" * len(table.measures)
    notes = [f"% {line}" for line in (table.about, *_more(table))]
    head = " & ".join(latex_text(h) for h in table.heads()) + r" \\"
    parts = [
        *notes,
        f"\\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
    ]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"


def _more(table: SettingsTable) -> list[str]:
    failed = sum(table.failed)
    return [
        *([f"{failed:,} runs failed and are left out."] if failed else []),
        *([table.choice] if table.choice else []),
    ]


def _cell(group: Any, measure: str) -> str:
    """Return mean and, over several seeds, spread of a measure."""
    mean, spread = group.mean(measure), group.spread(measure)
    if mean is None:
        return "–"
    scale = 100 if percent(measure) else 1
    digits = 1 if percent(measure) or measure == "seconds" else 3
    text = f"{scale * mean:.{digits}f}"
    return text if spread is None else f"{text} ± {scale * spread:.{digits}f}"


def describe_point(point: Any) -> str:
    """Return a setting such as "lr_ra 0.003, temperature 20"."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in point.items())


def value_text(value: Any) -> str:
    """Return a setting's value as text; None is empty."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
