"""Base of all classifiers g = c ∘ e, whose extractor e gives the representation and whose head c reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.data.images import Images, kind_of
from core.errors import RequestError
from core.runtime.bounds import quote_value
from core.runtime.device import denormals_as_zero

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Provenance:
    """The net, seed and settings from which a model was trained; they give its initial weights again.

    ``given`` is the key of an uploaded or wrapped model, or the name of a method that trains its own original.
    Retrained models cannot begin with the initial weights of such a model.
    """

    net: str
    seed: int
    config: TrainConfig
    seconds: float
    given: str | None = None  # None: the Lab trained the model


@runtime_checkable
class Classifier(Protocol):
    """All that methods, metrics and retraining use of a model, besides what every nn.Module has.

    ``Net`` is its implementation, and ``core.wrap`` makes one of any nn.Module. ``require_classifier`` checks a model.
    """

    width: int  # of the representation
    extractor: (
        nn.Module
    )  # e: images (B, C, H, W), vectors (B, d) or series (B, channels, length) to (B, width)
    head: nn.Module  # c: representations (B, width) to logits (B, K)
    draws: bool  # True when the forward pass in training draws random numbers, as dropout does
    provenance: Provenance | None  # how to train such a model again; None: not known, so none is retrained
    memory: Mapping[str, Any]  # of training, for a method that trains its own original; {} otherwise

    def extract(self, x: Tensor) -> Tensor:
        """Return representations (B, width) of images (B, C, H, W) float32 in [0, 1], or normalised by ``Images.norm``."""
        ...

    def classify(self, e: Tensor) -> Tensor:
        """Return logits (B, K) of representations (B, width)."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W)."""
        ...


class Net(nn.Module):
    """The Classifier with a given ``width`` and the modules ``extractor`` and ``head``; base of the Lab's own nets."""

    width: int
    extractor: nn.Module
    head: nn.Module
    draws = False
    provenance: Provenance | None = None
    memory: Mapping[str, Any] = {}  # never changed

    def extract(self, x: Tensor) -> Tensor:
        """Return representations (B, width) of images (B, C, H, W)."""
        e: Tensor = self.extractor(x)
        return e

    def classify(self, e: Tensor) -> Tensor:
        """Return logits (B, K) of representations (B, width)."""
        logits: Tensor = self.head(e)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W)."""
        return self.classify(self.extract(x))


_SIDES = {1: "features", 2: "channels x length", 3: "channels x height x width"}
PARTS = ("width", "extractor", "head", "draws", "provenance", "memory", "extract", "classify")


def require_classifier(model: Any, shape: Sequence[int] | None = None, classes: int | None = None) -> None:
    """Check that ``model`` is a Classifier, and its answers to two blank images.

    ``shape`` is that of one image, vector or series, ``classes`` their number of classes. Raises RequestError that names what is missing or
    wrong, such as probabilities in place of logits.
    """
    name = getattr(model, "title", type(model).__name__)
    advice = "core.wrap(module, representation=LAYER) makes a model of any nn.Module"
    if not isinstance(model, nn.Module):
        raise RequestError(f"a model must be an nn.Module, got {quote_value(model)}; {advice}")
    lacks = [part for part in PARTS if not hasattr(model, part)]
    lacks += [] if any(True for _ in model.parameters()) else ["parameters"]
    if lacks:
        raise RequestError(f"{name} cannot be used as a model: it lacks {', '.join(lacks)}; {advice}")
    if shape is None or classes is None:
        return
    try:
        e, logits = _answers(model, torch.zeros(2, *shape, device=device_of(model)))
    except Exception as error:  # the type of the error for a wrong size differs between nets
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"{name} cannot take {kind_of(shape)} of {'x'.join(map(str, shape))} ({_SIDES[len(shape)]}): {reason}"
        ) from error
    for part, what, found, wanted in (
        ("extract", "representations", e, (2, model.width)),
        ("classify", "logits", logits, (2, classes)),
    ):
        if not isinstance(found, Tensor) or tuple(found.shape) != wanted or not found.is_floating_point():
            got = (
                f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            )
            raise RequestError(f"{name}.{part} must return {what} {wanted} of two images, but returns {got}")
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-5).all()):
        raise RequestError(
            f"{name} returns probabilities; let it return logits, without the softmax at its end"
        )


@torch.no_grad()
def _answers(model: Any, x: Tensor) -> tuple[Any, Any]:
    """Return representations and logits of images x in eval mode. Restore the model's mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        e = model.extract(x)
        return e, model.classify(e)
    finally:
        model.train(was_training)


def training_of(model: Any) -> TrainConfig:
    """Return the settings with which models like ``model`` are trained. Raises RequestError where they are not known."""
    if model.provenance is None:
        raise RequestError(
            f"the training of {type(model).__name__} is not known, so no model is retrained like it; wrap it by "
            "core.wrap(…, make=FACTORY), or give Retrain a TrainConfig that names the net"
        )
    found: TrainConfig = model.provenance.config
    return found


