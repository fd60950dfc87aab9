"""`laf study`: run, list, show and export many runs over settings, data and seeds."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import CancelledError, RequestError
from core.runtime.bounds import quote_value
from dashboard.cli import options
from dashboard.cli.tables import aligned, print_study_table
from dashboard.cli.terminal import (
    ProgressBars,
    path_of,
    require_folder,
    require_writable,
    target_of,
    write,
    write_json,
)
from dashboard.presentation.text import numbers
from dashboard.presentation.text.durations import spoken_time

ENDINGS = {"csv": "csv", "json": "json", "latex": "tex", "markdown": "md"}  # of a file, by format
MANY, LONG_S = 1000, 3600.0  # a larger or longer study asks before it begins


def add(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Add `study` and its sub-commands; return their parsers."""
    study: argparse.ArgumentParser = commands.add_parser(
        "study", help="many runs: sensitivity, ablation, stability; a grid of settings over seeds"
    )
    moves = study.add_subparsers(dest="move", required=True, metavar="run | list | show | export")
    run = moves.add_parser("run", help="run a study, or continue it")
    listed = moves.add_parser("list", help="list built-in studies and those already begun")
    shown = moves.add_parser("show", help="show the results of a study so far")
    exported = moves.add_parser("export", help="write the rows of a study to a file")
    _add_run_options(run)
    for command in (shown, exported):
        command.add_argument("study", help="as `laf study list` shows it")
    for command in (run, shown, exported):
        command.add_argument(
            "--by",
            default=None,
            metavar="FIGURE",
            help="figure that sorts and chooses settings (default: the study's own [show] measure, or average_gap)",
        )
    for command in (listed, shown):
        options.add_common(command, json="it")
    exported.add_argument(
        "--format",
        default="csv",
        help="csv or json: all rows; latex or markdown: the table of settings (default: csv)",
    )
    exported.add_argument(
        "--out",
        default=None,
        metavar="PATH",
        help="file to write; - for standard output (default: named after the study, in this folder)",
    )
    return study, run, listed, shown, exported


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("study", help="a TOML file, or the name of a built-in study")
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
        "--dry-run", action="store_true", help="only print the number of runs and how long they will take"
    )
    run.add_argument("--yes", action="store_true", help="begin without asking, whatever the size")
    run.add_argument("--retry", action="store_true", help="run failed runs again")
    options.add_common(run, quiet="progress and no table")


def study(a: argparse.Namespace) -> None:
    """Run the chosen sub-command. Raises LabError."""
    {"run": _run, "list": _list, "show": _show, "export": _export}[a.move](a)


def _named(name: str) -> Any:
    """Return the study in a TOML file, the built-in one, or the one begun under ``name``."""
    from core.experiments.studies import kept_studies, kept_study, read_study, ready_names, ready_study

    path = path_of(name)
    if path.suffix == ".toml" or os.path.isfile(path):
        return read_study(path)
    if name in ready_names():
        return ready_study(name)
    if name in kept_studies():
        return kept_study(name)
    return ready_study(name)  # raises RequestError with the known names


def _measure(a: argparse.Namespace, study: Any) -> str:
    """Return the measure of --by, or the study's own. Raises RequestError for an unknown one."""
    from core.experiments.studies import MEASURES
    from dashboard.presentation.export.study_files import usual_measure

    if a.by is None:
        return usual_measure(study)
    if a.by not in MEASURES:
        raise RequestError(f"unknown figure {quote_value(a.by)}; there are: {', '.join(MEASURES)}")
    return str(a.by)


def _run(a: argparse.Namespace) -> None:
    from core.experiments.studies import StudyRun, predicted
    from core.runtime.device import pick_device

    study = replace(_named(a.study), data_dir=a.data_dir, device=a.device)
    by = _measure(a, study)
    if a.backend == "local":  # the machines of a cluster have other folders and devices
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
    if (found.left > MANY or found.wall_s > LONG_S) and not a.yes and not _user_agrees():
        raise RequestError(
            f"{found.left:,} runs of about {spoken_time(found.wall_s)} need your consent; add --yes to begin"
        )
    driven = StudyRun(study, **where, retry=a.retry)
    bars = ProgressBars(quiet=a.quiet)
    try:
        driven.run(lambda d: _show_progress(bars, d))
    except KeyboardInterrupt as stop:
        raise CancelledError(
            f"stopped; {len(driven.table.rows):,} rows are kept, and the same command continues from there"
        ) from stop
    finally:
        bars.close()
    if not a.quiet:
        print(f"done in {spoken_time(driven.seconds)}")
        print_study_table(study, driven.table.rows, by)


