"""Results of runs and studies as tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from dashboard.cli.options import clients
from dashboard.cli.terminal import ProgressBars, Stopwatch, columns_of, padded

COLUMNS = {
    "train_r": "Train_r",
    "train_f": "Train_f",
    "newest_f": "newest",
    "test": "Test",
    "test_r": "Test_r",
    "test_f": "Test_f",
    "clean_f": "clean_f",
    "planted": "planted",
}
MOST_LINES = 30
MOST_ERRORS = 3


def print_study_table(study: Any, rows: Any, by: str) -> None:
    """Print each setting's figures over the reported seeds, sorted by the figure ``by``, best first."""
    from core.experiments.studies import joined
    from dashboard.presentation.export.study_files import describe_point, settings_table

    found = joined(study, rows)
    table = settings_table(study, found, by)
    failures = [f"{n} failed" if n else "" for n in table.failed]
    shown = [[*row, failed] for row, failed in zip(table.rows, failures, strict=True)]
    for line in aligned([[*table.names, *table.measures, ""], *shown[:MOST_LINES]]):
        print(line)
    if len(shown) > MOST_LINES:
        print(f"… and {len(shown) - MOST_LINES:,} more: laf study export {study.name}")
    print(table.about)
    for row in [r for r in found if r["state"] == "failed"][:MOST_ERRORS]:
        print(f"failed: {describe_point(row['point'])}, seed {row['seed']}: {row['error']}", file=sys.stderr)
    if table.choice:
        print(table.choice)


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Return ``rows`` of cells as lines whose columns are as wide as their widest cell; those in ``right`` end flush."""
    widths = [max(columns_of(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            padded(text, width, right=i in right)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def run_numbers(report: Any) -> dict[str, Any]:
    """Return the metrics of a report for JSON and for the table."""
    names = ("train_r", "train_f", "test", "test_r", "test_f")
    found: dict[str, Any] = {name: getattr(report, name) for name in names}
    for name in ("clean_f", "planted", "newest_f"):  # only with wrong labels, a plant or earlier requests
        if getattr(report, name) is not None:
            found[name] = getattr(report, name)
    found["attack"] = report.attack.as_dict()
    found["js_to_retrained"] = report.js
    found["commonest_answer"] = report.commonest
    found["commonest_share"] = report.commonest_share
    return found


def run_seconds(
    run: Any, clock: Stopwatch, apart: Sequence[str], *, train: float, retrain: float
) -> dict[str, float]:
    """Return the seconds of each stage. "other" is what this command spent outside of them, as for imports and reading.

    ``train`` and ``retrain`` are the seconds of both trainings. A training in ``apart`` took none of the command's time: the
    cache had its model, or it ran beside the other stages. "wait" is the time that the command waited for the latter.
    """
    spent, stages = run.seconds, clock.stages
    found = {
        "recipe": 0.0 if "train" in apart else max(0.0, stages.get("train", 0.0) - train),
        "train": train,
        "search": stages.get("search", 0.0),
        "vae": spent.get("vae", 0.0) + spent.get("vae_f", 0.0),
        "unlearn": sum(v for k, v in spent.items() if k not in ("vae", "vae_f", "evaluate")),
        "frames": spent.get("evaluate", 0.0),
        "map": stages.get("map", 0.0),
        "retrain": retrain,
        "evaluate": stages["evaluate"],
    }
    if "at_once" in stages:
        found["at_once"] = stages["at_once"]
    total = clock.total
    if "retrain" in apart:
        found["wait"] = stages.get("retrain", 0.0)
    here = sum(seconds for stage, seconds in found.items() if stage not in apart)
    return {**found, "other": max(0.0, total - here), "total": total}


def trainings_from_cache(show: ProgressBars, uploaded: Any) -> list[str]:
    """Return the trainings that this command did not do, since the cache had their models."""
    trainings = ["retrain"] if uploaded is not None else ["train", "retrain"]
    return [stage for stage in trainings if stage not in show.seen]


def run_table(result: dict[str, Any], split: Any, method: str, *, width: int | None = None) -> str:
    """Return the result as a table for a terminal of ``width`` columns; None: as wide as it is.

    On a narrow terminal the models are the columns.
    """
    columns = [key for key in COLUMNS if key in result["metrics"]["unlearned"]]
    what = split.request.describe(split.dataset.classes)
    images = f"{len(split.newest_rows):,} of {len(split.train):,} {split.dataset.kind}"
    lines = [f"{split.dataset.title}: forget {what} ({images}), seed {result['seed']}"]
    if result.get("clients") is not None:
        lines.append(clients.line(result["clients"]))
    if result["chain"] is not None:
        lines.append(_chain_line(result["chain"]))
    lines += _rows_of_models(result["metrics"], columns, split.dataset.classes, width)
    lines.append(
        f"seconds: {_seconds(result)}; peak memory {result['peak_memory_mb']:,.0f} MB; {result['device']}"
    )
    changed = f"; changed: {', '.join(result['set'])}" if result["set"] else ""
    automatic = result["automatic"]
    settings = automatic["description"] if automatic else _settings(result, split, method)
    lines.append(f"settings: {result['settings']}, {settings}{changed}")
    lines.append(
        "JS: Jensen-Shannon divergence to the retrained model on the forgotten images, 0 to 0.69 nats."
    )
    lines.append(result["verdict"]["text"])
    return "\n".join(lines)


def _rows_of_models(
    metrics: dict[str, Any], columns: Sequence[str], classes: Sequence[str], most: int | None
) -> list[str]:
    """Return a heading and a line for each model; or, where these take more than ``most`` columns, a line for each metric."""
    answers = {
        name: f"{_percent(values['commonest_share'])}: {classes[values['commonest_answer']]}"
        for name, values in metrics.items()
    }
    width = max(10, *(columns_of(answer) for answer in answers.values())) + 2
    heads = "".join(f"{COLUMNS[key]:>9}" for key in columns)
    lines = [f"{'':12}{heads}{'most common':>{width}}{'JS':>7}{'AUC, learned':>20}"]
    if most is not None and len(lines[0]) > most:
        return _rows_of_metrics(metrics, columns, classes)
    for name, values in metrics.items():
        cells = "".join(f"{_percent(values[key]):>9}" for key in columns)
        answer = padded(answers[name], width, right=True)
        lines.append(
            f"{name:12}{cells}{answer}{values['js_to_retrained']:7.2f}{_interval(values['attack']):>20}"
        )
    return lines


def _rows_of_metrics(metrics: dict[str, Any], columns: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return a heading of models and a line for each metric; the interval of the AUC has lines of its own."""
    found = metrics.values()

    def bound(name: str) -> list[str]:
        return ["-" if v["attack"][name] is None else f"{v['attack'][name]:.2f}" for v in found]

    rows = [["", *metrics]]
    rows += [[COLUMNS[key], *(_percent(v[key]) for v in found)] for key in columns]
    rows += [
        ["most common", *(_percent(v["commonest_share"]) for v in found)],
        ["", *(classes[v["commonest_answer"]] for v in found)],
        ["JS", *(f"{v['js_to_retrained']:.2f}" for v in found)],
        ["AUC, learned", *bound("auc")],
        ["  from", *bound("auc_low")],
        ["  to", *bound("auc_high")],
    ]
    return aligned(rows, right=range(1, len(metrics) + 1))


