"""Purge of the lists of ids that users saved to forget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.data.registry import OWN
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.experiments.purge.subject_names import PURGED
from core.experiments.purge.texts import purge_text
from core.runtime.storage import home


def purge_forget_lists(scope: PurgeScope, files: FileEditor) -> None:
    """Remove the ids and the names of subjects from every saved list."""
    for path in sorted((home() / "forget-sets").rglob("*.json")):
        try:
            values = json.loads(path.read_bytes())
            if isinstance(values, dict) and "ids" not in values:  # a description beside the lists
                purge_text(path, scope, files)
                continue
            match = scope.matches.get(values["dataset"])
            kept_ids = [i for i in values["ids"] if match is None or i not in match.ids]
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            files.remove(path, "an unreadable list of ids")
            continue
        if not kept_ids and values["ids"]:
            files.remove(path, "a list of these ids")
            continue
        _rewrite_list(path, values, kept_ids, scope, files)


def _rewrite_list(
    path: Path, values: dict[str, Any], kept_ids: list[int], scope: PurgeScope, files: FileEditor
) -> None:
    if values["dataset"].startswith(OWN) and values["dataset"] not in scope.uploaded:
        files.note_left(path, "a list for a dataset that was removed: its ids may be of these images")
    if len(kept_ids) < len(values["ids"]):
        files.note_rewritten(path, "a list with some of these ids")
        files.write_json(path, {**values, "ids": kept_ids})
    owner, mark, name = path.stem.rpartition("~")  # a list with an owner is called "owner~name"
    if scope.names.is_one(name):
        files.note_rewritten(path, "a list named after a subject; it was given another name")
        files.rename(path, f"{owner}{mark}{PURGED} list", ".json")
    elif scope.names.may_hold(name):
        files.note_left(path, "a list whose name may name a subject")
