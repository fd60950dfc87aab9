"""Classifiers as g = c ∘ e: an extractor whose output is the representation, and a head on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    """What every method and every metric needs of a model; an nn.Module besides."""

    width: int  # of the representation

    def extract(self, x: Tensor) -> Tensor:
        """(B, C, H, W) float32 in [0, 1] -> representations (B, width)."""
        ...

    def classify(self, e: Tensor) -> Tensor:
        """(B, width) -> logits (B, K)."""
        ...


@dataclass(frozen=True)
class Provenance:
    """How a model came to be: enough to make its initial weights again."""

    net: str
    seed: int
    config: TrainConfig
    seconds: float
    given: str | None = (
        None  # key of the brought model, or the method with its own original; retraining cannot begin where it did
    )


class Net(nn.Module):
    """Base of the Lab's own nets: ``extractor`` then ``head``."""

    width: int
    extractor: nn.Module
    head: nn.Module
    draws = False  # whether training draws random numbers in the forward pass, as dropout does
    provenance: Provenance | None = None
    memory: Mapping[str, Any] = {}  # what a method with its own original remembers of training; never changed

    def extract(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width)."""
        e: Tensor = self.extractor(x)
        return e

    def classify(self, e: Tensor) -> Tensor:
        """(B, width) -> logits (B, K)."""
        logits: Tensor = self.head(e)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.extract(x))


def allocated(module: M) -> M:
    """A module built on the device "meta", with memory for its weights, which hold anything yet.

    As ``Module.to_empty``, which imports sympy to do it: a third of a second of a cold start.
    """
    empty = {name: torch.empty(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}
    module.load_state_dict(empty, assign=True)
    return module


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's default initialisation of Linear and Conv2d layers (Kaiming uniform, a = sqrt 5), from ``generator``."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fan_in = layer.weight[0].numel()
            bound = 1 / math.sqrt(fan_in)  # what Kaiming uniform with a = sqrt 5 comes to
            with torch.no_grad():
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.uniform_(-bound, bound, generator=generator)


def device_of(model: Any) -> torch.device:
    """The device a model's parameters lie on."""
    device: torch.device = next(model.parameters()).device
    return device


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says of N images, from one forward pass each; on the CPU."""

    representations: Tensor  # (N, width) float32
    probabilities: Tensor  # (N, K) float32

    @property
    def predictions(self) -> Tensor:
        """(N,) int64: the most probable class."""
        return self.probabilities.argmax(1)


@torch.no_grad()
def outputs(model: Classifier, images: Images, *, batch_size: int = 1024) -> Outputs:
    """Representations and probabilities of all ``images``, in eval mode; the model is left as it was."""
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
