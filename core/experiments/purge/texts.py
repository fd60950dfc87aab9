"""Purge of texts: names and ids in files of studies and lessons, and in manifests of earlier purges."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core.experiments.purge.manifest import redacted
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.experiments.purge.subject_names import PURGED
from core.runtime.purge_watch import purges_folder
from core.runtime.storage import home

TEXT_FOLDERS = {  # folder -> why it is left
    "studies": "texts and rows of studies: settings and figures, no image and no model",
    "lessons": "answers and progress of lessons: settings and figures, no image and no model",
}
TEXT_ENDINGS = (".json", ".jsonl", ".toml", ".txt", ".md")


def purge_texts(scope: PurgeScope, files: FileEditor) -> None:
    """Remove names and ids from the files of studies and lessons; these files have no images."""
    for folder in TEXT_FOLDERS:
        for path in sorted(p for p in (home() / folder).rglob("*") if p.is_file()):
            if path.suffix in TEXT_ENDINGS:
                purge_text(path, scope, files)
    for path in sorted((home() / "studies").glob("*")):
        if path.is_dir() and scope.names.is_one(path.name):
            _rename_study(path, files)


def _rename_study(path: Path, files: FileEditor) -> None:
    files.note_rewritten(path, "a study named after a subject; it was given another name")
    moved = files.rename(path, f"{PURGED}-study", "", separator="-")
    about = moved / "study.json"
    if not files.dry_run and about.exists():
        files.write_json(about, {**json.loads(about.read_bytes()), "name": moved.name})


def purge_text(path: Path, scope: PurgeScope, files: FileEditor) -> None:
    """Remove names of subjects, and ids in settings, from one file."""
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        files.note_left(path, "a file that cannot be read as text")
        return
    if path.suffix == ".json":
        after = _cleaned_json(before, scope)
    elif path.suffix == ".jsonl":
        after = "".join(_cleaned_json(line, scope) for line in before.splitlines(keepends=True))
    else:
        after = scope.names.without(before)
    if after != before:
        files.note_rewritten(path, "names of subjects or ids in a text of a study or a lesson")
        files.write_text(path, after)
    if scope.names.is_in(after):
        files.note_left(path, "a text that still names a subject; look yourself")


def _cleaned_json(text: str, scope: PurgeScope) -> str:
    """Return JSON without names and ids. Text without any stays byte for byte."""
    try:
        before = json.loads(text)
    except ValueError:
        return scope.names.without(text)
    after = _without_ids(scope.names.cleaned(before), scope)
    end = "\n" if text.endswith("\n") else ""
    return text if after == before else json.dumps(after, separators=(",", ":")) + end


def _without_ids(value: Any, scope: PurgeScope) -> Any:
    """Return ``value`` without purged ids in any settings inside it."""
    if isinstance(value, list):
        return [_without_ids(v, scope) for v in value]
    if not isinstance(value, dict):
        return value
    after = {k: _without_ids(v, scope) for k, v in value.items()}
    match = scope.matches.get(str(after.get("dataset")))
    if match is not None and isinstance(after.get("ids"), list):
        after["ids"] = [i for i in after["ids"] if i not in match.ids]
    return after


def purge_earlier_manifests(scope: PurgeScope, files: FileEditor) -> None:
    """Remove ids and names from the manifests of earlier purges."""
    for path in sorted(purges_folder().glob("*.json")):
        try:
            before = json.loads(path.read_bytes())
            after = redacted(before, scope.names)
            times = path.stat()
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            files.remove(path, "an unreadable manifest")
            continue
        if after != before:
            files.note_rewritten(path, "the manifest of an earlier purge that gave ids or names away")
            files.write_json(path, after, indent=1)
            if not files.dry_run:  # a new time would make it a new purge to every running Lab
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
