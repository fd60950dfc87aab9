"""`laf study`: many runs over settings, data and seeds, from a TOML file or a ready study; what is kept of them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import CancelledError, RequestError
from dashboard.cli.terminal import ProgressBars, path_of, require_folder, require_writable, target_of, write
from dashboard.presentation.text import numbers

MANY, LONG_S = 1000, 3600.0  # from here on a study asks first


def add(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """The options of all its moves."""
    study: argparse.ArgumentParser = commands.add_parser(
        "study", help="many runs: sensitivity, ablation, stability; a grid of settings over seeds"
    )
    moves = study.add_subparsers(dest="move", required=True, metavar="run | list | show | export")
    run = moves.add_parser("run", help="run a study, or go on with it")
    listed = moves.add_parser("list", help="ready studies, and those that were begun")
    shown = moves.add_parser("show", help="what a study found so far")
    exported = moves.add_parser("export", help="the rows of a study as a file")
    run.add_argument("study", help="a TOML file, or the name of a ready study")
    for command in (shown, exported):
        command.add_argument("study", help="as `laf study list` shows it")
    run.add_argument(
        "--workers",
        type=numbers.whole(1, numbers.WORKERS),
        default=None,
        metavar="N",
        help="processes (default: one for each core)",
    )
    run.add_argument(
        "--backend",
        default="local",
        help="local: this machine's cores; dask: a Dask cluster (default: local)",
    )
    run.add_argument(
        "--scheduler",
        default=None,
        metavar="ADDRESS",
        help="for --backend dask: its scheduler, as tcp://host:8786",
    )
    run.add_argument(
        "--data-dir", default=None, metavar="DIR", help="folder of downloaded data (default: $LAF_HOME/data)"
    )
    run.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="only say how many runs it comes to and how long they will take",
    )
    run.add_argument("--yes", action="store_true", help="begin without asking, however large it is")
    run.add_argument("--retry", action="store_true", help="do runs that failed again")
    run.add_argument("--quiet", action="store_true", help="no progress and no table")
    shown.add_argument("--by", default="average_gap", metavar="FIGURE", help="figure that settings are sorted and chosen by (default: average_gap)")  # fmt: skip
    for command in (listed, shown):
        command.add_argument(
            "--json", default=None, metavar="FILE", help="write it as json; - for standard output"
        )
    exported.add_argument("--format", default="csv", help="csv or json (default: csv)")
    exported.add_argument("--out", default=None, metavar="PATH", help="file to write; - for standard output (default: named after the study, here)")  # fmt: skip
    return study, run, listed, shown, exported


def study(a: argparse.Namespace) -> None:
    """One of the moves. Raises LabError."""
    {"run": _run, "list": _list, "show": _show, "export": _export}[a.move](a)


def spoken_time(seconds: float) -> str:
    """About how long, in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"


def _named(name: str) -> Any:
    """A study by its file, or a ready one, or one that was begun."""
    from core.experiments.studies import kept_studies, kept_study, read_study, ready_names, ready_study

    path = path_of(name)
    if path.suffix == ".toml" or os.path.isfile(path):
        return read_study(path)
    if name in ready_names():
        return ready_study(name)
    if name in kept_studies():
        return kept_study(name)
    return ready_study(name)  # says which there are


