"""Write docs/findings.md and its figures from the ready studies; run the studies that are not complete.

    make findings                                       # or: python assets/make_findings.py [--data-dir DIR] [--workers N] [--only-kept]

Nothing in the text is typed by hand that a study decides. --only-kept leaves out studies that are not complete instead of running them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from assets.svg_charts import Dot, dots, heat  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from core.experiments.studies import (  # noqa: E402
    ResultsTable,
    Study,
    StudyRun,
    counts,
    groups,
    joined,
    predicted,
    ready_study,
)
from core.experiments.studies.analysis import Group, percent  # noqa: E402
from dashboard.cli.study import spoken_time  # noqa: E402
from dashboard.presentation.charts.studies import title_of, value_text  # noqa: E402

PICTURES = ROOT / "docs" / "findings"
# (heading, studies, the figure of the chart, how the table is to be read)
PARTS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "What does each part contribute?",
        ("ablation-digits", "ablation-mnist"),
        "average_gap",
        "Where doing nothing stands above LAF, the task does not need unlearning by this figure: read Train_f and JS beside it.",
    ),
    (
        "Does it help to alternate the two losses?",
        ("schedule-digits", "schedule-mnist"),
        "average_gap",
        "Two stages take each loss's steps as often as alternating does; one sum takes half as many optimiser steps, at lr_RA.",
    ),
    (
        "How sensitive is it to its rates and temperature?",
        (
            "sensitivity-digits-class",
            "sensitivity-digits-data",
            "sensitivity-digits-noise",
            "sensitivity-mnist-class",
        ),
        "average_gap",
        "×1 is the preset. One setting at a time is what people turn; the table has the combinations that are nearest and furthest.",
    ),
    (
        "What do settings found on some seeds come to on others?",
        ("search-digits",),
        "average_gap",
        "Points of the whole space, drawn at random; the eight best of the seeds that were chosen on, and what they come to on seeds that nobody looked at. "
        "The best of many is partly luck: its figure on other seeds is the one to report.",
    ),
    (
        "Does it depend on the class?",
        ("classes-digits",),
        "train_f",
        "Retrained models have a Train_f of 0 for every class.",
    ),
    (
        "What do depth and width of the extractor change?",
        ("extractor-digits", "extractor-mnist"),
        "average_gap",
        "Each net is held against models of the same net retrained from scratch; the preset's rates were found for the plain net.",
    ),
    (
        "How many labels does the repair need?",
        ("supervision-digits", "supervision-mnist"),
        "average_gap",
        "The share is of the labels of D_r; 0 is LAF without repair.",
    ),
    (
        "How stable is it over seeds?",
        ("stability-digits", "stability-mnist"),
        "average_gap",
        "The spread of retrained models, which also differ by seed, stands beside it.",
    ),
    (
        "Does a model stand several requests, one after another?",
        ("sequence-digits", "sequence-mnist"),
        "average_gap",
        "Train_f is of all classes forgotten so far: were an earlier one to come back, it would rise.",
    ),
    (
        "What does each stage cost?",
        ("cost-digits", "cost-mnist"),
        "seconds",
        "Seconds by stage; the original, which all but retraining need, is trained once and not counted.",
    ),
)
COLUMNS = ("train_r", "train_f", "test", "js", "average_gap", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", default=None, help="folder of MNIST's files (default: $LAF_HOME/data)")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one for each core)")
    parser.add_argument(
        "--only-kept", action="store_true", help="run nothing; leave out what is not complete"
    )
    a = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    text, left_out = [], []
    for heading, names, measure, reading in PARTS:
        parts = []
        for name in names:
            study = replace(ready_study(name), data_dir=a.data_dir)
            rows = _rows(study, a.workers, run=not a.only_kept)
            if rows is None:
                left_out.append(name)
                continue
            parts.append(_part(study, rows, measure))
        if parts:
            text.append("\n".join([f"## {heading}", "", *([reading, ""] if reading else []), *parts]))
    (ROOT / "docs" / "findings.md").write_text(_page(text, left_out))


def _rows(study: Study, workers: int | None, *, run: bool) -> list[dict[str, Any]] | None:
    """Return the rows of ``study``. An incomplete study is run first, or gives None where it must not be run."""
    table = ResultsTable(study.name)
    table.refresh()
    if counts(study, table.rows)["left"]:
        if not run:
            return None
        print(f"{study.title}: about {spoken_time(predicted(study, workers=workers).wall_s)}", flush=True)
        driven = StudyRun(study, workers=workers)
        driven.run()
        table = driven.table
    return joined(study, table.rows)


def _page(parts: Sequence[str], left_out: Sequence[str]) -> str:
    missing = (
        f"\nNot run for this page, since their time did not suffice: {', '.join(f'`{n}`' for n in left_out)}. `make findings` runs them.\n"
        if left_out
        else ""
    )
    return f"""# Findings

