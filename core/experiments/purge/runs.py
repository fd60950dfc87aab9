"""Purge of kept runs: frames, states, exports, ids in requests, and names in descriptions."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from core.data.registry import OWN
from core.errors import LabError, RequestError
from core.experiments.purge.caches import CACHES
from core.experiments.purge.image_search import MatchedImages
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.experiments.purge.subject_names import PURGED, SubjectNames
from core.runs.storage.folder import RunFolder, is_run_id, runs_home
from core.runs.storage.locks import lock_run, open_run_here
from core.runs.storage.serialization import setup_from

DESCRIPTION_FIELDS = ("name", "note", "marks", "images", "forget")


def kept_run_folders() -> list[RunFolder]:
    """Return the folders of all kept runs."""
    root = runs_home()
    paths = sorted(root.iterdir()) if root.is_dir() else []
    return [RunFolder(p) for p in paths if p.is_dir() and is_run_id(p.name)]


def lock_runs(folders: Iterable[RunFolder], locks: contextlib.ExitStack) -> None:
    """Lock every run against other writers until ``locks`` closes. Raises RequestError if a run is open."""
    for folder in folders:
        if open_run_here(folder.id) is not None:
            raise RequestError(f"run {folder.id} is open in the Lab; close the Lab before a purge")
        locks.enter_context(lock_run(folder))


def missing_datasets(uploaded: frozenset[str]) -> frozenset[str]:
    """Return uploaded datasets that runs or caches name and that are no longer kept.

    Which images such a dataset held is unknown.
    """
    named = {s["dataset"] for cache in CACHES for _, s in cache.entries() if s}
    for folder in kept_run_folders():
        with contextlib.suppress(LabError, KeyError):
            named.add(str(folder.read_about()["setup"]["dataset"]))
    return frozenset(n for n in named if n.startswith(OWN)) - uploaded


def purge_runs(scope: PurgeScope, files: FileEditor) -> None:
    """Purge each kept run, and remove incomplete ones."""
    for folder in kept_run_folders():
        try:
            about = folder.read_about()
            dataset = about["setup"]["dataset"]
        except (LabError, KeyError):
            files.remove(folder.path, "an unreadable run: its images are unknown")
            continue
        if dataset in scope.matches:
            _purge_run(folder, about, scope.matches[dataset], scope, files)
            continue
        if dataset in scope.missing:
            about = _without_missing_dataset(folder, about, files)
        _rewrite_about(folder, about, _without_names(about, scope.names), scope.names, files)
    for path in runs_home().glob(".[0-9]*"):
        files.remove(path, "an incomplete run")


def _purge_run(
    folder: RunFolder,
    about: dict[str, Any],
    match: MatchedImages,
    scope: PurgeScope,
    files: FileEditor,
) -> None:
    """Purge a run on a dataset with the images."""
    for export in about.get("exports", []):
        _remove_export(export, files)
    if not _forgot(about, match):
        files.remove(folder.path, "a run that learnt from the images and did not forget them all")
        return
    _remove_frames(folder, files)
    ids = about["setup"]["ids"]
    kept_ids = [i for i in ids if i not in match.ids]
    before = {k: about["setup"][k] for k in ("earlier",) if k in about["setup"]}
    if kept_ids != ids or _earlier_in(about["setup"], match.ids) != before:
        files.note_rewritten(folder.path / "run.json", "ids in the request of a run")
    purged = int(about.get("purged", 0)) + (0 if files.dry_run else len(match.ids))
    after = _without_names(about, scope.names)
    if match.dataset.name in scope.emptied:
        after = _without_classes(after, match, scope.names)
    after |= {
        "setup": {**after["setup"], "ids": kept_ids, **_earlier_in(after["setup"], match.ids)},
        "purged": purged,
        "exports": [],
        "dataset": secrets.token_hex(12),  # replaces a hash of all pixels: the run can no longer continue
    }
    _rewrite_about(folder, about, after, scope.names, files)


def _earlier_in(setup: dict[str, Any], ids: Container[int]) -> dict[str, Any]:
    """Return the earlier requests of a run in a chain without ``ids``; {} for a run that is in no chain."""
    if "earlier" not in setup:
        return {}
    kept = [{**e, "ids": [i for i in e["ids"] if i not in ids]} for e in setup["earlier"]]
    return {"earlier": kept}


def _without_missing_dataset(folder: RunFolder, about: dict[str, Any], files: FileEditor) -> dict[str, Any]:
    """Remove frames, exports and ids of a run on a dataset that was removed; return its new description."""
    for export in about.get("exports", []):
        _remove_export(export, files)
    _remove_frames(folder, files)
    files.note_left(
        folder.path,
        "a run on a dataset that was removed: it may have learnt from the images; delete it with `laf runs rm`",
    )
    setup = {**about["setup"], "ids": []}
    if "earlier" in setup:
        setup["earlier"] = [{**request, "ids": []} for request in setup["earlier"]]
    after = {**about, "setup": setup, "dataset": secrets.token_hex(12), "exports": []}
    if not files.dry_run:
        folder.write_about(after)
    return after


def _forgot(about: dict[str, Any], match: MatchedImages) -> bool:
    """Return whether D_f of the run has every purged training image."""
    if not match.train:
        return True
    try:
        split = setup_from(about["setup"]).split(match.dataset)
        return match.train <= set(split.train.ids[split.forget_rows].tolist())
    except (LabError, KeyError, TypeError):
        return False


def _remove_frames(folder: RunFolder, files: FileEditor) -> None:
    files.remove(folder.states, "states of a run, with the VAE of D_f and the teacher's statistics")
    files.remove(folder.path / "frames", "frames of a run: positions, answers and representations")
    files.remove(folder.path / "map.safetensors", "the map of a run, with image ids")


def _without_names(about: dict[str, Any], names: SubjectNames) -> dict[str, Any]:
    """Return a run's description without names of subjects. A name, note or title with one is replaced whole."""
    after = dict(about)
    for text in ("name", "note"):
        if names.is_one(str(about.get(text, ""))):
            after[text] = ""
    images = about.get("images")
    if isinstance(images, dict) and names.is_one(str(images.get("title", ""))):
        after["images"] = {**images, "title": "Your data"}
    if about.get("marks"):
        after["marks"] = names.cleaned(about["marks"])
    return after


