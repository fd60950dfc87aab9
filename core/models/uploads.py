"""A trained model that somebody brings: an architecture, the layer that is the representation, and a safetensors file.

``check`` reads and measures it and changes nothing; ``keep`` puts it under ``$LAF_HOME/own-models``; ``load_own_model`` gives it
back as a Net. No pickle is ever read.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages
from core.data.split import Split
from core.data.uploads.names import NAME, clean_text
from core.errors import DataError, RequestError, StoreError
from core.models.base import Net, Provenance, outputs
from core.models.registry import NETS
from core.models.upload_weights import assemble, outline, read
from core.models.upload_weights import require_fit as require_weights
from core.runtime import seeding
from core.runtime.ownership import LOCK, Claims
from core.runtime.storage import home, load_state, save_state, write_bytes

BUDGET_S = 10.0  # of measuring accuracy, for each of train and test
LAB = {
    f"lab:{net}": net for net in NETS
}  # the Lab's nets by the names given here: torchvision too has a resnet18
LAYER = "extractor"  # what the representation of the Lab's own nets is called
WIDEST = 8192  # numbers in a representation: the VAEs' first layer alone has half their square as weights
_KEY = re.compile(r"[0-9a-f]{16}")
_CHUNK = 64


@dataclass(frozen=True)
class Accuracy:
    """On a fixed random choice of images, as many as were measured in the time there was."""

    share: float  # right answers, in [0, 1]
    by_class: tuple[float | None, ...]  # None where no image of a class was measured
    images: int
    of: int


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a brought model without its weights; kept beside them."""

    title: str  # the file's name
    net: str  # as ``core.models.registry.build`` calls it
    dataset: str  # title of the one it was checked on
    classes: int
    shape: tuple[int, int, int]  # of an image
    parameters: int
    width: int  # of the representation
    size: int | None  # images are scaled to this; None: as they are
    head: str
    train: Accuracy
    test: Accuracy

    @property
    def guessing(self) -> float:
        """The accuracy of a model that knows nothing."""
        return 1 / self.classes

    def describe(self) -> str:
        """What it is and what it can do, in a line."""
        scaled = f", images scaled to {self.size}x{self.size}" if self.size else ""
        told = [
            f"{100 * a.share:.1f} % of {a.images:,} {n} images"
            for n, a in (("training", self.train), ("test", self.test))
        ]
        return (
            f"{self.title}: {self.net}, {self.parameters:,} parameters, representation of {self.width:,}, {self.head}{scaled}; "
            f"right on {told[0]} and {told[1]} (guessing: {100 * self.guessing:.0f} %)"
        )


@dataclass(frozen=True, eq=False)
class UploadedModel:
    """A model that fits its dataset, measured."""

    key: str
    about: ModelInfo
    model: Net
    weights: dict[str, Tensor]


def layer_names(arch: str, dataset: Dataset, *, size: int | None = None) -> list[str]:
    """The layers of ``arch`` that can be the representation, in the order of computing; the last one is the usual choice.

    Raises RequestError for an architecture that is not there or cannot take the images.
    """
    if arch in LAB:
        return [LAYER]
    from core.models.torchvision_net import layers

    found = layers(arch, dataset.shape, len(dataset.classes), size)[1]
    return [layer.name for layer in found if layer.width <= WIDEST]


def check(
    arch: str,
    layer: str,
    weights: bytes | Path,
    dataset: Dataset,
    *,
    title: str = "",
    size: int | None = None,
) -> UploadedModel:
    """The model of torchvision's ``arch`` (or one of LAB) with ``weights``, cut at ``layer`` and measured on ``dataset``.

    ``size`` scales images; without it a net that cannot take them as they are gets 224 pixels. Nothing is kept.
    Raises RequestError where architecture, layer, weights and dataset do not fit each other, DataError for a file that is no
    safetensors file.
    """
    title = title or (weights.name if isinstance(weights, Path) else "")
    title = clean_text(title, NAME) or "the file"
    net, tensors, model = fitted(arch, layer, weights, dataset, title, size)
    for part in (dataset.train, dataset.test):
        if len(part) == 0:
            raise RequestError(f"{dataset.title} has no images to check the model on")
    head = [m for m in model.head.modules() if isinstance(m, nn.Linear)]
    about = ModelInfo(
        title=title,
        net=net,
        dataset=dataset.title,
        classes=len(dataset.classes),
        shape=dataset.shape,
        parameters=sum(p.numel() for p in model.parameters()),
        width=model.width,
        size=getattr(getattr(model.extractor, "body", model.extractor), "size", None),
        head=", ".join(f"linear {m.in_features} → {m.out_features}" for m in head)
        or "without a linear layer",
        train=_accuracy(model, dataset.train, len(dataset.classes)),
        test=_accuracy(model, dataset.test, len(dataset.classes)),
    )
    digest = hashlib.blake2b(f"{net} {dataset.shape} {len(dataset.classes)}".encode(), digest_size=8)
    for name in sorted(tensors):
        digest.update(name.encode() + bytes(tensors[name].reshape(-1).view(torch.uint8).numpy()))
    return UploadedModel(digest.hexdigest(), about, model, tensors)


