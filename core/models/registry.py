"""Registry of the nets by name, and ``build``, which initialises one from a seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch

from core.data.images import kind_of
from core.errors import RequestError
from core.models.base import Net, allocate, initialise
from core.models.cnn import CNN, DigitsCNN
from core.models.own_modules import PREFIX, build_wrapped
from core.models.small_resnet import SmallResNet
from core.models.value_nets import MLP, SeriesCNN
from core.runtime import seeding


def _torchvision_based(module: str, name: str) -> Callable[[tuple[int, ...], int], Net]:
    def make(shape: tuple[int, ...], classes: int) -> Net:
        # imported here, so that digits do not wait for torchvision
        found = importlib.import_module(f"core.models.torchvision_based.{module}")
        net: Net = getattr(found, name)(shape, classes)
        return net

    return make


def _variant(name: str) -> Callable[[tuple[int, ...], int], Net]:
    def make(shape: tuple[int, ...], classes: int) -> Net:
        from core.models.cnn import Variant

        return Variant.named(name, shape, classes)

    return make


_TAKES = {"mlp": "vectors", "series-cnn": "series"}  # the other nets take images
_CONVOLUTIONS = ("digits-cnn", "cnn")
_PLAIN = (*_CONVOLUTIONS, *_TAKES)  # ``build`` initialises these; torchvision initialises the others
_VARIANTS = [f"{base}-{how}" for base in _CONVOLUTIONS for how in ("narrow", "wide", "shallow", "deep")]
NETS: dict[str, Callable[[tuple[int, ...], int], Net]] = {
    "digits-cnn": DigitsCNN,
    "cnn": CNN,
    "small-resnet": SmallResNet,
    "resnet18": _torchvision_based("resnet", "ResNet18"),
    "resnet18-224": _torchvision_based("resnet", "LargeResNet18"),
    "vit": _torchvision_based("vit", "ViT"),
    "vit-conv": _torchvision_based("vit", "ConvViT"),
    **{name: _variant(name) for name in _VARIANTS},
    "mlp": MLP,
    "series-cnn": SeriesCNN,
}


def build(net: str, shape: tuple[int, ...], classes: int, *, seed: int) -> Net:
    """Return a net with the initial weights of ``seed``.

    Torch's global random state is neither read nor changed.
    ``net`` is a key of NETS, or "tv:ARCHITECTURE@LAYER" for one of torchvision's (see
    ``core.models.torchvision_based.torchvision_net``), or the name of a module that ``core.wrap`` took with a factory. Raises
    RequestError for an unknown net, architecture or layer, for a net that takes another kind of data, and for a module without a factory.
    """
    generator = seeding.generator(seed, "init", net)
    if net.startswith(PREFIX):  # a module may rely on contiguous features, so channels stay first
        return build_wrapped(net, generator)
    _require_kind(net, shape)
    if net in _PLAIN:
        with torch.device("meta"):  # allocates nothing and draws nothing from the global generator
            model = NETS[net](shape, classes)
        model = allocate(model)
    elif net in NETS or net.startswith("tv:"):
        with seeding.SeededDraws(generator):
            model = NETS[net](shape, classes) if net in NETS else _torchvision(net, shape, classes)
    else:
        raise RequestError(
            f"unknown net {net!r}; there are: {', '.join(NETS)}, and tv:ARCHITECTURE@LAYER for torchvision's"
        )
    # convolution and pooling on a CPU are faster with channels last
    model = model.to(memory_format=torch.channels_last)
    if net in _PLAIN:
        initialise(model, generator)
    return model


def nets_for(kind: str) -> list[str]:
    """Return the keys of NETS that take data of ``kind``: "images", "vectors" or "series"."""
    return [net for net in NETS if _TAKES.get(net, "images") == kind]


def _require_kind(net: str, shape: tuple[int, ...]) -> None:
    """Raise RequestError where ``net`` takes another kind of data than samples of ``shape``."""
    takes, kind = _TAKES.get(net, "images"), kind_of(shape)
    if (net in NETS or net.startswith("tv:")) and takes != kind:
        raise RequestError(
            f"the net {net} takes {takes}, and these data are {kind}; choose {' or '.join(nets_for(kind)[:3])}"
        )


def _torchvision(net: str, shape: tuple[int, ...], classes: int) -> Net:
    from core.models.torchvision_based.torchvision_net import TorchvisionNet

    made: Net = TorchvisionNet.named(net, shape, classes)
    return made