def _run(a: argparse.Namespace) -> None:
    from core.experiments.studies import StudyRun, predicted
    from core.runtime.device import pick_device

    study = replace(_named(a.study), data_dir=a.data_dir, device=a.device)
    if a.backend == "local":  # a cluster's machines have folders and devices of their own
        require_folder(a.data_dir, option="--data-dir")
        pick_device(a.device)
    where = {"kind": a.backend, "workers": a.workers, "scheduler": a.scheduler}
    found = predicted(study, **where)
    line = (
        f"{study.title}: {found.cells:,} runs ({found.left:,} left) on {found.workers} workers, "
        f"about {spoken_time(found.wall_s)} ({found.measured})"
    )
    if a.dry_run or not a.quiet:
        print(line, flush=True)
    if a.dry_run:
        return
    if (found.left > MANY or found.wall_s > LONG_S) and not a.yes and not _agreed():
        raise RequestError(
            f"{found.left:,} runs of about {spoken_time(found.wall_s)} are not begun without being asked for: add --yes"
        )
    driven = StudyRun(study, **where, retry=a.retry)
    bars = ProgressBars(quiet=a.quiet)
    try:
        driven.run(lambda d: _tell(bars, d))
    except KeyboardInterrupt as stop:
        raise CancelledError(
            f"stopped; {len(driven.table.rows):,} rows are kept, and the same command goes on from there"
        ) from stop
    finally:
        bars.close()
    if not a.quiet:
        print(f"done in {spoken_time(driven.seconds)}")
        _table(study, driven.table.rows, "average_gap")