def fitted(
    arch: str, layer: str, weights: bytes | Path, dataset: Dataset, title: str, size: int | None
) -> tuple[str, dict[str, Tensor], Net]:
    """Net name, tensors and model, not measured. Raises as ``check`` does."""
    if arch in LAB:
        if layer not in ("", LAYER):
            raise RequestError(
                f"the representation of {arch} is called {LAYER!r}; there is no layer {layer!r} to choose"
            )
        net = LAB[arch]
    else:
        from core.models.torchvision_net import layers, net_name

        fitting, found = layers(arch, dataset.shape, len(dataset.classes), size)
        net = net_name(arch, layer or found[-1].name, fitting)
        width = next((one.width for one in found if one.name == layer), 0)
        if width > WIDEST:
            raise RequestError(
                f"layer {layer!r} gives {width:,} numbers for each image, and at most {WIDEST:,} can be worked with; choose a later one"
            )
    require_weights(net, outline(weights, title), dataset, title)
    tensors = read(weights, title)
    model = assemble(net, tensors, dataset, title)
    return net, tensors, model


# what is kept


def keep(own: UploadedModel, token: str | None = None) -> str:
    """Keep ``own`` under its content hash for the browser with ``token`` (None: a terminal); the key for ``Setup.model``.

    The same content again gets one more owner. Raises DataError when the disk cannot hold it.
    """
    with LOCK:
        try:
            model_info(own.key)
            claims = model_claims(own.key)
        except (RequestError, DataError):  # not there, or broken
            claims = Claims()
        if not claims.is_left or (token is None and not claims.terminal):
            save_state(_path(own.key), {"about": asdict(own.about), "weights": own.weights})
        _write_claims(own.key, claims.claimed(token, own.about.title))
    return own.key


def kept_models(token: str | None = None) -> dict[str, ModelInfo]:
    """What the browser with ``token`` may see (None: all), by key, newest first; files that cannot be read are left out."""
    found = {}
    files = (home() / "own-models").glob("*.safetensors")
    for path in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            found[path.stem] = model_info(path.stem, token)
        except (DataError, RequestError):
            continue
    return found