def _without_classes(about: dict[str, Any], match: MatchedImages, names: SubjectNames) -> dict[str, Any]:
    """Return a run's description with class numbers for class names, since its whole dataset is removed."""
    setup, images = about["setup"], about.get("images")
    classes = match.dataset.classes
    numbers = [classes.index(c) if c in classes else c for c in setup.get("classes", ())]
    after = {**about, "setup": {**setup, "classes": numbers}}
    if "earlier" in setup:
        renamed = [
            {**e, "classes": [classes.index(c) if c in classes else c for c in e["classes"]]}
            for e in setup["earlier"]
        ]
        after["setup"]["earlier"] = renamed
    if isinstance(images, dict):
        after["images"] = names.cleaned(images)
    if names.is_in(str(about.get("forget", ""))):
        after["forget"] = PURGED
    return after


def _rewrite_about(
    folder: RunFolder,
    before: dict[str, Any],
    after: dict[str, Any],
    names: SubjectNames,
    files: FileEditor,
) -> None:
    path = folder.path / "run.json"
    if any(before.get(k) != after.get(k) for k in DESCRIPTION_FIELDS):
        files.note_rewritten(path, "a name, note or remark of a run that named a subject")
    if any(names.may_hold(str(after.get(k, ""))) for k in ("name", "note")):
        files.note_left(path, "a run whose name or note may name a subject")
    if after != before and not files.dry_run:
        folder.write_about(after)


def _remove_export(export: dict[str, str], files: FileEditor) -> None:
    """Remove a file that `laf runs export` wrote, if it is unchanged since."""
    path = Path(export["path"])
    if not path.is_file():
        return
    if hashlib.sha256(path.read_bytes()).hexdigest() == export["sha256"]:
        files.remove(path, "an export of a run on these images")
    else:
        files.note_left(path, "an export of a run on these images that was changed since")
