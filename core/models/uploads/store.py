"""The store of uploaded models under ``$LAF_HOME/own-models``, each kept under a hash of its content."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.config import TrainConfig
from core.data.images import Dataset
from core.data.split import Split
from core.errors import DataError, RequestError, StoreError
from core.models import own_modules
from core.models.base import Net, Provenance
from core.models.uploads.checking import Accuracy, ModelInfo, UploadedModel
from core.models.uploads.weights import assemble
from core.runtime.ownership import LOCK, Claims
from core.runtime.storage import home, load_state, save_state, write_bytes

_KEY = re.compile(r"[0-9a-f]{16}")
WRAPPED = "module-"  # begins the key of a model that ``core.wrap`` made


def keep(model: UploadedModel, token: str | None = None) -> str:
    """Keep ``model`` for the browser with ``token`` (None: a terminal) and return its key, which ``Setup.model`` takes.

    A model that is kept already gets one more owner. Raises StoreError when the disk cannot be written.
    """
    with LOCK:
        try:
            model_info(model.key)
            claims = model_claims(model.key)
        except (RequestError, DataError):  # missing or broken
            claims = Claims()
        if not claims.has_owner or (token is None and not claims.terminal):
            save_state(_path(model.key), {"about": asdict(model.about), "weights": model.weights})
        _write_claims(model.key, claims.claimed(token, model.about.title))
    return model.key


def kept_models(token: str | None = None) -> dict[str, ModelInfo]:
    """Return the models that the browser with ``token`` may see (None: all) by key, newest first.

    Unreadable ones are left out.
    """
    found = {}
    files = (home() / "own-models").glob("*.safetensors")
    for path in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            found[path.stem] = model_info(path.stem, token)
        except (DataError, RequestError):
            continue
    return found


def model_info(key: str, token: str | None = None) -> ModelInfo:
    """Return the facts about the model ``key``, as the browser with ``token`` sees them.

    Raises RequestError when there is no such model that the browser may see, StoreError when its file is broken.
    """
    from safetensors import SafetensorError, safe_open

    path = _path(key)
    claims = model_claims(key)
    if not path.is_file() or not claims.may_see(token):
        raise RequestError(_no_model(key))
    try:
        with safe_open(str(path), framework="pt") as file:  # reads only the header
            state = json.loads(file.metadata()["laf"])["state"]
        found = _parse_info(dict(dict(state["$dict"])["about"]["$dict"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path} is not a readable model ({type(error).__name__}); remove it and upload it again"
        ) from error
    return replace(found, title=claims.title(token, found.title) or f"Own model {key[:4]}")


def model_claims(key: str) -> Claims:
    """Return the owners of the model ``key``; a model without a file of owners was uploaded in a terminal."""
    path = _path(key).with_suffix(".json")
    try:
        return Claims.read(json.loads(path.read_bytes())["claims"])
    except FileNotFoundError:
        return Claims(terminal=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is broken; remove the model and upload it again") from error


def share_model(key: str, shared: bool, token: str) -> None:
    """Let every browser see the model ``key``, or only its owners.

    Raises RequestError for a model of another owner.
    """
    with LOCK:
        _write_claims(key, _changeable(key, token).changed(token, shared=shared))


def require_original(key: str, dataset: Dataset, split: Split) -> None:
    """Raise RequestError unless ``key`` is an uploaded model, or one wrapped in this process, that ``split`` can have as original."""
    if key.startswith(WRAPPED):
        own_modules.require_fit(key, dataset, split)
    else:
        require_fit(model_info(key), dataset, split)


def load_uploaded_model(key: str, dataset: Dataset) -> Net:
    """Return the kept model in eval mode, or a copy of a wrapped one, for use on ``dataset``.

    Raises as ``model_info`` and ``require_fit`` do.
    """
    if key.startswith(WRAPPED):
        return own_modules.wrapped(key, dataset)
    about = require_fit(model_info(key), dataset)
    kept = load_state(_path(key))
    return _original(assemble(about.net, kept["weights"], dataset, about.title), about.net, key, dataset)


def as_original(uploaded: UploadedModel, split: Split) -> Net:
    """Return a checked model as the original model of ``split``. Raises RequestError when it does not fit."""
    require_fit(uploaded.about, split.dataset, split)
    return _original(uploaded.model, uploaded.about.net, uploaded.key, split.dataset)


def _original(model: Net, net: str, key: str, dataset: Dataset) -> Net:
    """Return ``model`` with a Provenance.

    Its retrained models use the dataset's preset with the same net and fresh weights.
    """
    config = replace(TrainConfig.preset(dataset.family), net=net)
    model.provenance = Provenance(net, 0, config, 0.0, given=key)
    return model


def require_fit(about: ModelInfo, dataset: Dataset, split: Split | None = None) -> ModelInfo:
    """Return ``about``.

    Raises RequestError when the model cannot be the original model of ``dataset`` or ``split``.
    """
    if about.classes != len(dataset.classes):
        raise RequestError(
            f"{about.title} has {about.classes} classes and {dataset.title} has {len(dataset.classes)}; choose another model"
        )
    if about.shape != dataset.shape:
        checked, wanted = ("x".join(map(str, s)) for s in (about.shape, dataset.shape))
        raise RequestError(
            f"{about.title} was checked on images of {checked}, those of {dataset.title} are {wanted}; check it again"
        )
    if split is not None and (split.clean_y is not None or split.planted is not None):
        raise RequestError(
            f"{about.title} was not trained on labels or images that the Lab changes; choose one of the Lab's models, or another task"
        )
    return about


def remove_model(key: str, token: str | None = None) -> None:
    """Remove the claim of ``token``, and delete the model with its last claim.

    A terminal (None) deletes it at once. A missing model is ignored. Raises RequestError for a model of
    another owner, StoreError when it cannot be deleted.
    """
    path = _path(key)
    with LOCK:
        if token is not None and path.is_file():
            left = _changeable(key, token).dropped(token)
            if left.has_owner:
                _write_claims(key, left)
                return
        for file in (path, path.with_suffix(".json")):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{file} cannot be deleted ({error.strerror}); allow it") from error


def _changeable(key: str, token: str) -> Claims:
    """Return the owners of ``key``. Raises RequestError when the browser with ``token`` may not change it."""
    claims = model_claims(key)
    if not _path(key).is_file() or not claims.may_see(token):
        raise RequestError(_no_model(key))
    claims.require_change(token, "this model")
    return claims


def _write_claims(key: str, claims: Claims) -> None:
    if claims == Claims(terminal=True):
        return  # a missing file means a terminal
    write_bytes(_path(key).with_suffix(".json"), json.dumps({"claims": claims.as_dict()}).encode())


def _path(key: str) -> Path:
    """Return the file of ``key``.

    Raises RequestError for text that is no key, since it becomes part of a path.
    """
    if not _KEY.fullmatch(key):
        raise RequestError(_no_model(key))
    return home() / "own-models" / f"{key}.safetensors"


def _no_model(key: str) -> str:
    """Return the message for a missing key.

    A key of another browser gets the same message, which does not reveal it.
    """
    return f"no model is kept as {key[:60]!r} that is yours or shared; upload it again, or choose one of the Lab's"


def _parse_info(values: dict[str, Any]) -> ModelInfo:
    """Return a ModelInfo from the plain values of a state file's header."""

    def accuracy(name: str) -> Accuracy:
        found = dict(values[name]["$dict"])
        return Accuracy(
            float(found["share"]), tuple(found["by_class"]), int(found["images"]), int(found["of"])
        )

    return ModelInfo(
        **{
            **values,
            "shape": tuple(map(int, values["shape"])),
            "train": accuracy("train"),
            "test": accuracy("test"),
        }
    )
