"""The sentences above a study's table, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assets.findings.parts import COLUMNS
from assets.findings.words import point_text, spread_text, told
from core.experiments.studies import Study
from core.experiments.studies.analysis import Group, percent
from dashboard.presentation.charts.studies import title_of, value_text


def answer(study: Study, found: Sequence[Group], rows: Sequence[dict[str, Any]], measure: str) -> str:
    """Return for each task the settings with the smallest and largest value, the value of doing nothing, and what failed."""
    lines = []
    for task in dict.fromkeys(r["setup"]["task"] for r in rows):
        mine = [
            g for g in found if g.rows and g.rows[0]["setup"]["task"] == task and g.mean(measure) is not None
        ]
        if not mine:
            continue
        mine.sort(key=lambda g: g.mean(measure) or 0.0)
        unit = {"%": " %", "s": " s"}.get(title_of(measure).rpartition(", ")[2], "")
        text = f"**{task}**, {title_of(measure).rpartition(',')[0]}: "
        if len(mine) > 1:
            ends = (("smallest", mine[0]), ("largest", mine[-1]))
            text += ", ".join(
                f"{end} {told(g, measure)}{unit} for *{point_text(study, g, 'task')}*" for end, g in ends
            )
        else:
            text += f"{told(mine[0], measure)}{unit}"
        nothing = [v for g in mine for r in g.rows if (v := r["original"].get(measure)) is not None]
        if nothing and measure != "seconds":
            scale, digits = (100, 1) if percent(measure) else (1, 3)
            text += f"; doing nothing {scale * sum(nothing) / len(nothing):.{digits}f}{unit}"
        lines.append(text + ".")
    failed = [r for r in rows if r["state"] == "failed"]
    if failed:
        what = ", ".join(f"{k} {value_text(v)}" for k, v in failed[0]["point"].items())
        lines.append(
            f"**{len(failed)} runs failed**, the first ({what}, seed {failed[0]['seed']}): {failed[0]['error']}."
        )
    return "  \n".join(lines)


def table_of(study: Study, found: Sequence[Group]) -> list[str]:
    utility = "test_r" if any(g.values("test_r") for g in found) else "test"
    timed = "cost" in study.name  # rows of other studies may come from other machines
    keys = [k if k != "test" else utility for k in COLUMNS if k != "seconds" or timed]
    if study.name.startswith("destinations"):
        keys.insert(keys.index("js") + 1, "commonest_share")
    labels = {
        "commonest_share": "one answer",
        "train_r": "Train_r",
        "train_f": "Train_f",
        "test_r": "Test_r",
        "test": "Test",
        "js": "JS",
        "average_gap": "average gap",
        "seconds": "s",
    }
    stages = (
        list(dict.fromkeys(s for g in found for r in g.rows for s in r.get("seconds") or {}))
        if "cost" in study.name
        else []
    )
    lines = [
        "| " + " | ".join([*study.varied, *(labels[k] for k in keys), *(f"{s}, s" for s in stages)]) + " |",
        "|" + "---|" * (len(study.varied) + len(keys) + len(stages)),
    ]
    shown = list(found)
    if len(shown) > 40:
        shown.sort(key=lambda g: g.mean("average_gap") if g.mean("average_gap") is not None else 9.9)  # type: ignore[arg-type,return-value]
        shown = [*shown[:8], *shown[-8:]]
    for g in shown:
        cells = [value_text(g.point[f]) for f in study.varied]
        cells += [told(g, k if g.values(k) else "test" if k == "test_r" else k) for k in keys]
        for s in stages:
            taken = [r["seconds"][s] for r in g.rows if s in (r.get("seconds") or {})]
            cells.append(f"{sum(taken) / len(taken):.2f}" if taken else "–")
        lines.append("| " + " | ".join(cells) + " |")
    if len(found) > 40:
        lines.append(
            f"\nThe eight with the smallest and the eight with the largest average gap, of {len(found)}."
        )
    bands = [r for g in found for r in g.rows]
    for task in dict.fromkeys(r["setup"]["task"] for r in bands):
        by_seed = {r["seed"]: r["yardstick"] for r in bands if r["setup"]["task"] == task}
        if len(by_seed) > 1 and "stability" in study.name:
            said = ", ".join(
                f"{labels[k]} {spread_text([100 * v for y in by_seed.values() if (v := y.get(k)) is not None])}"
                for k in ("train_r", "train_f", "test")
            )
            lines.append(f"\nRetrained models over the same seeds, {task}: {said}.")
    return lines