What the ready studies (docs/studies.md) come to on digits and MNIST. `make findings` runs what is not kept yet and writes this page, its
figures and every number in it; each section's command runs its study alone.
{missing}
How to read it: means ± standard deviation over seeds. Accuracies and gaps are in %, JS in nats. **Average gap** is the mean distance of
Train_r, Train_f and Test to models retrained from scratch on the same request and seed: 0 is indistinguishable by these three, and less
than about the retrained models' own spread means nothing. JS is the distance on D_f of the answers themselves. With one seed there is no
spread, and a small difference is none. Nothing here was chosen on the seeds it is reported on, but for the presets' settings, which were
found with labels (docs/presets.md).

Made on {machine()}. Seconds are without evaluation: of one thread's own time on a CPU, by the clock on other devices.

{chr(10).join(parts)}"""


def _part(study: Study, rows: list[dict[str, Any]], measure: str) -> str:
    if study.chosen:
        return _search(study, rows, measure)
    found = groups(rows)
    picture = PICTURES / f"{study.name}.svg"
    picture.write_text(_figure(study, found, measure))
    seeds = ", ".join(map(str, study.reported))
    lines = [
        f"### {study.title}",
        "",
        f"`laf study run {study.name}` · seed{'s' * (len(study.reported) > 1)} {seeds} · {study.references} retrained "
        f"model{'s' * ((study.references or 2) > 1)} for each",
        "",
        f"![{study.title}: {title_of(measure)}](findings/{picture.name})",
        "",
        _answer(study, found, rows, measure),
        "",
        *_table(study, found),
        "",
    ]
    return "\n".join(lines)


def _search(study: Study, rows: list[dict[str, Any]], measure: str) -> str:
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
            _told(chosen, measure),
        ]
        lines.append(
            "| " + " | ".join([*cells, "–" if reported is None else _told(reported, measure)]) + " |"
        )
    picture.write_text(dots(points, title_of(measure)))
    first = elsewhere.get(repr(ranked[0].point))
    said = "–" if first is None else _told(first, measure)
    failed = sum(r["state"] == "failed" for r in rows)
    return "\n".join(
        [
            f"### {study.title}",
            "",
            f"`laf study run {study.name}` · {study.size // len(study.seeds)} points · {study.references} retrained models for each",
            "",
            f"![{study.title}: {title_of(measure)}](findings/{picture.name})",
            "",
            f"The best point has {_told(ranked[0], measure)} % on seeds {', '.join(map(str, study.chosen))} and **{said} %** on seeds "
            f"{', '.join(map(str, study.reported))}."
            + (f" {failed} runs failed, as settings this far apart do." if failed else ""),
            "",
            "| | " + " | ".join([*ranked[0].point, "chosen on", "reported on"]) + " |",
            "|" + "---|" * (len(ranked[0].point) + 3),
            *lines,
            "",
        ]
    )


def _figure(study: Study, found: Sequence[Group], measure: str) -> str:
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
    series = "task" if "task" in varied and len(varied) > 1 else None
    points = []
    for g in found:
        mean, spread = g.mean(measure), g.spread(measure)
        if mean is not None:
            row = ", ".join(_named(f, g.point[f]) for f in varied if f != series) or study.title
            points.append(
                Dot(
                    row,
                    str(g.point[series]) if series else "",
                    scale * mean,
                    None if spread is None else scale * spread,
                )
            )
    return dots(points, title_of(measure), log=measure == "seconds")


def _scaled(group: Group | None, measure: str, scale: float) -> float | None:
    mean = None if group is None else group.mean(measure)
    return None if mean is None else scale * mean


def _named(field: str, value: Any) -> str:
    if field == "share":
        return f"{100 * float(value):g} % of the labels"
    return (
        value_text(value)
        if field in ("variant", "schedule", "net", "method", "task")
        else f"{field} {value_text(value)}"
    )


def _point(study: Study, g: Group, without: str = "") -> str:
    return ", ".join(_named(f, g.point[f]) for f in study.varied if f != without) or "the preset"


def _told(g: Group, measure: str) -> str:
    scale, digits = (100, 1) if percent(measure) else (1, 1 if measure == "seconds" else 3)
    mean, spread = g.mean(measure), g.spread(measure)
    if mean is None:
        return "–"
    return f"{scale * mean:.{digits}f}" + ("" if spread is None else f" ± {scale * spread:.{digits}f}")


def _answer(study: Study, found: Sequence[Group], rows: Sequence[dict[str, Any]], measure: str) -> str:
    """Say for each task which settings are nearest and furthest, what failed, and what doing nothing comes to."""
    lines = []
    for task in dict.fromkeys(r["setup"]["task"] for r in rows):
        mine = [
            g for g in found if g.rows and g.rows[0]["setup"]["task"] == task and g.mean(measure) is not None
        ]
        if not mine:
            continue
        mine.sort(key=lambda g: g.mean(measure) or 0.0)
        unit = {"%": " %", "s": " s"}.get(title_of(measure).rpartition(", ")[2], "")
        least, most = (
            ("Cheapest", "dearest")
            if measure == "seconds"
            else ("Nearest", "furthest")
            if measure.endswith("gap")
            else ("Lowest", "highest")
        )
        text = f"**{task}**: {title_of(measure).rpartition(',')[0]} "
        if len(mine) > 1:
            text += f"{least.lower()} for *{_point(study, mine[0], 'task')}* ({_told(mine[0], measure)}{unit}), {most} for *{_point(study, mine[-1], 'task')}* ({_told(mine[-1], measure)}{unit})"
        else:
            text += f"{_told(mine[0], measure)}{unit}"
        nothing = [v for g in mine for r in g.rows if (v := r["original"].get(measure)) is not None]
        if nothing and measure != "seconds":
            text += f"; doing nothing {100 * sum(nothing) / len(nothing):.1f}{unit}"
        lines.append(text + ".")
    failed = [r for r in rows if r["state"] == "failed"]
    if failed:
        what = ", ".join(f"{k} {value_text(v)}" for k, v in failed[0]["point"].items())
        lines.append(
            f"**{len(failed)} runs failed**, the first ({what}, seed {failed[0]['seed']}): {failed[0]['error']}."
        )
    return "  \n".join(lines)


def _table(study: Study, found: Sequence[Group]) -> list[str]:
    utility = "test_r" if any(g.values("test_r") for g in found) else "test"
    timed = "cost" in study.name  # rows of other studies may come from other machines
    keys = [k if k != "test" else utility for k in COLUMNS if k != "seconds" or timed]
    labels = {
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
        cells += [_told(g, k if g.values(k) else "test" if k == "test_r" else k) for k in keys]
        for s in stages:
            taken = [r["seconds"][s] for r in g.rows if s in (r.get("seconds") or {})]
            cells.append(f"{sum(taken) / len(taken):.2f}" if taken else "–")
        lines.append("| " + " | ".join(cells) + " |")
    if len(found) > 40:
        lines.append(f"\nThe eight nearest and the eight furthest of {len(found)}.")
    bands = [r for g in found for r in g.rows]
    for task in dict.fromkeys(r["setup"]["task"] for r in bands):
        by_seed = {r["seed"]: r["yardstick"] for r in bands if r["setup"]["task"] == task}
        if len(by_seed) > 1 and "stability" in study.name:
            told = ", ".join(
                f"{labels[k]} {_spread([100 * v for y in by_seed.values() if (v := y.get(k)) is not None])}"
                for k in ("train_r", "train_f", "test")
            )
            lines.append(f"\nRetrained models over the same seeds, {task}: {told}.")
    return lines


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.1f} ± {(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5:.1f}"


if __name__ == "__main__":
    main()
