"""`laf runs` lists, shows, exports and deletes kept runs; `laf purge` removes everything kept of some images."""

from __future__ import annotations

import argparse
import hashlib
import sys
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.tables import aligned
from dashboard.cli.terminal import path_of, require_folder, require_writable, target_of, write, write_json


def add(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Add `runs` with its sub-commands, and `purge`; return their parsers."""
    runs: argparse.ArgumentParser = commands.add_parser(
        "runs", help="list, show, export and delete kept runs"
    )
    moves = runs.add_subparsers(dest="move", required=True, metavar="list | show | export | rm")
    listed = moves.add_parser("list", help="list all kept runs, newest first")
    shown = moves.add_parser("show", help="show one run: its settings and its state")
    exported = moves.add_parser("export", help="write a run to a file")
    removed = moves.add_parser("rm", help="delete runs permanently")
    for command in (shown, exported):
        command.add_argument("id", help="as `laf runs list` shows it; its first letters suffice")
    removed.add_argument("id", nargs="+", help="as `laf runs list` shows them")
    exported.add_argument(
        "--format",
        default="html",
        help="html: a page that replays it; csv or parquet: its tables; safetensors: its model; "
        "judge: a zip of all that `laf judge` needs (default: html)",
    )
    exported.add_argument(
        "--out",
        default=None,
        metavar="PATH",
        help="file to write (default: named after the run, in this folder)",
    )
    for command in (listed, shown):
        options.add_common(command, json="it")
    return runs, listed, shown, exported, removed, _add_purge(commands)


def _add_purge(commands: Any) -> argparse.ArgumentParser:
    purged: argparse.ArgumentParser = commands.add_parser(
        "purge", help="find and remove everything kept of some images"
    )
    purged.add_argument(
        "--dataset", required=True, help="dataset of the images: a name, or own-… for uploaded data"
    )
    purged.add_argument(
        "--ids",
        default=None,
        metavar="FILE",
        help="ids of training or test images, one a line; - for standard input",
    )
    purged.add_argument(
        "--subject",
        action="append",
        default=[],
        metavar="NAME",
        help="all images of one subject, as named in the CSV; may be given again",
    )
    purged.add_argument(
        "--remove-datasets",
        action="store_true",
        help="remove a whole dataset if one of its classes would have no image left",
    )
    purged.add_argument(
        "--data-dir", default=None, metavar="DIR", help="folder of downloaded data (default: $LAF_HOME/data)"
    )
    purged.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    options.add_common(purged, json="the manifest")
    return purged


def runs(a: argparse.Namespace) -> None:
    """Run the chosen sub-command. Raises LabError."""
    {"list": _list, "show": _show, "export": _export, "rm": _rm}[a.move](a)


def purge(a: argparse.Namespace) -> None:
    """Remove everything kept of the named images, and print the manifest. Raises LabError."""
    target_of(a.json)
    require_folder(a.data_dir, option="--data-dir")
    from core.experiments.purge import purge as remove

    if a.ids is None and not a.subject:
        raise RequestError("name the images with --ids FILE, or all images of a subject with --subject NAME")
    manifest = remove(
        a.dataset,
        () if a.ids is None else options.ids_in(a.ids),
        subjects=a.subject,
        data_dir=a.data_dir,
        dry_run=a.dry_run,
        remove_datasets=a.remove_datasets,
    )
    if write_json(a.json, manifest.as_dict()):
        return
    word = "would go" if a.dry_run else "gone"
    for entry in manifest.removed:
        print(f"{entry.what if not a.dry_run else word:10} {entry.path}: {entry.why}")
    for entry in manifest.left:
        print(f"{'left':10} {entry.path}: {entry.why}")
    print(
        f"{manifest.images:,} image{'s' * (manifest.images != 1)} of {manifest.dataset}: {len(manifest.removed)} things {word}, "
        f"{len(manifest.left)} for you to look at"
    )
    if manifest.receipt is not None:
        print(
            f"receipt: {manifest.receipt} (not kept; together with your request it proves that the manifest belongs to this purge)"
        )


def _list(a: argparse.Namespace) -> None:
    target_of(a.json)
    from core.runs.storage import list_runs, next_deletions, past_deletions, storage_quota

    infos, problems = list_runs()
    used = storage_quota()
    for problem in problems:
        print(f"laf: {problem}", file=sys.stderr)
    if write_json(a.json, [i.as_dict() for i in infos]):
        return
    if not infos:
        print("no run is kept; `laf run --save` keeps one, and so does the Lab")
    rows = [
        [
            i.id,
            f"{i.created:%Y-%m-%d %H:%M}",
            str(i.phase),
            f"{i.steps:,}/{i.total_steps:,}",
            f"{i.bytes / 1e6:.1f} MB",
            i.title,
        ]
        for i in infos
    ]
    for line in aligned(rows, right=(3, 4)):
        print(line)
    if infos:
        print(used.describe())
    if used.is_near:
        print(
            f"The limit is near. Next to go: {'; '.join(next_deletions()) or 'none, so no further run would be kept'}"
        )
    for notice in past_deletions():
        print(notice)


def _show(a: argparse.Namespace) -> None:
    target_of(a.json)
    from core.runs.storage import read_run, run_info

    run_id = named_run(a.id)
    info, kept = run_info(run_id), read_run(run_id)
    last = kept.frames[-1].reading if kept.frames else None
    numbers = (
        {}
        if last is None
        else {k: getattr(last, k) for k in ("train_r", "train_f", "test", "commonest_share")}
    )
    values = {
        **info.as_dict(),
        "settings": kept.about["config"],
        "settings_kind": kept.setup.settings,
        "trials": None if kept.automatic is None else len(kept.automatic["trials"]),
        "verdict": kept.verdict,
        "marks": kept.about["marks"],
        "last": numbers,
        "report": kept.about.get("report"),
    }
    if not write_json(a.json, values):
        _print_run(info, kept, numbers)


def _print_run(info: Any, kept: Any, numbers: dict[str, float]) -> None:
    from core.runs.storage import megabytes
    from dashboard.presentation.charts.runs import on_all_images

    print(f"{info.title}\n{info.id}, begun {info.created:%Y-%m-%d %H:%M} UTC, {info.phase}")
    print(f"{info.setup.dataset}: forget {info.forget}; {info.setup.method}, seed {info.setup.seed}")
    print(f"{info.steps:,} of {info.total_steps:,} steps, {info.frames:,} frames, {megabytes(info.bytes)}")
    print(_settings_line(kept))
    if info.parent:
        print(f"forked from {info.parent} after step {info.parent_step}")
    if info.setup.earlier:
        before = ", ".join(request.run for request in info.setup.earlier)
        print(f"request {len(info.setup.earlier) + 1} of a chain, after {before}")
    for mark in kept.about["marks"]:
        print(f"step {mark['step']}: {mark['text']}")
    if numbers:
        print("last frame: " + ", ".join(f"{k} {100 * v:.1f} %" for k, v in numbers.items()))
    final = on_all_images(kept.about)
    if final is not None:
        print(final)
    if kept.verdict is not None:
        print(kept.verdict["text"])
    elif info.phase == "done":
        print("verdict: none is kept with this run")
    if info.note:
        print(info.note)


def _settings_line(kept: Any) -> str:
    """Return where the settings come from: the preset, the paper, or trials on the data, with their number and the reason for the choice."""
    found = kept.automatic
    if found is None:
        return f"settings: {kept.setup.settings}"
    count = len(found["trials"])
    return f"settings: {kept.setup.settings}, the best of {count} trial{'s' * (count != 1)}; {found['description']}"


def _export(a: argparse.Namespace) -> None:
    from core.runs.storage import note_export, read_run
    from dashboard.presentation.export.run_files import FORMATS

    if a.format not in FORMATS:
        raise RequestError(f"unknown format {a.format!r}; there are: {', '.join(FORMATS)}")
    kept = read_run(named_run(a.id))
    make, ending, _, _ = FORMATS[a.format]
    path = path_of(f"run-{kept.id}{ending}" if a.out is None else a.out)
    require_writable(path, option="--out")
    data = make(kept)
    write(path, data, option="--out")
    note_export(kept.id, path, hashlib.sha256(data).hexdigest())
    print(f"{path} ({len(data) / 1e6:.1f} MB)")


def _rm(a: argparse.Namespace) -> None:
    from core.runs.storage import remove_run, run_folder

    # newest first: a later request of a chain goes before the run that it follows
    found = sorted({named_run(i) for i in a.id}, reverse=True)
    for run_id in found:
        run_folder(run_id)  # raises before any run is deleted
    for run_id in found:
        remove_run(run_id)
        print(f"{run_id} is deleted")


def named_run(text: str) -> str:
    """Return the id of the run that ``text`` names in full or by its first letters.

    Raises RequestError where several runs begin with ``text``.
    """
    from core.runs.storage import runs_home

    root = runs_home()
    names = [p.name for p in root.iterdir() if not p.name.startswith(".")] if root.is_dir() else []
    found = [n for n in names if text and n.startswith(text)]
    if text in found or not found:
        return text
    if len(found) > 1:
        raise RequestError(f"{len(found)} runs begin with {text!r}; give more of the id")
    return found[0]
