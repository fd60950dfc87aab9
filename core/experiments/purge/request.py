"""The purge request: find the images, remove each kind of kept data, and write the manifest.

Every upload with the same pixels loses the images from training and test data. Caches made from such a dataset are removed whole.
A run that forgot the images keeps its steps, settings and final model; its frames and states are removed, with the VAE of D_f.
A run that learnt from the images without forgetting them is removed. Lists lose the ids.
Names of subjects without another image are removed from names, notes, titles, studies and lessons.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from core.data.registry import load
from core.data.uploads import store
from core.errors import RequestError
from core.experiments.purge.caches import purge_caches
from core.experiments.purge.datasets import purge_images, purge_titles
from core.experiments.purge.forget_lists import purge_forget_lists
from core.experiments.purge.image_search import MatchedImages, find_images, requested_ids
from core.experiments.purge.leftovers import purge_unfinished_files, report_leftovers
from core.experiments.purge.manifest import Manifest, proof_of
from core.experiments.purge.runs import kept_run_folders, lock_runs, missing_datasets, purge_runs
from core.experiments.purge.scope import FileEditor, PurgeScope
from core.experiments.purge.subject_names import SubjectNames
from core.experiments.purge.texts import purge_earlier_manifests, purge_texts
from core.experiments.studies import results_table
from core.runtime.purge_watch import purges_folder


def purge(
    dataset: str,
    ids: Iterable[int] = (),
    *,
    subjects: Iterable[str] = (),
    data_dir: str | None = None,
    dry_run: bool = False,
    remove_datasets: bool = False,
) -> Manifest:
    """Remove all that is kept of images of ``dataset``, named by their ``ids`` or ``subjects``.

    Training and test images may be named. With ``dry_run`` the purge only lists its changes. A purge that would remove the last image
    of a class is refused; with ``remove_datasets`` it removes the whole dataset. The manifest is kept in ``$LAF_HOME/purges``.
    An interrupted purge can be run again.

    Raises RequestError for an unknown image or subject, for a class that would lose its last image, and while a run or study is open.
    Raises DataError if something cannot be removed.
    """
    ids, subjects = tuple(ids), tuple(subjects)
    data = load(dataset, data_dir=data_dir)
    requested = requested_ids(data, ids, subjects)
    matches, unreadable = find_images(data, requested)
    emptied = {m.dataset.name: what for m in matches if m.is_uploaded and (what := m.emptied_class)}
    if emptied and not remove_datasets:
        raise RequestError(_emptied_sentence(list(emptied.values())))
    made = datetime.now(UTC)
    receipt = secrets.token_hex(32)
    manifest = Manifest(
        data.name,
        len(requested),
        [m.dataset.name for m in matches],
        proof_of(receipt, data.name, ids, subjects),
        made.isoformat(timespec="seconds"),
        dry_run,
        receipt=None if dry_run else receipt,
    )
    scope = _scope(matches, subjects, frozenset(emptied))
    files = FileEditor(manifest)
    _purge_all(scope, files, unreadable, subjects)
    files.write_json(purges_folder() / f"{made:%Y%m%d-%H%M%S-%f}.json", manifest.kept(scope.names), indent=1)
    return manifest


def _scope(matches: list[MatchedImages], subjects: tuple[str, ...], emptied: frozenset[str]) -> PurgeScope:
    uploaded = frozenset(store.kept_keys())
    return PurgeScope(
        matches={m.dataset.name: m for m in matches},
        names=SubjectNames([*subjects, *(n for m in matches for n in m.names)]),
        emptied=emptied,
        uploaded=uploaded,
        missing=missing_datasets(uploaded),
    )


def _purge_all(
    scope: PurgeScope, files: FileEditor, unreadable: list[str], subjects: tuple[str, ...]
) -> None:
    """Purge each kind of kept data while every run is locked."""
    with contextlib.ExitStack() as locks:
        _require_no_running_study()
        lock_runs(kept_run_folders(), locks)
        purge_runs(scope, files)
        purge_caches(scope, files)
        purge_forget_lists(scope, files)
        purge_texts(scope, files)
        purge_titles(scope, files)
        purge_earlier_manifests(scope, files)
        purge_unfinished_files(files)
        purge_images(scope, files)  # last: until then an interrupted purge can find the images again
        report_leftovers(scope, files, unreadable, subjects)


def _emptied_sentence(emptied: list[str]) -> str:
    more = f" (and {len(emptied) - 1} more classes likewise)" if len(emptied) > 1 else ""
    return (
        f"these are {emptied[0]}{more}; leave some images out, or remove the whole dataset with them: "
        "--remove-datasets"
    )


def _require_no_running_study() -> None:
    for name in results_table.kept_studies():
        if results_table.is_running(name):
            raise RequestError(f"the study {name} is being run; cancel it before a purge")


__all__ = ["purge"]