def model_info(key: str, token: str | None = None) -> ModelInfo:
    """Return what is known of ``key``, as the browser with ``token`` sees it.

    Raises RequestError where there is none that this browser may see, DataError where its file is broken.
    """
    from safetensors import SafetensorError, safe_open

    path = _path(key)
    claims = model_claims(key)
    if not path.is_file() or not claims.may_see(token):
        raise RequestError(_no_model(key))
    try:
        with safe_open(str(path), framework="pt") as file:  # the header alone: weights may be large
            state = json.loads(file.metadata()["laf"])["state"]
        found = _about(dict(dict(state["$dict"])["about"]["$dict"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path} is not a readable model ({type(error).__name__}); remove it and bring it again"
        ) from error
    return replace(found, title=claims.title(token, found.title) or f"Own model {key[:4]}")


def model_claims(key: str) -> Claims:
    """Return the owners of ``key``, kept beside its weights; a model without that file was brought in a terminal."""
    path = _path(key).with_suffix(".json")
    try:
        return Claims.read(json.loads(path.read_bytes())["claims"])
    except FileNotFoundError:
        return Claims(terminal=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is broken; remove the model and bring it again") from error


def share_model(key: str, shared: bool, token: str) -> None:
    """Let every browser see ``key``, or only its owners. Raises RequestError for a model of another owner."""
    with LOCK:
        _write_claims(key, _changeable(key, token).changed(token, shared=shared))


def load_own_model(key: str, dataset: Dataset) -> Net:
    """The kept model, in eval mode, to be used on ``dataset``. Raises as ``about_model`` and ``require_fit``."""
    about = require_fit(model_info(key), dataset)
    kept = load_state(_path(key))
    return _original(assemble(about.net, kept["weights"], dataset, about.title), about.net, key, dataset)


def as_original(own: UploadedModel, split: Split) -> Net:
    """A checked model that was not kept, as the original model of ``split``. Raises RequestError where it cannot be."""
    require_fit(own.about, split.dataset, split)
    return _original(own.model, own.about.net, own.key, split.dataset)


def _original(model: Net, net: str, key: str, dataset: Dataset) -> Net:
    """Retraining it takes the dataset's preset, with its net and fresh weights."""
    config = replace(TrainConfig.preset(dataset.family), net=net)
    model.provenance = Provenance(net, 0, config, 0.0, given=key)
    return model


def require_fit(about: ModelInfo, dataset: Dataset, split: Split | None = None) -> ModelInfo:
    """``about`` itself. Raises RequestError where it cannot be the original model of ``dataset`` or ``split``."""
    if about.classes != len(dataset.classes):
        raise RequestError(
            f"{about.title} tells {about.classes} classes apart and {dataset.title} has {len(dataset.classes)}; choose another model"
        )
    if about.shape != dataset.shape:
        mine, theirs = ("x".join(map(str, s)) for s in (about.shape, dataset.shape))
        raise RequestError(
            f"{about.title} was checked on images of {mine}, those of {dataset.title} are {theirs}; check it anew"
        )
    if split is not None and (split.clean_y is not None or split.planted is not None):
        raise RequestError(
            f"{about.title} was not trained on labels or images that the Lab changes; choose one of the Lab's models, or another task"
        )
    return about


def remove_model(key: str, token: str | None = None) -> None:
    """Drop the claim of ``token``, and delete the model with the last claim; a terminal deletes it at once.

    Nothing happens when it is gone already. Raises RequestError for a model of another owner, DataError when it cannot be deleted.
    """
    path = _path(key)
    with LOCK:
        if token is not None and path.is_file():
            left = _changeable(key, token).dropped(token)
            if left.is_left:
                _write_claims(key, left)
                return
        for file in (path, path.with_suffix(".json")):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{file} cannot be deleted ({error.strerror}); allow it") from error


def _changeable(key: str, token: str) -> Claims:
    """The owners of ``key``. Raises RequestError where ``token`` may not change it."""
    claims = model_claims(key)
    if not _path(key).is_file() or not claims.may_see(token):
        raise RequestError(_no_model(key))
    claims.require_change(token, "this model")
    return claims


def _write_claims(key: str, claims: Claims) -> None:
    if claims == Claims(terminal=True):
        return  # as a model without the file is
    write_bytes(_path(key).with_suffix(".json"), json.dumps({"claims": claims.as_dict()}).encode())


def _path(key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise RequestError(_no_model(key))
    return home() / "own-models" / f"{key}.safetensors"


def _no_model(key: str) -> str:
    """The sentence for what is not there, and for what is another browser's: neither tells of the other."""
    return f"no model is kept as {key[:60]!r} that is yours or shared; bring it again, or choose one of the Lab's"


def _about(values: dict[str, Any]) -> ModelInfo:
    def accuracy(name: str) -> Accuracy:
        found = dict(values[name]["$dict"])
        return Accuracy(
            float(found["share"]), tuple(found["by_class"]), int(found["images"]), int(found["of"])
        )

    c, h, w = values["shape"]
    return ModelInfo(**{**values, "shape": (c, h, w), "train": accuracy("train"), "test": accuracy("test")})


# measuring


def _accuracy(model: Net, images: LabelledImages, classes: int) -> Accuracy:
    """On images in an order of chance that never changes, until they or the time are used up."""
    order = torch.randperm(len(images), generator=seeding.generator(0, "check"))
    start, right, seen = time.perf_counter(), torch.zeros(classes), torch.zeros(classes)
    for rows in torch.split(order, _CHUNK):
        part = images.take(rows)
        found = outputs(model, part)
        if not bool(found.probabilities.isfinite().all()):
            raise RequestError("the model answers with what is no number; bring weights that work")
        y = part.y.cpu()
        seen += torch.bincount(y, minlength=classes)
        right += torch.bincount(y[found.predictions == y], minlength=classes)
        if time.perf_counter() - start > BUDGET_S:
            break
    shares: Iterable[float | None] = (float(r / n) if n else None for r, n in zip(right, seen, strict=True))
    return Accuracy(float(right.sum() / seen.sum()), tuple(shares), int(seen.sum()), len(images))