def _chain_line(chain: dict[str, Any]) -> str:
    return (
        f"request {chain['request']} of a chain: {chain['forgotten']:,} images asked so far, {chain['newest']:,} of them now (newest); "
        "at once: one run from the first original; retrained: without all of them"
    )


STAGES = {
    "recipe": "find training",
    "train": "train",
    "search": "find settings",
    "vae": "VAEs",
    "unlearn": "unlearn",
    "frames": "frames",
    "map": "map",
    "retrain": "retrain",
    "at_once": "all at once",
    "wait": "wait for it",
    "evaluate": "evaluate",
    "other": "imports and the rest",
}
ALWAYS = ("train", "vae", "unlearn", "retrain", "evaluate", "other")


def _seconds(result: dict[str, Any]) -> str:
    """Return the seconds of each stage, those of a training whose model came from the cache marked, and of all."""
    seconds = result["seconds"]
    notes = dict.fromkeys(result["from_cache"], " (spent before: this model was kept)")
    notes |= dict.fromkeys(result["shipped"], " (spent before: this model ships with the Lab)")
    notes |= dict.fromkeys(result["beside"], " (beside the other stages)")
    parts = [
        f"{title} {seconds[key]:.1f}{notes.get(key, '')}"
        for key, title in STAGES.items()
        if key in ALWAYS or seconds.get(key, 0.0) >= 0.05
    ]
    return f"{', '.join(parts)}; {seconds['total']:.1f} in all"


def _settings(result: dict[str, Any], split: Any, method: str) -> str:
    from core.methods import origin_of
    from core.methods.laf.fast import SPEEDS, is_measured

    family, task = split.dataset.family, split.task
    if result["settings"] == "paper":
        return "the paper's table"
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
