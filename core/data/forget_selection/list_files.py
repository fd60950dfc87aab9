"""Lists of ids that users keep under a name, one JSON file each under ``$LAF_HOME/forget-sets/DATASET``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from core.data.forget_selection.selection import Selection
from core.data.images import Dataset
from core.data.uploads.names import invisible_character
from core.errors import RequestError, StoreError
from core.runtime.ownership import Claims, owner
from core.runtime.storage import home, write_bytes

FORMAT = 1
_NAME = re.compile(r"[^\W_](?:[\w .-]{0,58}[\w-])?")  # no leading dot, no trailing dot or space, no separator
# the name of a list's file without .json
_FILE = re.compile(r"(?:(?P<owner>[0-9a-f]{24})~(?P<shared>shared~)?)?(?P<name>[^~]+)")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file names on Windows


@dataclass(frozen=True)
class SavedList:
    """A kept list of ids whose file is not read.

    The file's name holds the list's name, its owner and whether it is shared.
    """

    key: str  # the file's name without its ending
    name: str
    claims: Claims

    @classmethod
    def of(cls, key: str) -> SavedList | None:
        """Return the list of a file's name, or None when it is no name of a list."""
        found = _FILE.fullmatch(key)
        if found is None or not _is_name(found["name"]):
            return None
        return cls(key, found["name"], Claims.of(found["owner"], found["shared"] is not None))


def save_list(name: str, dataset: Dataset, selection: Selection, token: str | None = None) -> Path:
    """Keep ``selection`` under ``name`` for the browser with ``token`` (None: a terminal) and return the file's path.

    It replaces an earlier list of the same browser and name.
    Raises RequestError for a wrong name or an empty selection, StoreError when the disk cannot be written.
    """
    if not len(selection):
        raise RequestError("no image is selected; select at least one before you keep the list")
    name = name.strip()
    _require_name(name)
    prefix = f"{owner(token)}~" if token is not None else ""
    shared = f"{prefix}shared~{name}"
    key = shared if prefix and _path(shared, dataset).exists() else prefix + name
    content = {"format": FORMAT, "dataset": dataset.name, "ids": selection.ids.tolist()}
    path = _path(key, dataset)
    write_bytes(path, json.dumps(content).encode())
    return path


def load_list(key: str, dataset: Dataset, token: str | None = None) -> Selection:
    """Return the ids of the list ``key``.

    Raises RequestError when there is none, StoreError when it cannot be read.
    """
    path = _path(_visible(key, dataset, token).key, dataset)
    try:
        content = json.loads(path.read_bytes())
        ids = content["ids"]
        if content["format"] != FORMAT or not isinstance(ids, list) or not all(type(i) is int for i in ids):
            raise ValueError("another format")
        return Selection(ids)
    except FileNotFoundError as error:
        raise RequestError(_no_list(key, dataset)) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError) as error:
        raise StoreError(
            f"{path} is not a readable list of ids; remove it and keep the list again"
        ) from error


def saved_lists(dataset: Dataset, token: str | None = None) -> list[SavedList]:
    """Return the lists of ``dataset`` that the browser with ``token`` may see (None: all), sorted by name."""
    folder = _folder(dataset)
    found = [SavedList.of(p.stem) for p in folder.glob("*.json")] if folder.is_dir() else []
    visible = [one for one in found if one is not None and one.claims.may_see(token)]
    return sorted(visible, key=lambda one: (one.name.casefold(), one.key))


def share_list(key: str, dataset: Dataset, shared: bool, token: str) -> str:
    """Let every browser see a list, or only its owner, and return its new key.

    Raises RequestError for another owner's list.
    """
    one = _changeable(key, dataset, token)
    new = f"{owner(token)}~{'shared~' if shared else ''}{one.name}"
    try:
        _path(one.key, dataset).replace(_path(new, dataset))
    except OSError as error:
        raise StoreError(f"{_path(one.key, dataset)} cannot be renamed ({error.strerror})") from error
    return new


def remove_list(key: str, dataset: Dataset, token: str | None = None) -> None:
    """Delete a list.

    Raises RequestError when it is missing or of another owner, StoreError when it cannot be removed.
    """
    path = _path(_changeable(key, dataset, token).key, dataset)
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise RequestError(_no_list(key, dataset)) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be removed ({error.strerror})") from error


def _visible(key: str, dataset: Dataset, token: str | None) -> SavedList:
    """Return the list ``key``.

    Raises RequestError unless it exists and the browser with ``token`` may see it.
    """
    key = key.strip()
    one = SavedList.of(key)
    if one is None:
        _require_name(key)
    if one is None or not one.claims.may_see(token) or not _path(key, dataset).exists():
        raise RequestError(_no_list(key, dataset))
    return one


def _changeable(key: str, dataset: Dataset, token: str | None) -> SavedList:
    """Return the list ``key``. Raises RequestError unless the browser with ``token`` may change it."""
    one = _visible(key, dataset, token)
    one.claims.require_change(token, f"the list {one.name!r}")
    return one


def _no_list(key: str, dataset: Dataset) -> str:
    return f"no list called {key.split('~')[-1][:60]!r} is kept for {dataset.title}"


def _is_name(name: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and _RESERVED.fullmatch(name) is None
        and not invisible_character(name)
    )


def _require_name(name: str) -> None:
    if not _is_name(name):
        raise RequestError(
            f"{name[:60]!r} cannot be the name of a list; use 1 to 60 letters, digits, spaces, dots or dashes, a letter or digit first"
        )


def _path(key: str, dataset: Dataset) -> Path:
    """Return the file of a list. Callers check ``key`` first, since it becomes part of a path."""
    return _folder(dataset) / f"{key}.json"


def _folder(dataset: Dataset) -> Path:
    return home() / "forget-sets" / re.sub(r"[^\w-]", "_", dataset.name)