def _user_agrees() -> bool:
    """Return True when the user at the terminal agrees; False where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input("Begin? [y/N] ").strip().casefold() in ("y", "yes")


def _show_progress(bars: ProgressBars, driven: Any) -> None:
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

    target_of(a.json)
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
    if write_json(a.json, {"ready": ready, "begun": kept}):
        return
    print("Built-in studies, to run by name:")
    for line in aligned([[r["name"], f"{r['runs']:,} runs", r["title"]] for r in ready], right=(1,)):
        print(f"  {line}")
    print("Begun:" if kept else "Begun: none")
    for line in aligned([[k["name"], _state(k), k["title"]] for k in kept]):
        print(f"  {line}")


def _state(kept: dict[str, Any]) -> str:
    """Return how far a study has come, such as "3 of 8, 1 failed, running"."""
    state = "running" if kept["running"] else "done" if not kept["left"] else "stopped"
    failed = f", {kept['failed']:,} failed" if kept["failed"] else ""
    return f"{kept['done']:,} of {kept['done'] + kept['failed'] + kept['left']:,}{failed}, {state}"


def _show(a: argparse.Namespace) -> None:
    from core.experiments.studies import MEASURES, ResultsTable, best, counts, groups, joined

    target_of(a.json)
    if a.by is not None:
        _measure(a, None)
    study = _begun(a.study)
    by = _measure(a, study)
    table = ResultsTable(study.name)
    table.refresh()
    rows = joined(study, table.rows)
    chosen = best(study, rows, by)
    values = {
        "name": study.name,
        "title": study.title,
        "question": study.question,
        **counts(study, table.rows),
        "chosen_on": list(study.chosen),
        "reported_on": list(study.reported),
        "chosen": None
        if chosen is None
        else {"point": dict(chosen.point), "by": by, "value": chosen.chosen_value},
        "groups": [
            {
                "point": dict(g.point),
                "seeds": len(g.rows),
                "failed": g.failed,
                "mean": {m: g.mean(m) for m in MEASURES},
                "spread": {m: g.spread(m) for m in MEASURES},
            }
            for g in groups(rows)
        ],
    }
    if write_json(a.json, values):
        return
    print(f"{study.title}\n{study.question}")
    print(f"{values['done']:,} runs done, {values['failed']:,} failed, {values['left']:,} left")
    print_study_table(study, table.rows, by)


def _export(a: argparse.Namespace) -> None:
    from core.experiments.studies import ResultsTable, flat, joined
    from dashboard.presentation.export import study_files

    if a.format not in ENDINGS:
        raise RequestError(f"unknown format {quote_value(a.format)}; there are: {', '.join(ENDINGS)}")
    if a.by is not None:
        _measure(a, None)
    study = _begun(a.study)
    by = _measure(a, study)
    path = path_of(f"{study.name}.{ENDINGS[a.format]}" if a.out is None else a.out)
    if a.out != "-":
        require_writable(path, option="--out")
    table = ResultsTable(study.name)
    table.refresh()
    rows = joined(study, table.rows)
    if a.format in ("csv", "json"):
        text = study_files.as_json(study, rows) if a.format == "json" else study_files.as_csv(flat(rows))
    else:
        settings = study_files.settings_table(study, rows, by)
        text = study_files.as_latex(settings) if a.format == "latex" else study_files.as_markdown(settings)
    if a.out == "-":
        print(text, end="")
        return
    write(path, text, option="--out")
    print(path)


def _begun(name: str) -> Any:
    from core.experiments.studies import kept_study

    return kept_study(Path(name).stem if name.endswith(".toml") else name)