def _agreed() -> bool:
    """Whether somebody at a terminal says so."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input("Begin? [y/N] ").strip().casefold() in ("y", "yes")


def _tell(bars: ProgressBars, driven: Any) -> None:
    from core.runtime.progress import Progress

    bars(Progress(driven.now, driven.finished, driven.wanted))


def _list(a: argparse.Namespace) -> None:
    from core.experiments.studies import (
        ResultsTable,
        counts,
        is_running,
        kept_studies,
        kept_study,
        ready_names,
        ready_study,
    )

    _check(a.json)
    kept = []
    for name in kept_studies():
        study, table = kept_study(name), ResultsTable(name)
        table.refresh()
        kept.append(
            {"name": name, "title": study.title, "running": is_running(name), **counts(study, table.rows)}
        )
    ready = [
        {"name": n, "title": (s := ready_study(n)).title, "question": s.question, "runs": s.size}
        for n in ready_names()
    ]
    if _told(a.json, {"ready": ready, "begun": kept}):
        return
    print("Ready studies, to run by name:")
    for r in ready:
        print(f"  {r['name']:28} {r['runs']:>5,} runs  {r['title']}")
    print("Begun:" if kept else "Begun: none")
    for k in kept:
        state = "running" if k["running"] else "done" if not k["left"] else "stopped"
        failed = f", {k['failed']:,} failed" if k["failed"] else ""
        print(
            f"  {k['name']:28} {k['done']:>5,} of {k['done'] + k['failed'] + k['left']:,}{failed}, {state}  {k['title']}"
        )


def _show(a: argparse.Namespace) -> None:
    from core.experiments.studies import MEASURES, ResultsTable, best, counts, groups, joined

    _check(a.json)
    if a.by not in MEASURES:
        raise RequestError(f"unknown figure {a.by!r}; there are: {', '.join(MEASURES)}")
    study = _begun(a.study)
    table = ResultsTable(study.name)
    table.refresh()
    rows = joined(study, table.rows)
    chosen = best(study, rows, a.by)
    values = {
        "name": study.name, "title": study.title, "question": study.question, **counts(study, table.rows),
        "chosen_on": list(study.chosen), "reported_on": list(study.reported),
        "chosen": None if chosen is None else {"point": dict(chosen.point), "by": a.by, "value": chosen.chosen_value},
        "groups": [{"point": dict(g.point), "seeds": len(g.rows), "failed": g.failed,
                    "mean": {m: g.mean(m) for m in MEASURES}, "spread": {m: g.spread(m) for m in MEASURES}} for g in groups(rows)],
    }  # fmt: skip
    if _told(a.json, values):
        return
    print(f"{study.title}\n{study.question}")
    print(f"{values['done']:,} runs done, {values['failed']:,} failed, {values['left']:,} left")
    _table(study, table.rows, a.by)


SHOWN = ("train_r", "train_f", "test_r", "test_f", "js", "average_gap", "seconds")


def _table(study: Any, rows: Any, by: str) -> None:
    """Settings with their figures over the reported seeds, the best by ``by`` first."""
    from core.experiments.studies import MEASURES, best, groups, joined
    from core.experiments.studies.analysis import percent

    found = joined(study, rows)
    names = [n for n in study.varied if n in {k for r in found for k in r["point"]}]
    sign = -1.0 if MEASURES[by][2] is False else 1.0
    many = sorted(groups(found), key=lambda g: float("inf") if (m := g.mean(by)) is None else sign * m)
    columns = [m for m in dict.fromkeys((*SHOWN, by)) if any(g.values(m) for g in many)]
    lines = [[*names, *columns, ""]]
    for g in many[:30]:
        cells = [_spoken(g.point.get(n)) for n in names]
        for m in columns:
            mean, spread = g.mean(m), g.spread(m)
            scale = 100 if percent(m) else 1
            digits = 1 if percent(m) or m == "seconds" else 3
            text = "–" if mean is None else f"{scale * mean:.{digits}f}"
            cells.append(text + (f" ± {scale * spread:.{digits}f}" if spread is not None else ""))
        lines.append([*cells, f"{g.failed} failed" if g.failed else ""])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    if len(many) > 30:
        print(f"… and {len(many) - 30:,} more: laf study export {study.name}")
    print(f"Means ± standard deviation over seeds {', '.join(map(str, study.reported))}; accuracies in %.")
    for row in [r for r in found if r["state"] == "failed"][:3]:
        print(f"failed: {', '.join(f'{k} {_spoken(v)}' for k, v in row['point'].items())}, seed {row['seed']}: {row['error']}", file=sys.stderr)  # fmt: skip
    chosen = best(study, found, by)
    if chosen is not None:
        what = ", ".join(f"{k} {_spoken(v)}" for k, v in chosen.point.items()) or "the only setting"
        print(
            f"Chosen by {by} on seeds {', '.join(map(str, chosen.chosen_on))}, with labels and retrained models: {what}"
        )


def _spoken(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return (
        " ".join(map(str, value)) if isinstance(value, (list, tuple)) else "" if value is None else str(value)
    )


def _export(a: argparse.Namespace) -> None:
    from core.experiments.studies import ResultsTable, flat, joined

    if a.format not in ("csv", "json"):
        raise RequestError(f"unknown format {a.format!r}; there are: csv, json")
    study = _begun(a.study)
    path = path_of(f"{study.name}.{a.format}" if a.out is None else a.out)
    if a.out != "-":
        require_writable(path, option="--out")
    table = ResultsTable(study.name)
    table.refresh()
    text = (
        as_json(study, joined(study, table.rows))
        if a.format == "json"
        else as_csv(flat(joined(study, table.rows)))
    )
    if a.out == "-":
        print(text, end="")
        return
    write(path, text, option="--out")
    print(path)


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows of plain values as CSV text; the columns are all that any row has."""
    columns = list(dict.fromkeys(k for r in rows for k in r))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(study: Any, rows: list[dict[str, Any]]) -> str:
    """All that is known of a study, with the seeds on which something was chosen and those that are reported."""
    about = {"schema": 1, "name": study.name, "title": study.title, "question": study.question, "chosen_on": list(study.chosen),
             "reported_on": list(study.reported), "study": study.source, "rows": rows}  # fmt: skip
    return json.dumps(about, indent=1) + "\n"


def _begun(name: str) -> Any:
    from core.experiments.studies import kept_study

    return kept_study(Path(name).stem if name.endswith(".toml") else name)


def _check(target: str | None) -> None:
    target_of(target)


def _told(target: str | None, values: Any) -> bool:
    """As json where it was asked for; whether standard output is taken."""
    if target == "-":
        print(json.dumps(values))
    elif target is not None:
        write(path_of(target), json.dumps(values, indent=1) + "\n")
    return target == "-"