def allocate(module: M) -> M:
    """Give memory to the weights of a module that was built on the device "meta", and return the module.

    Values are arbitrary.
    ``Module.to_empty`` does the same and imports sympy, which slows the first start.
    """
    empty = {name: torch.empty(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}
    module.load_state_dict(empty, assign=True)
    return module


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise linear and convolution layers from ``generator`` with PyTorch's default (Kaiming uniform, a = sqrt 5)."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            fan_in = layer.weight[0].numel()
            bound = 1 / math.sqrt(fan_in)  # equals the bound of Kaiming uniform with a = sqrt 5
            with torch.no_grad():
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.uniform_(-bound, bound, generator=generator)


def device_of(model: Any) -> torch.device:
    """Return the device of a model's parameters."""
    device: torch.device = next(model.parameters()).device
    return device


@dataclass(frozen=True, eq=False)
class Outputs:
    """Representations and answers of a model for N images, on the CPU."""

    representations: Tensor  # (N, width) float32; (N, 0) where they were not kept
    probabilities: Tensor  # (N, K) float32

    @property
    def predictions(self) -> Tensor:
        """Most probable class of each image, (N,) int64."""
        return self.probabilities.argmax(1)


def outputs(
    model: Classifier,
    images: Images,
    *,
    batch_size: int = 1024,
    keep_representations: bool = True,
    workers: int = 1,
) -> Outputs:
    """Return representations and probabilities of all ``images`` in eval mode, and restore the model's mode afterwards.

    Without ``keep_representations`` only the probabilities are kept, and those of an image whose representation is not finite are NaN.
    ``workers`` threads share the batches of a model on the CPU. Their number changes no bit.
    """
    assert isinstance(model, nn.Module)
    if not len(images):
        return Outputs(torch.empty(0, model.width), torch.empty(0, 1))
    was_training = model.training
    model.eval()
    try:
        first, *rest = range(0, len(images), batch_size)
        e, p = _batch_outputs(model, images, slice(first, first + batch_size), keep_representations)
        e_all, p_all = (torch.empty(len(images), t.shape[1], dtype=t.dtype, device="cpu") for t in (e, p))
        e_all[: len(e)], p_all[: len(p)] = e, p

        def fill(start: int) -> None:
            rows = slice(start, start + batch_size)
            e_all[rows], p_all[rows] = _batch_outputs(model, images, rows, keep_representations)

        if workers > 1 and rest and device_of(model).type == "cpu":
            with ThreadPoolExecutor(workers) as threads:
                list(threads.map(fill, rest))  # raises what a thread raised
        else:
            with denormals_as_zero():
                for start in rest:
                    fill(start)
        return Outputs(e_all, p_all)
    finally:
        model.train(was_training)


@torch.no_grad()
def _batch_outputs(
    model: Classifier, images: Images, rows: slice, keep_representations: bool
) -> tuple[Tensor, Tensor]:
    """Return representations (B, width), or (B, 0) where they are not kept, and probabilities (B, K) of ``rows``."""
    with denormals_as_zero():
        e = model.extract(images.floats(rows).to(device_of(model)))
        p = model.classify(e).softmax(1)
    if not keep_representations:
        p = torch.where(e.isfinite().all(1, keepdim=True), p, math.nan)
        e = e[:, :0]
    return e, p


def divergences(p: Tensor, q: Tensor) -> Tensor:
    """Return JS(p, q) = ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, of each row, in [0, ln 2] nats; (N, K), (N, K) -> (N,) float64."""
    p, q = p.double(), q.double()
    m = (p + q) / 2
    kl = [torch.xlogy(a, a).sum(1) - torch.xlogy(a, m).sum(1) for a in (p, q)]
    return (kl[0] + kl[1]) / 2


@torch.no_grad()
def multiply_adds(net: nn.Module, shape: Sequence[int]) -> int:
    """Return the multiplications of one forward pass over one sample of ``shape``.

    Counted are those of convolutions, of linear layers and of attention.
    """
    counted = 0

    def count(layer: nn.Module, given: Any, out: Any) -> None:
        nonlocal counted
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            counted += out[0].numel() * layer.weight[0].numel()
        elif isinstance(
            layer, nn.MultiheadAttention
        ):  # four maps of each token, and two products of tokens with tokens
            tokens, width = given[0].shape[-2:]
            counted += 4 * tokens * width**2 + 2 * tokens**2 * width

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.MultiheadAttention)
    layers = [m for m in net.modules() if isinstance(m, kinds)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = net.training
    net.eval()
    try:
        net(torch.zeros(1, *shape, device=device_of(net)))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return counted
