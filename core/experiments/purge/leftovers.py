"""Leftovers of a purge: unfinished files, which are removed, and things that the user must decide, which are listed."""

from __future__ import annotations

import re
from pathlib import Path

from core.experiments.purge.image_search import MatchedImages
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.experiments.purge.texts import TEXT_FOLDERS
from core.runtime.storage import home

KNOWN_FOLDERS = {
    "answers",
    "data",
    "datasets",
    "forget-sets",
    "maps",
    "models",
    "outcomes",
    "own-models",
    "purges",
    "runs",
    *TEXT_FOLDERS,
}
_UNFINISHED = re.compile(r"\..+\.(part|[a-z0-9_]{8})")  # left by a process that died while writing


def purge_unfinished_files(files: FileEditor) -> None:
    """Remove files that killed uploads and writers left behind."""
    for path in sorted((home() / "datasets").glob(".own-*")):
        files.remove(path, "an unfinished upload")
    for folder in sorted(KNOWN_FOLDERS - {"data"}):
        for path in sorted((home() / folder).rglob(".*")):
            if path.is_file() and _UNFINISHED.fullmatch(path.name):
                files.remove(path, "an unfinished file")


def report_leftovers(
    scope: PurgeScope, files: FileEditor, unreadable: list[str], subjects: tuple[str, ...]
) -> None:
    """List what the purge cannot decide. ``unreadable`` are keys of uploaded datasets."""
    root = home()
    for key in unreadable:
        files.note_left(
            root / "datasets" / key,
            "an unreadable dataset that may have these images; remove it by hand",
        )
    for name, match in scope.matches.items():
        _report_subjects(root / "datasets" / name, match, scope, files, subjects)
    for path in sorted((root / "own-models").glob("*")):
        files.note_left(
            path,
            "an uploaded model: only the user who uploaded it knows its training data; its title stays too",
        )
    for folder, why in TEXT_FOLDERS.items():
        if (root / folder).is_dir():
            files.note_left(root / folder, why)
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.name not in KNOWN_FOLDERS:
            files.note_left(path, "not made by the Lab; look yourself")
    files.note_left(
        root,
        "a running Lab drops these images from memory within seconds; open browser tabs show them until closed",
    )


def _report_subjects(
    path: Path, match: MatchedImages, scope: PurgeScope, files: FileEditor, subjects: tuple[str, ...]
) -> None:
    if match.other_images and match.dataset.name not in scope.emptied:
        files.note_left(
            path, f"a dataset with {match.other_images:,} other images of these images' subjects: they stay"
        )
    if (subjects or match.names) and match.dataset.subjects and match.dataset.test_subject_of is None:
        files.note_left(
            path,
            "a dataset whose subjects on test images were not kept when it was uploaded; "
            "only test images with the same pixels are found",
        )
