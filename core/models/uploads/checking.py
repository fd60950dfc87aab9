"""Check and measurement of an uploaded model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.data.images import Dataset, LabelledImages
from core.data.uploads.names import NAME, clean_text
from core.errors import RequestError
from core.models.base import Net, outputs
from core.models.registry import NETS
from core.models.uploads.weights import assemble, read, read_header
from core.models.uploads.weights import require_fit as require_weights
from core.runtime import seeding

BUDGET_S = 10.0  # to measure the accuracy, for each of the training and the test set
# the Lab's nets, with a prefix since torchvision also has a resnet18
LAB = {f"lab:{net}": net for net in NETS}
LAYER = "extractor"  # name of the representation of the Lab's own nets
WIDEST = 8192  # numbers in a representation; the first layer of a VAE has half their square as weights
_CHUNK = 64


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on a fixed random choice of images, as many as were measured within ``BUDGET_S``."""

    share: float  # in [0, 1]
    by_class: tuple[float | None, ...]  # None for a class without a measured image
    images: int  # measured
    of: int  # images of the set


@dataclass(frozen=True)
class ModelInfo:
    """Facts about an uploaded model, kept beside its weights."""

    title: str  # name of the file
    net: str  # name for ``core.models.registry.build``
    dataset: str  # title of the dataset on which it was checked
    classes: int
    shape: tuple[int, ...]  # of an image
    parameters: int
    width: int  # of the representation
    size: int | None  # side in pixels to which images are scaled; None: not scaled
    head: str  # a description of its layers
    train: Accuracy
    test: Accuracy

    @property
    def guessing(self) -> float:
        """Accuracy of random answers."""
        return 1 / self.classes

    def describe(self) -> str:
        """Return a line with the net, its size and its accuracy."""
        scaled = f", images scaled to {self.size}x{self.size}" if self.size else ""
        train, test = (
            f"{100 * a.share:.1f} % of {a.images:,} {n} images"
            for n, a in (("training", self.train), ("test", self.test))
        )
        return (
            f"{self.title}: {self.net}, {self.parameters:,} parameters, representation of {self.width:,}, {self.head}{scaled}; "
            f"right on {train} and {test} (guessing: {100 * self.guessing:.0f} %)"
        )


@dataclass(frozen=True, eq=False)
class UploadedModel:
    """A model whose fit to its dataset was checked and whose accuracy was measured."""

    key: str
    about: ModelInfo
    model: Net
    weights: dict[str, Tensor]


def layer_names(arch: str, dataset: Dataset, *, size: int | None = None) -> list[str]:
    """Return the layers of ``arch`` that can be the representation, in the order of computation.

    The last is the usual choice.
    Raises RequestError for an unknown architecture, or images that it cannot take.
    """
    if arch in LAB:
        return [LAYER]
    from core.models.torchvision_based.torchvision_net import layers

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
    """Return the model of ``arch`` (torchvision's, or one of LAB) with ``weights``, cut at ``layer`` and measured on ``dataset``.

    Images are scaled to ``size`` pixels a side, or to 224 when ``size`` is None and the net cannot take them
    unscaled. Nothing is kept. Raises RequestError when architecture, layer, weights and dataset do not fit,
    DataError when ``weights`` is no safetensors file.
    """
    title = title or (weights.name if isinstance(weights, Path) else "")
    title = clean_text(title, NAME) or "the file"
    net, tensors, model = assemble_unmeasured(arch, layer, weights, dataset, title, size)
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


def assemble_unmeasured(
    arch: str, layer: str, weights: bytes | Path, dataset: Dataset, title: str, size: int | None
) -> tuple[str, dict[str, Tensor], Net]:
    """Return net name, tensors and model without a measurement. Raises as ``check`` does."""
    if arch in LAB:
        if layer not in ("", LAYER):
            raise RequestError(
                f"the representation of {arch} is called {LAYER!r}; there is no layer {layer!r} to choose"
            )
        net = LAB[arch]
    else:
        from core.models.torchvision_based.torchvision_net import layers, net_name

        scaled_size, found = layers(arch, dataset.shape, len(dataset.classes), size)
        net = net_name(arch, layer or found[-1].name, scaled_size)
        width = next((one.width for one in found if one.name == layer), 0)
        if width > WIDEST:
            raise RequestError(
                f"layer {layer!r} gives {width:,} numbers for each image, and at most {WIDEST:,} can be used; choose a later one"
            )
    require_weights(net, read_header(weights, title), dataset, title)
    tensors = read(weights, title)
    model = assemble(net, tensors, dataset, title)
    return net, tensors, model


def _accuracy(model: Net, images: LabelledImages, classes: int) -> Accuracy:
    """Measure the accuracy on images in a fixed random order, until all are measured or ``BUDGET_S`` is over."""
    order = torch.randperm(len(images), generator=seeding.generator(0, "check"))
    start, right, seen = time.perf_counter(), torch.zeros(classes), torch.zeros(classes)
    for rows in torch.split(order, _CHUNK):
        part = images.take(rows)
        found = outputs(model, part)
        if not bool(found.probabilities.isfinite().all()):
            raise RequestError("the model's answers are not finite numbers; upload weights that work")
        y = part.y.cpu()
        seen += torch.bincount(y, minlength=classes)
        right += torch.bincount(y[found.predictions == y], minlength=classes)
        if time.perf_counter() - start > BUDGET_S:
            break
    shares: Iterable[float | None] = (float(r / n) if n else None for r, n in zip(right, seen, strict=True))
    return Accuracy(float(right.sum() / seen.sum()), tuple(shares), int(seen.sum()), len(images))
