"""Base of all classifiers g = c ∘ e, whose extractor e gives the representation and whose head c reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.data.images import Images
from core.runtime.device import denormals_as_zero

M = TypeVar("M", bound=nn.Module)


@runtime_checkable
class Classifier(Protocol):
    """The interface of a model for methods and metrics. A model must also be an nn.Module."""

    width: int  # of the representation

    def extract(self, x: Tensor) -> Tensor:
        """Return representations (B, width) of images (B, C, H, W) float32 in [0, 1]."""
        ...

    def classify(self, e: Tensor) -> Tensor:
        """Return logits (B, K) of representations (B, width)."""
        ...


@dataclass(frozen=True)
class Provenance:
    """The net, seed and settings from which a model was trained; they give its initial weights again.

    ``given`` is the key of an uploaded model, or the name of a method that trains its own original. Retrained
    models cannot begin with the initial weights of such a model.
    """

    net: str
    seed: int
    config: TrainConfig
    seconds: float
    given: str | None = None  # None: the Lab trained the model


class Net(nn.Module):
    """Base of the Lab's own nets, with the modules ``extractor`` and ``head``."""

    width: int
    extractor: nn.Module
    head: nn.Module
    draws = False  # True when the forward pass in training draws random numbers, as dropout does
    provenance: Provenance | None = None
    memory: Mapping[str, Any] = {}  # of training, for a method that trains its own original; never changed

    def extract(self, x: Tensor) -> Tensor:
        """Return representations (B, width) of images (B, C, H, W)."""
        e: Tensor = self.extractor(x)
        return e

    def classify(self, e: Tensor) -> Tensor:
        """Return logits (B, K) of representations (B, width)."""
        logits: Tensor = self.head(e)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.extract(x))


def allocate(module: M) -> M:
    """Give memory to the weights of a module that was built on the device "meta", and return the module.

    Values are arbitrary.
    ``Module.to_empty`` does the same and imports sympy, which slows the first start.
    """
    empty = {name: torch.empty(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}
    module.load_state_dict(empty, assign=True)
    return module


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise Linear and Conv2d layers from ``generator`` with PyTorch's default (Kaiming uniform, a = sqrt 5)."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
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

    representations: Tensor  # (N, width) float32
    probabilities: Tensor  # (N, K) float32

    @property
    def predictions(self) -> Tensor:
        """Most probable class of each image, (N,) int64."""
        return self.probabilities.argmax(1)


@torch.no_grad()
def outputs(model: Classifier, images: Images, *, batch_size: int = 1024) -> Outputs:
    """Return representations and probabilities of all ``images`` in eval mode.

    Restore the model's mode afterwards.
    """
    assert isinstance(model, nn.Module)
    was_training = model.training
    model.eval()
    try:
        device = device_of(model)
        parts = []
        with denormals_as_zero():
            for start in range(0, len(images), batch_size):
                e = model.extract(images.floats(slice(start, start + batch_size)).to(device))
                parts.append((e.cpu(), model.classify(e).softmax(1).cpu()))
        if not parts:
            return Outputs(torch.empty(0, model.width), torch.empty(0, 1))
        return Outputs(torch.cat([e for e, _ in parts]), torch.cat([p for _, p in parts]))
    finally:
        model.train(was_training)


def divergences(p: Tensor, q: Tensor) -> Tensor:
    """Return JS(p, q) = ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, of each row, in [0, ln 2] nats; (N, K), (N, K) -> (N,) float64."""
    p, q = p.double(), q.double()
    m = (p + q) / 2
    kl = [torch.xlogy(a, a).sum(1) - torch.xlogy(a, m).sum(1) for a in (p, q)]
    return (kl[0] + kl[1]) / 2


@torch.no_grad()
def multiply_adds(net: nn.Module, shape: Sequence[int]) -> int:
    """Return the multiplications of one forward pass over one image of ``shape`` (C, H, W), in convolutions and linear layers."""
    counted = 0

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Conv2d):
            counted += out[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            counted += layer.weight.numel()

    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
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
