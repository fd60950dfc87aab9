"""Results of runs and studies as tables on the terminal."""

from __future__ import annotations

import sys
from typing import Any

COLUMNS = {
    "train_r": "Train_r",
    "train_f": "Train_f",
    "test": "Test",
    "test_r": "Test_r",
    "test_f": "Test_f",
    "clean_f": "clean_f",
    "planted": "planted",
}
SHOWN = ("train_r", "train_f", "test_r", "test_f", "js", "average_gap", "seconds")
MOST_LINES = 30
MOST_ERRORS = 3


def print_study_table(study: Any, rows: Any, by: str) -> None:
    """Print each setting's figures over the reported seeds, sorted by the figure ``by``, best first."""
    from core.experiments.studies import MEASURES, best, groups, joined

    found = joined(study, rows)
    sign = -1.0 if MEASURES[by][2] is False else 1.0
    settings = sorted(groups(found), key=lambda g: float("inf") if (m := g.mean(by)) is None else sign * m)
    names = [n for n in study.varied if n in {k for r in found for k in r["point"]}]
    columns = [m for m in dict.fromkeys((*SHOWN, by)) if any(g.values(m) for g in settings)]
    lines = [[*names, *columns, ""], *(_study_line(g, names, columns) for g in settings[:MOST_LINES])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    if len(settings) > MOST_LINES:
        print(f"… and {len(settings) - MOST_LINES:,} more: laf study export {study.name}")
    print(f"Means ± standard deviation over seeds {', '.join(map(str, study.reported))}; accuracies in %.")
    for row in [r for r in found if r["state"] == "failed"][:MOST_ERRORS]:
        print(f"failed: {_point(row['point'])}, seed {row['seed']}: {row['error']}", file=sys.stderr)
    chosen = best(study, found, by)
    if chosen is not None:
        seeds = ", ".join(map(str, chosen.chosen_on))
        setting = _point(chosen.point) or "the only setting"
        print(f"Chosen by {by} on seeds {seeds}, with labels and retrained models: {setting}")


def _study_line(group: Any, names: list[str], columns: list[str]) -> list[str]:
    from core.experiments.studies.analysis import percent

    cells = [_text(group.point.get(n)) for n in names]
    for measure in columns:
        mean, spread = group.mean(measure), group.spread(measure)
        scale = 100 if percent(measure) else 1
        digits = 1 if percent(measure) or measure == "seconds" else 3
        text = "–" if mean is None else f"{scale * mean:.{digits}f}"
        cells.append(text + (f" ± {scale * spread:.{digits}f}" if spread is not None else ""))
    return [*cells, f"{group.failed} failed" if group.failed else ""]


def _point(point: Any) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in point.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def run_numbers(report: Any) -> dict[str, Any]:
    """Return the metrics of a report for JSON and for the table."""
    names = ("train_r", "train_f", "test", "test_r", "test_f")
    found: dict[str, Any] = {name: getattr(report, name) for name in names}
    for name in ("clean_f", "planted"):  # only with wrong labels or a plant
        if getattr(report, name) is not None:
            found[name] = getattr(report, name)
    found["attack"] = report.attack.as_dict()
    found["js_to_retrained"] = report.js
    found["commonest_answer"] = report.commonest
    found["commonest_share"] = report.commonest_share
    return found


def run_table(result: dict[str, Any], split: Any, method: str) -> str:
    """Return the result as a table for the terminal."""
    columns = [key for key in COLUMNS if key in result["metrics"]["unlearned"]]
    what = split.request.describe(split.dataset.classes)
    images = f"{len(split.forget_rows):,} of {len(split.train):,} images"
    heads = "".join(f"{COLUMNS[key]:>9}" for key in columns)
    lines = [
        f"{split.dataset.title}: forget {what} ({images}), seed {result['seed']}",
        f"{'':12}{heads}{'one answer':>12}{'JS':>7}{'AUC, learned':>20}",
    ]
    for name, values in result["metrics"].items():
        cells = "".join(f"{_percent(values[key]):>9}" for key in columns)
        answer = f"{_percent(values['commonest_share'])}: {split.dataset.classes[values['commonest_answer']]}"
        auc = _interval(values["attack"])
        lines.append(f"{name:12}{cells}{answer:>12}{values['js_to_retrained']:7.2f}{auc:>20}")
    s = result["seconds"]
    lines.append(
        f"seconds: train {s['train']:.1f}, VAEs {s['vae']:.1f}, unlearn {s['unlearn']:.1f}, retrain {s['retrain']:.1f}, "
        f"evaluate {s['evaluate']:.1f}; peak memory {result['peak_memory_mb']:,.0f} MB; {result['device']}"
    )
    changed = f"; changed: {', '.join(result['set'])}" if result["set"] else ""
    automatic = result["automatic"]
    settings = automatic["description"] if automatic else _settings(result, split, method)
    lines.append(f"settings: {settings}{changed}")
    lines.append(
        "JS: Jensen-Shannon divergence to the retrained model on the forgotten images, 0 to 0.69 nats."
    )
    lines.append(result["verdict"]["text"])
    return "\n".join(lines)


def _settings(result: dict[str, Any], split: Any, method: str) -> str:
    from core.methods import origin_of
    from core.methods.laf.fast import SPEEDS, is_measured

    family, task = split.dataset.family, split.task
    if result["speed"] != "fast":
        return str(origin_of(method, family, task))
    measured = "measured: docs/performance.md"
    origin = measured if is_measured(family, task) else "by a rule of thumb, not measured on this data"
    return f"fast, approximate: {SPEEDS['fast'].partition(': ')[2]}; {origin}"


def _interval(attack: dict[str, Any]) -> str:
    if attack["auc"] is None:
        return "too few images"
    return f"{attack['auc']:.2f} [{attack['auc_low']:.2f}, {attack['auc_high']:.2f}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
