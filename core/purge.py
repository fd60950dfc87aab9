"""Everything that is kept of some images under ``$LAF_HOME``, found and removed, with a manifest of what and why.

What was made from a dataset with these images is a cache (originals, retrained models, outcomes, maps) and goes whole. A run that
forgot them keeps its steps, its settings and the model without them; its frames and states (with the VAE of D_f) go. A run that learnt
from them and did not forget them goes. Lists lose the ids, data that somebody brought loses the images. The manifest names no id.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.data import custom
from core.data.datasets import OWN, load
from core.data.images import Dataset
from core.errors import LabError, RequestError, StoreError
from core.purged import purges_home
from core.runs.folder import RunFolder, is_run_id, runs_home
from core.runs.plain import setup_from
from core.runs.recorder import held_here, hold
from core.selection import known
from core.shelf import Shelf, maps, models
from core.store import home, write_bytes

SCHEMA = 1
FIGURES_ONLY = {
    "studies": "rows of studies: settings and figures, no image and no model",
    "lessons": "answers and progress of lessons: settings and figures, no image and no model",
}
KNOWN = {
    "data",
    "datasets",
    "forget-sets",
    "maps",
    "models",
    "outcomes",
    "own-models",
    "purges",
    "runs",
    *FIGURES_ONLY,
}


@dataclass(frozen=True)
class Entry:
    """One thing, relative to ``$LAF_HOME`` where it lies there."""

    path: str
    what: str  # "removed" or "rewritten"; of what stays "left"
    why: str


@dataclass
class Manifest:
    """What a purge did, or would do."""

    dataset: str
    images: int
    ids_digest: str  # of the sorted ids, so that who has the list can tell that it was this one
    made: str
    dry_run: bool
    removed: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)  # what a person must see to

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return {"schema": SCHEMA, **asdict(self)}


def purge(
    dataset: str, ids: Iterable[int], *, data_dir: str | None = None, dry_run: bool = False
) -> Manifest:
    """Remove all that is kept of training images ``ids`` of ``dataset``; ``dry_run`` only looks.

    The manifest is kept in ``$LAF_HOME/purges``. It can be run again after it was cut short. Raises RequestError for ids that are no
    training image, or a run that is open in a Lab; DataError when something cannot be removed.
    """
    data = load(dataset, data_dir=data_dir)
    wanted = tuple(int(i) for i in known(ids, data).ids)
    if not wanted:
        raise RequestError("no id is given; name at least one training image")
    if data.name.startswith(OWN) and len(wanted) == len(data.train):
        raise RequestError(f"these are all training images of {data.title}; remove the data set itself on the page instead")  # fmt: skip
    now = datetime.now(UTC)
    manifest = Manifest(
        data.name,
        len(wanted),
        hashlib.sha256(",".join(map(str, wanted)).encode()).hexdigest(),
        now.isoformat(timespec="seconds"),
        dry_run,
    )
    work = _Purge(data, wanted, manifest)
    locks = work.lock_runs()
    try:
        work.runs()
        work.shelves()
        work.lists()
        work.images()  # last: who is cut short can still name them
        work.look_around()
    finally:
        for lock in locks:
            lock.close()
    if not dry_run:
        text = json.dumps(manifest.as_dict(), indent=1).encode()
        write_bytes(
            purges_home() / f"{now:%Y%m%d-%H%M%S-%f}.json", text
        )  # a Lab that runs sees that it is there
    return manifest


class _Purge:
    """One purge as it goes."""

    def __init__(self, dataset: Dataset, ids: tuple[int, ...], manifest: Manifest) -> None:
        self.dataset, self.ids, self.manifest = dataset, ids, manifest
        self.set = frozenset(ids)

    def lock_runs(self) -> list[Any]:
        """Every run of the dataset, so that no Lab writes to it. Raises RequestError when one is open."""
        locks = []
        for folder in self._runs():
            if held_here(folder.id) is not None:
                raise RequestError(f"run {folder.id} is open in the Lab; close the Lab before a purge")
            lock = hold(folder)
            if lock is not None:
                locks.append(lock)
        return locks

    def runs(self) -> None:
        for folder in self._runs():
            try:
                about = folder.read_about()
                name = about["setup"]["dataset"]
            except (LabError, KeyError):
                self._drop(folder.path, "a run that cannot be read: whose images it is of is not known")
                continue
            if name != self.dataset.name:
                continue
            for export in about.get("exports", []):
                self._export(export)
            if not self._forgot(about):
                self._drop(folder.path, "a run that learnt from them and did not forget them all")
                continue
            self._drop(folder.states, "states of a run, with the VAE of D_f and the teacher's statistics")
            self._drop(folder.path / "frames", "frames of a run: positions, answers and representations")
            self._drop(folder.path / "map.safetensors", "the map of a run, with the ids on it")
            left = [i for i in about["setup"]["ids"] if i not in self.set]
            purged = int(about.get("purged", 0)) + (0 if self.manifest.dry_run else len(self.ids))
            if left != about["setup"]["ids"]:
                self._note(folder.path / "run.json", "rewritten", "ids in the request of a run")
            if not self.manifest.dry_run:
                folder.write_about({**about, "setup": {**about["setup"], "ids": left}, "purged": purged, "exports": []})  # fmt: skip
        for path in runs_home().glob(".[0-9]*"):
            self._drop(path, "a run that was half made or half deleted")

    def shelves(self) -> None:
        from core.outcomes import outcomes

        for shelf in (models, maps, outcomes):
            for key, source in shelf.entries():
                if source is None:
                    why = "it is not known what it was made from, and it can be made again"
                elif source["dataset"] == self.dataset.name:
                    why = f"a {source['kind']} of a data set with these images"
                else:
                    continue
                self._shelf(shelf, key, why)

    def lists(self) -> None:
        for path in (home() / "forget-sets").glob("*/*.json"):
            try:
                kept = json.loads(path.read_bytes())
                if kept["dataset"] != self.dataset.name:
                    continue
                left = [i for i in kept["ids"] if i not in self.set]
            except (ValueError, KeyError, TypeError, OSError):
                self._drop(path, "a list of ids that cannot be read")
                continue
            if len(left) == len(kept["ids"]):
                continue
            if not left:
                self._drop(path, "a list of these ids")
                continue
            self._note(path, "rewritten", "a list with some of these ids")
            if not self.manifest.dry_run:
                write_bytes(path, json.dumps({**kept, "ids": left}).encode())

    def images(self) -> None:
        if not self.dataset.name.startswith(OWN):
            where = home() / "data" if (home() / "data").exists() else Path(self.dataset.name)
            self._left(
                where,
                f"the public data set {self.dataset.title} itself, as it was downloaded or came with a package",
            )
            return
        folder = home() / "datasets" / self.dataset.name
        self._note(
            folder / "images.safetensors", "rewritten", "the images themselves, in data that somebody brought"
        )
        if not self.manifest.dry_run:
            custom.remove_images(self.dataset.name, self.ids)

    def look_around(self) -> None:
        """What cannot be decided here."""
        root = home()
        for path in sorted((root / "own-models").glob("*")):
            self._left(path, "a model that somebody brought: only they know what it was trained on")
        for name, why in FIGURES_ONLY.items():
            if (root / name).is_dir():
                self._left(root / name, why)
        for path in sorted(root.iterdir()) if root.is_dir() else []:
            if path.name not in KNOWN:
                self._left(path, "not made by the Lab; look yourself")
        for path in sorted((root / "datasets").glob(".own-*")):
            self._drop(path, "an import that was cut short")
        self._left(
            root,
            "a Lab that is running drops what it holds of them within seconds; pictures in open browser tabs go when those are closed",
        )

    # inside

    def _runs(self) -> list[RunFolder]:
        root = runs_home()
        paths = sorted(root.iterdir()) if root.is_dir() else []
        return [RunFolder(p) for p in paths if p.is_dir() and is_run_id(p.name)]

    def _forgot(self, about: dict[str, Any]) -> bool:
        """Whether all of them were in its D_f."""
        try:
            split = setup_from(about["setup"]).split(self.dataset)
            return self.set <= set(split.train.ids[split.forget_rows].tolist())
        except (LabError, KeyError, TypeError):
            return False

    def _export(self, export: dict[str, str]) -> None:
        """A file that `laf runs export` wrote: removed where it is still that file."""
        path = Path(export["path"])
        if not path.is_file():
            return
        if hashlib.sha256(path.read_bytes()).hexdigest() == export["sha256"]:
            self._drop(path, "an export of a run of these images")
        else:
            self._left(path, "an export of a run of these images that was changed since")

    def _shelf(self, shelf: Shelf, key: str, why: str) -> None:
        for path in shelf.paths(key):
            self._note(path, "removed", why)
        if not self.manifest.dry_run:
            shelf.remove(key)

    def _drop(self, path: Path, why: str) -> None:
        if not path.exists():
            return
        self._note(path, "removed", why)
        if self.manifest.dry_run:
            return
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise StoreError(
                f"{path} cannot be removed ({error.strerror}); allow it, and purge again"
            ) from error

    def _note(self, path: Path, what: str, why: str) -> None:
        self.manifest.removed.append(Entry(_shown(path), what, why))

    def _left(self, path: Path, why: str) -> None:
        self.manifest.left.append(Entry(_shown(path), "left", why))


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(home()))
    except ValueError:
        return str(path)


__all__ = ["Entry", "Manifest", "purge"]
