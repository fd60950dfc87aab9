"""Classifiers as g = c ∘ e: an extractor whose output is the representation, and a head on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from core import seeds
from core.compute import denormals_as_zero
from core.config import TrainConfig
from core.data.images import Images
from core.errors import RequestError

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


class DigitsCNN(Net):
    """Two 3x3 convolutions for 8x8 images; 128-d representation, linear head."""

    width = 128

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),  # in this order ReLU has a quarter to do, to the same bits
            nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * (h // 4) * (w // 4), self.width),
        )  # fmt: skip
        self.head = nn.Linear(self.width, classes)


class CNN(Net):
    """The paper's CNN for 28x28 images: two 5x5 convolutions, 256-d representation, two-layer linear head."""

    width = 256

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.extractor = nn.Sequential(
            nn.Conv2d(c, 16, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(16, 32, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * (h // 4) * (w // 4), self.width),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(self.width, 128), nn.Linear(128, classes))


def _resnet(name: str) -> Callable[[tuple[int, int, int], int], Net]:
    def make(shape: tuple[int, int, int], classes: int) -> Net:
        from core import resnet  # digits must not wait for torchvision

        net: Net = getattr(resnet, name)(shape, classes)
        return net

    return make


def _variant(name: str) -> Callable[[tuple[int, int, int], int], Net]:
    def make(shape: tuple[int, int, int], classes: int) -> Net:
        from core.net_variants import Variant

        return Variant.named(name, shape, classes)

    return make


NETS: dict[str, Callable[[tuple[int, int, int], int], Net]] = {
    "digits-cnn": DigitsCNN,
    "cnn": CNN,
    "resnet18": _resnet("ResNet18"),
    "resnet18-224": _resnet("LargeResNet18"),
    **{f"{of}-{how}": _variant(f"{of}-{how}")
       for of in ("digits-cnn", "cnn") for how in ("narrow", "wide", "shallow", "deep")},
}  # fmt: skip
_PLAIN = ("digits-cnn", "cnn")  # initialised here; the others as torchvision does


def build(net: str, shape: tuple[int, int, int], classes: int, *, seed: int) -> Net:
    """A net with the initial weights of ``seed``; the global random state is neither read nor moved.

    ``net`` is one of NETS, or "tv:ARCHITECTURE@LAYER" for one of torchvision's (see ``core.torchvision_net``).
    Raises RequestError for an unknown net, architecture or layer.
    """
    generator = seeds.generator(seed, "init", net)
    if net in _PLAIN:
        with torch.device("meta"):  # no memory and no draw from the global generator
            model = NETS[net](shape, classes)
        model = allocated(model)
    elif net in NETS or net.startswith("tv:"):
        with seeds.Drawing(generator):
            model = NETS[net](shape, classes) if net in NETS else _torchvision(net, shape, classes)
    else:
        raise RequestError(
            f"unknown net {net!r}; there are: {', '.join(NETS)}, and tv:ARCHITECTURE@LAYER for torchvision's"
        )
    # channels last: convolution and pooling on a CPU took half the time
    model = model.to(memory_format=torch.channels_last)
    if net in _PLAIN:
        initialise(model, generator)
    return model


def allocated(module: M) -> M:
    """A module built on the device "meta", with memory for its weights, which hold anything yet.

    As ``Module.to_empty``, which imports sympy to do it: a third of a second of a cold start.
    """
    empty = {name: torch.empty(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}
    module.load_state_dict(empty, assign=True)
    return module


def _torchvision(net: str, shape: tuple[int, int, int], classes: int) -> Net:
    from core.torchvision_net import TorchvisionNet

    made: Net = TorchvisionNet.named(net, shape, classes)
    return made


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
