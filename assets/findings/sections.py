"""The section of one study: its command, its chart, its sentences and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assets.findings.charts import Dot, dots
from assets.findings.figures import figure_of
from assets.findings.tables import answer, table_of
from assets.findings.words import told
from core.experiments.studies import Study, groups
from core.experiments.studies.analysis import percent
from dashboard.presentation.charts.studies import title_of, value_text

PICTURES = Path(__file__).parents[2] / "docs" / "findings"


def section(study: Study, rows: list[dict[str, Any]], measure: str) -> str:
    if study.chosen:
        return search_section(study, rows, measure)
    found = groups(rows)
    picture = PICTURES / f"{study.name}.svg"
    picture.write_text(figure_of(study, found, measure))
    seeds = ", ".join(map(str, study.reported))
    lines = [
        f"### {study.title}",
        "",
        f"`laf study run {study.name}` · seed{'s' * (len(study.reported) > 1)} {seeds} · {study.references} retrained "
        f"model{'s' * ((study.references or 2) > 1)} for each",
        "",
        f"![{study.title}: {title_of(measure)}](findings/{picture.name})",
        "",
        answer(study, found, rows, measure),
        "",
        *table_of(study, found),
        "",
    ]
    return "\n".join(lines)


def search_section(study: Study, rows: list[dict[str, Any]], measure: str) -> str:
    """Return the points ranked by their mean on the seeds to choose on, beside their means on the other seeds."""
    on = {"chosen on": study.chosen, "reported on": study.reported}
    elsewhere = {repr(g.point): g for g in groups(rows)}
    ranked = [g for g in groups(rows, "chosen") if not g.failed and g.mean(measure) is not None]
    ranked.sort(key=lambda g: g.mean(measure) or 0.0)
    picture = PICTURES / f"{study.name}.svg"
    scale = 100 if percent(measure) else 1
    points, lines = [], []
    for number, chosen in enumerate(ranked[:8], 1):
        reported = elsewhere.get(repr(chosen.point))
        for name, g in (("chosen on", chosen), ("reported on", reported)):
            mean, spread = (None, None) if g is None else (g.mean(measure), g.spread(measure))
            if mean is not None:
                series = f"seeds {name}: {', '.join(map(str, on[name]))}"
                points.append(
                    Dot(f"{number}", series, scale * mean, None if spread is None else scale * spread)
                )
        cells = [
            str(number),
            *(f"{v:.3g}" if isinstance(v, float) else value_text(v) for v in chosen.point.values()),
            told(chosen, measure),
        ]
        lines.append("| " + " | ".join([*cells, "–" if reported is None else told(reported, measure)]) + " |")
    picture.write_text(dots(points, title_of(measure)))
    first = elsewhere.get(repr(ranked[0].point))
    said = "–" if first is None else told(first, measure)
    failed = sum(r["state"] == "failed" for r in rows)
    return "\n".join(
        [
            f"### {study.title}",
            "",
            f"`laf study run {study.name}` · {study.size // len(study.seeds)} points · {study.references} retrained models for each",
            "",
            f"![{study.title}: {title_of(measure)}](findings/{picture.name})",
            "",
            f"The best point has {told(ranked[0], measure)} % on seeds {', '.join(map(str, study.chosen))} and **{said} %** on seeds "
            f"{', '.join(map(str, study.reported))}." + (f" {failed} runs failed." if failed else ""),
            "",
            "| | " + " | ".join([*ranked[0].point, "chosen on", "reported on"]) + " |",
            "|" + "---|" * (len(ranked[0].point) + 3),
            *lines,
            "",
        ]
    )
