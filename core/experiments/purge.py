"""Everything that is kept of some images under ``$LAF_HOME``, found by their pixels and removed, with a manifest of what and why.

Every import with the same images loses them, in training and test. What was made from such a dataset is a cache (originals, retrained
models, outcomes, maps) and goes whole. A run that forgot them keeps its steps, its settings and the model without them; its frames and
states (with the VAE of D_f) go. A run that learnt from them and did not forget them goes. Lists lose the ids. Names of subjects without
another image go from names, notes, titles, studies and lessons. The manifest that is kept names no id and no subject.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.data.registry import OWN, load
from core.data.uploads import store as custom
from core.errors import DataError, LabError, RequestError, StoreError
from core.experiments.purge_content import Held, find, wanted
from core.experiments.purge_names import PURGED, Names
from core.runs.storage.folder import RunFolder, is_run_id, runs_home
from core.runs.storage.locks import held_here, hold
from core.runs.storage.serialization import setup_from
from core.runtime.content_cache import ContentCache, maps, models
from core.runtime.purge_watch import purges_home
from core.runtime.storage import home, write_bytes

SCHEMA = 2  # 1 had a digest of the ids, which a search could undo
TEXTS = {
    "studies": "texts and rows of studies: settings and figures, no image and no model",
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
    *TEXTS,
}
_HALF_WRITTEN = re.compile(r"\..+\.(part|[a-z0-9_]{8})")  # what a process that died while it wrote leaves


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
    images: int  # that were asked for
    datasets: list[str]  # all that held the same images, ``dataset`` last
    proof: str  # of the request, made with ``receipt``: see ``proves``
    made: str
    dry_run: bool
    removed: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)  # what a person must see to
    receipt: str | None = None  # for the person who asked; never kept

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return {"schema": SCHEMA, **asdict(self)}

    def kept(self, names: Names) -> dict[str, Any]:
        """Return what is kept on disk: without the receipt, and without names in paths."""
        values = {k: v for k, v in self.as_dict().items() if k != "receipt"}
        return _redacted(values, names)


def purge(
    dataset: str,
    ids: Iterable[int] = (),
    *,
    subjects: Iterable[str] = (),
    data_dir: str | None = None,
    dry_run: bool = False,
    remove_datasets: bool = False,
) -> Manifest:
    """Remove all that is kept of images of ``dataset``, by their ``ids`` or their ``subjects``; ``dry_run`` only looks.

    Training and test images may be named. The manifest is kept in ``$LAF_HOME/purges``. A purge that was cut short can be run again.
    Where a class would be left without images, the whole dataset goes if ``remove_datasets``. Raises RequestError for what is no image
    or no subject, for a class that would be left without images, or while a run or a study is open; DataError when something cannot be
    removed.
    """
    ids, subjects = tuple(ids), tuple(subjects)
    data = load(dataset, data_dir=data_dir)
    asked = wanted(data, ids, subjects)
    held, unread = find(data, asked)
    emptied = {h.dataset.name: what for h in held if h.is_own and (what := h.emptied)}
    if emptied and not remove_datasets:
        more = f" (and so for {len(emptied) - 1} more)" if len(emptied) > 1 else ""
        raise RequestError(
            f"these are {next(iter(emptied.values()))}{more}; leave some out, or remove the whole data set with them: --remove-datasets"
        )
    now = datetime.now(UTC)
    receipt = secrets.token_hex(32)
    manifest = Manifest(
        data.name,
        len(asked),
        [h.dataset.name for h in held],
        _proof(receipt, data.name, ids, subjects),
        now.isoformat(timespec="seconds"),
        dry_run,
        receipt=None if dry_run else receipt,
    )
    names = Names([*subjects, *(n for h in held for n in h.names)])
    work = _Purge(held, names, set(emptied), manifest)
    with contextlib.ExitStack() as locks:
        work.lock(locks)
        work.runs()
        work.shelves()
        work.lists()
        work.texts()
        work.titles()
        work.manifests()
        work.half_written()
        work.images()  # last, and of the named dataset after all others: a purge that is cut short can be asked for again
        work.look_around(unread, subjects)
    if not dry_run:
        text = json.dumps(manifest.kept(names), indent=1).encode()
        write_bytes(
            purges_home() / f"{now:%Y%m%d-%H%M%S-%f}.json", text
        )  # a Lab that runs sees that it is there
    return manifest


def proves(
    manifest: Mapping[str, Any], receipt: str, ids: Iterable[int] = (), subjects: Iterable[str] = ()
) -> bool:
    """Return whether a kept ``manifest`` is of the purge of these ids and subjects; ``receipt`` is what that purge printed.

    Nothing can be told from the manifest without the receipt: the proof is an HMAC-SHA256 whose random key the Lab does not keep.
    """
    return hmac.compare_digest(
        str(manifest["proof"]), _proof(receipt, str(manifest["dataset"]), ids, subjects)
    )


def _proof(receipt: str, dataset: str, ids: Iterable[int], subjects: Iterable[str]) -> str:
    said = json.dumps([dataset, sorted({int(i) for i in ids}), sorted(set(subjects))])
    return hmac.new(receipt.encode(), said.encode(), hashlib.sha256).hexdigest()


def _redacted(values: dict[str, Any], names: Names) -> dict[str, Any]:
    """Return a manifest without names in its paths, and without the digest of the ids that schema 1 had."""
    entries = {
        part: [{**e, "path": names.path(e["path"])} for e in values.get(part, ())]
        for part in ("removed", "left")
    }
    return {**{k: v for k, v in values.items() if k != "ids_digest"}, **entries}


class _Purge:
    """One purge as it goes."""

    def __init__(self, held: list[Held], names: Names, emptied: set[str], manifest: Manifest) -> None:
        self.held = {h.dataset.name: h for h in held}
        self.names, self.emptied, self.manifest = names, emptied, manifest
        self.own = set(custom.kept_keys())
        self.gone = self._removed_data()

    def lock(self, locks: contextlib.ExitStack) -> None:
        """Hold every run, so that no Lab writes to it. Raises RequestError while a run or a study is open."""
        from core.experiments.studies.results_table import is_running, kept_studies

        for name in kept_studies():
            if is_running(name):
                raise RequestError(f"the study {name} is being run; cancel it before a purge")
        for folder in self._runs():
            if held_here(folder.id) is not None:
                raise RequestError(f"run {folder.id} is open in the Lab; close the Lab before a purge")
            lock = hold(folder)
            if lock is not None:
                locks.enter_context(lock)

    def runs(self) -> None:
        for folder in self._runs():
            try:
                about = folder.read_about()
                name = about["setup"]["dataset"]
            except (LabError, KeyError):
                self._drop(folder.path, "a run that cannot be read: whose images it is of is not known")
                continue
            if name in self.held:
                self._run(folder, about, self.held[name])
                continue
            if name in self.gone:
                for export in about.get("exports", []):
                    self._export(export)
                self._drop_frames(folder)
                self._left(folder.path, "a run of data that was removed: whether it learnt from them is not known; delete it with `laf runs rm`")  # fmt: skip
                setup = {**about["setup"], "ids": []}
                about = {**about, "setup": setup, "dataset": secrets.token_hex(12), "exports": []}
                if not self.manifest.dry_run:
                    folder.write_about(about)
            self._rewrite_about(folder, about, self._unnamed(about))
        for path in runs_home().glob(".[0-9]*"):
            self._drop(path, "a run that was half made or half deleted")

    def shelves(self) -> None:
        from core.runs.unlearned_models import unlearned_models_of

        for shelf in (models, maps, unlearned_models_of):
            for key, source in shelf.entries():
                if source is None:
                    why = "it is not known what it was made from, and it can be made again"
                elif source["dataset"] in self.held:
                    why = f"a {source['kind']} of a data set with these images"
                elif source["dataset"] in self.gone:
                    why = f"a {source['kind']} of data that was removed"
                else:
                    continue
                self._shelf(shelf, key, why)

    def lists(self) -> None:
        for path in sorted((home() / "forget-sets").rglob("*.json")):
            try:
                kept = json.loads(path.read_bytes())
                if isinstance(kept, dict) and "ids" not in kept:  # what is kept beside lists
                    self._text(path)
                    continue
                held = self.held.get(kept["dataset"])
                left = [i for i in kept["ids"] if held is None or i not in held.ids]
            except (ValueError, KeyError, TypeError, AttributeError, OSError):
                self._drop(path, "a list of ids that cannot be read")
                continue
            if not left and kept["ids"]:
                self._drop(path, "a list of these ids")
                continue
            if kept["dataset"].startswith(OWN) and kept["dataset"] not in self.own:
                self._left(path, "a list of data that was removed: whether its ids are of them is not known")
            if len(left) < len(kept["ids"]):
                self._note(path, "rewritten", "a list with some of these ids")
                self._write(path, {**kept, "ids": left})
            owner, mark, name = path.stem.rpartition("~")  # a list with an owner has it before its name
            if self.names.is_one(name):
                self._note(path, "rewritten", "a list with the name of a subject, which has another name now")
                self._rename(path, f"{owner}{mark}{PURGED} list", ".json")
            elif self.names.may_hold(name):
                self._left(path, "a list whose name may be of a subject")

    def texts(self) -> None:
        """Names and ids in what is kept of studies and lessons, where no image lies."""
        for store in TEXTS:
            for path in sorted(p for p in (home() / store).rglob("*") if p.is_file()):
                if path.suffix in (".json", ".jsonl", ".toml", ".txt", ".md"):
                    self._text(path)
        for path in sorted((home() / "studies").glob("*")):
            if path.is_dir() and self.names.is_one(path.name):
                self._note(
                    path, "rewritten", "a study with the name of a subject, which has another name now"
                )
                moved = self._rename(path, f"{PURGED}-study", "", between="-")
                about = moved / "study.json"
                if not self.manifest.dry_run and about.exists():
                    self._write(about, {**json.loads(about.read_bytes()), "name": moved.name})

    def titles(self) -> None:
        """Titles of own data that name a subject. A class may be called as a subject is; that is not the Lab's to decide."""
        for key in custom.kept_keys():
            try:
                title = custom.about(key).title
            except LabError:
                continue
            if key in self.emptied:
                continue
            path = home() / "datasets" / key
            if self.names.is_one(title):
                self._note(path / "about.safetensors", "rewritten", "the title of data that named a subject")
                if not self.manifest.dry_run:
                    custom.rename(key, "Your data")
            elif self.names.may_hold(title):
                self._left(path, "data whose title may be of a subject; rename it on the page")
            self._look_at_names(key, path)

    def manifests(self) -> None:
        """Of purges of before: what gave ids or names away."""
        for path in sorted(purges_home().glob("*.json")):
            try:
                values = json.loads(path.read_bytes())
                after = _redacted(values, self.names)
                when = path.stat()
            except (ValueError, KeyError, TypeError, AttributeError, OSError):
                self._drop(path, "a manifest that cannot be read")
                continue
            if after != values:
                self._note(
                    path, "rewritten", "the manifest of an earlier purge, which let ids or names be found"
                )
                self._write(path, after, indent=1)
                if not self.manifest.dry_run:
                    os.utime(
                        path, ns=(when.st_atime_ns, when.st_mtime_ns)
                    )  # else it counts as a purge of now

    def half_written(self) -> None:
        """What imports and writers that were killed left."""
        for path in sorted((home() / "datasets").glob(".own-*")):
            self._drop(path, "an import that was cut short")
        for store in sorted(KNOWN - {"data"}):
            for path in sorted((home() / store).rglob(".*")):
                if path.is_file() and _HALF_WRITTEN.fullmatch(path.name):
                    self._drop(path, "a file that was half written")

    def images(self) -> None:
        for name, held in self.held.items():
            if not held.is_own:
                where = home() / "data" if (home() / "data").exists() else Path(name)
                self._left(
                    where,
                    f"the public data set {held.dataset.title} itself, as it was downloaded or came with a package",
                )
                continue
            folder = home() / "datasets" / name
            if name in self.emptied:
                self._drop(folder, "a whole data set: a class of it would have no image left")
                continue
            self._note(folder / "images.safetensors", "rewritten", "the images themselves, in data that was brought")  # fmt: skip
            if not self.manifest.dry_run:
                custom.remove_images(name, held.ids, held.names)

    def look_around(self, unread: list[str], subjects: tuple[str, ...]) -> None:
        """What cannot be decided here."""
        root = home()
        for key in unread:
            self._left(
                root / "datasets" / key, "data that cannot be read and may hold them; remove it by hand"
            )
        for name, held in self.held.items():
            self._look_at_subjects(root / "datasets" / name, held, subjects)
        for path in sorted((root / "own-models").glob("*")):
            self._left(path, "a model that was brought: only the person who did knows what it was trained on, and its title stays")  # fmt: skip
        for name, why in TEXTS.items():
            if (root / name).is_dir():
                self._left(root / name, why)
        for path in sorted(root.iterdir()) if root.is_dir() else []:
            if path.name not in KNOWN:
                self._left(path, "not made by the Lab; look yourself")
        self._left(
            root,
            "a Lab that is running drops what it holds of them within seconds; pictures in open browser tabs go when those are closed",
        )

    # inside: runs

    def _runs(self) -> list[RunFolder]:
        root = runs_home()
        paths = sorted(root.iterdir()) if root.is_dir() else []
        return [RunFolder(p) for p in paths if p.is_dir() and is_run_id(p.name)]

    def _removed_data(self) -> set[str]:
        """Own data that runs and caches name, and that is not kept any more: nothing tells which images it held."""
        from core.runs.unlearned_models import unlearned_models_of

        named = {
            s["dataset"] for shelf in (models, maps, unlearned_models_of) for _, s in shelf.entries() if s
        }
        for folder in self._runs():
            with contextlib.suppress(LabError, KeyError):
                named.add(str(folder.read_about()["setup"]["dataset"]))
        return {n for n in named if n.startswith(OWN)} - self.own

    def _run(self, folder: RunFolder, about: dict[str, Any], held: Held) -> None:
        """A run of data that held the images."""
        for export in about.get("exports", []):
            self._export(export)
        if not self._forgot(about, held):
            self._drop(folder.path, "a run that learnt from them and did not forget them all")
            return
        self._drop_frames(folder)
        ids = about["setup"]["ids"]
        left = [i for i in ids if i not in held.ids]
        if left != ids:
            self._note(folder.path / "run.json", "rewritten", "ids in the request of a run")
        purged = int(about.get("purged", 0)) + (0 if self.manifest.dry_run else len(held.ids))
        after = self._unnamed(about)
        if held.dataset.name in self.emptied:  # its classes are named nowhere else any more
            after = self._without_classes(after, held)
        self._rewrite_about(folder, about, {
            **after, "setup": {**after["setup"], "ids": left}, "purged": purged, "exports": [],
            "dataset": secrets.token_hex(12),  # in place of a hash of all pixels: the run cannot go on without them
        })  # fmt: skip

    def _forgot(self, about: dict[str, Any], held: Held) -> bool:
        """Whether all of them that it learnt from were in its D_f."""
        if not held.train:
            return True
        try:
            split = setup_from(about["setup"]).split(held.dataset)
            return held.train <= set(split.train.ids[split.forget_rows].tolist())
        except (LabError, KeyError, TypeError):
            return False

    def _drop_frames(self, folder: RunFolder) -> None:
        self._drop(folder.states, "states of a run, with the VAE of D_f and the teacher's statistics")
        self._drop(folder.path / "frames", "frames of a run: positions, answers and representations")
        self._drop(folder.path / "map.safetensors", "the map of a run, with the ids on it")

    def _unnamed(self, about: dict[str, Any]) -> dict[str, Any]:
        """A run's description without names of subjects: a name, note or title with one goes whole."""
        after = dict(about)
        for text in ("name", "note"):
            if self.names.is_one(str(about.get(text, ""))):
                after[text] = ""
        images = about.get("images")
        if isinstance(images, dict) and self.names.is_one(str(images.get("title", ""))):
            after["images"] = {**images, "title": "Your data"}
        if about.get("marks"):
            after["marks"] = self.names.cleaned(about["marks"])
        return after

    def _without_classes(self, about: dict[str, Any], held: Held) -> dict[str, Any]:
        setup, images = about["setup"], about.get("images")
        classes = held.dataset.classes
        numbers = [classes.index(c) if c in classes else c for c in setup.get("classes", ())]
        after = {**about, "setup": {**setup, "classes": numbers}}
        if isinstance(images, dict):
            after["images"] = self.names.cleaned(images)
        if self.names.is_in(str(about.get("forget", ""))):
            after["forget"] = PURGED
        return after

    def _rewrite_about(self, folder: RunFolder, before: dict[str, Any], after: dict[str, Any]) -> None:
        told = ("name", "note", "marks", "images", "forget")
        if any(before.get(k) != after.get(k) for k in told):
            self._note(folder.path / "run.json", "rewritten", "a name, note or remark of a run that named a subject")  # fmt: skip
        if any(self.names.may_hold(str(after.get(k, ""))) for k in ("name", "note")):
            self._left(folder.path / "run.json", "a run whose name or note may be of a subject")
        if after != before and not self.manifest.dry_run:
            folder.write_about(after)

    def _export(self, export: dict[str, str]) -> None:
        """A file that `laf runs export` wrote: removed where it is still that file."""
        path = Path(export["path"])
        if not path.is_file():
            return
        if hashlib.sha256(path.read_bytes()).hexdigest() == export["sha256"]:
            self._drop(path, "an export of a run of these images")
        else:
            self._left(path, "an export of a run of these images that was changed since")

    # inside: texts

    def _text(self, path: Path) -> None:
        """A file of a study or a lesson, without names of subjects and without the ids in settings."""
        try:
            before = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            self._left(path, "a file that cannot be read as text")
            return
        after = before
        if path.suffix == ".json":
            after = self._cleaned(before)
        elif path.suffix == ".jsonl":
            after = "".join(self._cleaned(line) for line in before.splitlines(keepends=True))
        else:
            after = self.names.without(before)
        if after != before:
            self._note(path, "rewritten", "names of subjects or ids in a text of a study or a lesson")
            if not self.manifest.dry_run:
                write_bytes(path, after.encode())
        if self.names.is_in(after):
            self._left(path, "a text that still names a subject; look yourself")

    def _cleaned(self, text: str) -> str:
        """Json without names and ids; the same text where it has none, or is none."""
        try:
            before = json.loads(text)
        except ValueError:
            return self.names.without(text)
        after = self._without_ids(self.names.cleaned(before))
        end = "\n" if text.endswith("\n") else ""
        return text if after == before else json.dumps(after, separators=(",", ":")) + end

    def _without_ids(self, value: Any) -> Any:
        """``value`` with no purged id in any settings in it."""
        if isinstance(value, list):
            return [self._without_ids(v) for v in value]
        if not isinstance(value, dict):
            return value
        found = {k: self._without_ids(v) for k, v in value.items()}
        held = self.held.get(str(found.get("dataset")))
        if held is not None and isinstance(found.get("ids"), list):
            found["ids"] = [i for i in found["ids"] if i not in held.ids]
        return found

    def _look_at_names(self, key: str, path: Path) -> None:
        """Class names and subjects that are called as a subject who is purged."""
        try:
            data = self.held[key].dataset if key in self.held else custom.read_own(key)
        except DataError:
            return  # told with the data that cannot be read
        gone = set(self.held[key].names) if key in self.held else set()
        if any(self.names.is_one(c) or self.names.may_hold(c) for c in data.classes):
            self._left(
                path,
                "data with a class that may be called as a subject is; remove it where it must not be kept",
            )
        if any(self.names.is_one(s) for s in data.subjects if s not in gone):
            self._left(
                path, "data that knows a subject of that name with other images; purge that subject of it too"
            )

    def _look_at_subjects(self, path: Path, held: Held, subjects: tuple[str, ...]) -> None:
        if held.others and held.dataset.name not in self.emptied:
            self._left(path, f"data with {held.others:,} other images of subjects on these images: they stay")
        if (subjects or held.names) and held.dataset.subjects and held.dataset.test_subject_of is None:
            self._left(path, "data whose subjects on test images were not kept when it was imported; only test images with the same pixels are found")  # fmt: skip

    # inside: files

    def _shelf(self, shelf: ContentCache, key: str, why: str) -> None:
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

    def _write(self, path: Path, values: dict[str, Any], indent: int | None = None) -> None:
        if not self.manifest.dry_run:
            write_bytes(path, json.dumps(values, indent=indent).encode())

    def _rename(self, path: Path, stem: str, ending: str, between: str = " ") -> Path:
        """Give a file or folder the first free name that begins with ``stem``; its path from then on."""
        if self.manifest.dry_run:
            return path
        number = 1
        while (target := path.with_name(f"{stem}{between}{number}{ending}")).exists():
            number += 1
        try:
            return path.rename(target)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be renamed ({error.strerror}); allow it, and purge again"
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


__all__ = ["Entry", "Manifest", "proves", "purge"]
