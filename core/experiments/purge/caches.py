"""Purge of caches: original, retrained and unlearned models, their answers, and maps."""

from __future__ import annotations

from core.experiments.purge.scope import FileEditor, PurgeScope
from core.runs.unlearned_models import unlearned_models_of
from core.runtime.content_cache import ContentCache, answers, maps, models

CACHES: tuple[ContentCache, ...] = (models, answers, maps, unlearned_models_of)


def purge_caches(scope: PurgeScope, files: FileEditor) -> None:
    """Remove each entry that was made from the images, or whose source is unknown."""
    for cache in CACHES:
        for key, source in cache.entries():
            if source is None:
                why = "its source is unknown, and it can be made again"
            elif source["dataset"] in scope.matches:
                why = f"a {source['kind']} of a dataset with these images"
            elif source["dataset"] in scope.missing:
                why = f"a {source['kind']} of a dataset that was removed"
            else:
                continue
            for path in cache.paths(key):
                files.note_removed(path, why)
            if not files.dry_run:
                cache.remove(key)
