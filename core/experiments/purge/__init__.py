"""Purge: find everything that ``$LAF_HOME`` keeps of some images, remove it, and record it in a manifest."""

from core.experiments.purge.manifest import Entry, Manifest, proves
from core.experiments.purge.request import purge

__all__ = ["Entry", "Manifest", "proves", "purge"]
