"""Purge of uploaded datasets: their images, and titles that name a subject."""

from __future__ import annotations

from pathlib import Path

from core.data.uploads import store
from core.data.uploads.kept_files import PIXELS
from core.errors import DataError, LabError
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.runtime.storage import home


def purge_titles(scope: PurgeScope, files: FileEditor) -> None:
    """Replace each title that names a subject.

    A class may share its name with a subject. The purge only lists such a class, since the user must decide.
    """
    for key in store.kept_keys():
        try:
            title = store.about(key).title
        except LabError:
            continue
        if key in scope.emptied:
            continue
        path = home() / "datasets" / key
        if scope.names.is_one(title):
            files.note_rewritten(path / "about.safetensors", "the title of a dataset that named a subject")
            if not files.dry_run:
                store.rename(key, "Your data")
        elif scope.names.may_hold(title):
            files.note_left(path, "a dataset whose title may name a subject; rename it on the page")
        _report_names(key, path, scope, files)


def _report_names(key: str, path: Path, scope: PurgeScope, files: FileEditor) -> None:
    """List a dataset whose classes or other subjects share a name with a purged subject."""
    match = scope.matches.get(key)
    try:
        data = store.read_uploaded(key) if match is None else match.dataset
    except DataError:
        return  # listed with the unreadable datasets
    purged = set() if match is None else set(match.names)
    if any(scope.names.is_one(c) or scope.names.may_hold(c) for c in data.classes):
        files.note_left(
            path,
            "a dataset with a class that may name a subject; remove the dataset if it must not be kept",
        )
    if any(scope.names.is_one(s) for s in data.subjects if s not in purged):
        files.note_left(
            path,
            "a dataset that knows a subject of that name with other images; purge that subject from it too",
        )


def purge_images(scope: PurgeScope, files: FileEditor) -> None:
    """Remove the images from every uploaded dataset, the requested one last. Public datasets are only listed."""
    for name, match in scope.matches.items():
        if not match.is_uploaded:
            where = home() / "data" if (home() / "data").exists() else Path(name)
            files.note_left(
                where, f"the public dataset {match.dataset.title} itself, as downloaded or from a package"
            )
            continue
        folder = home() / "datasets" / name
        if name in scope.emptied:
            files.remove(folder, "a whole dataset: one of its classes would have no image left")
            continue
        for path in (folder / "images.safetensors", *folder.glob(PIXELS)):
            files.note_rewritten(path, "the images themselves, in an uploaded dataset")
        if not files.dry_run:
            store.remove_images(name, match.ids, match.names)
