"""``wrap``: any nn.Module as a model of the Lab, cut at the layer whose output is the representation."""

from __future__ import annotations

import copy
import functools
import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.errors import RequestError
from core.models.base import Net, Provenance
from core.models.own_modules.cut import Reshaped, cut
from core.models.own_modules.factories import PREFIX, Factory, register
from core.runtime import seeding
from core.runtime.bounds import require_config

Transform = Callable[[Tensor], Tensor]


class WrappedNet(Net):
    """A module of the caller's as extractor and head. ``key`` names the model in a Setup of this process."""

    draws = True  # the module may have dropout
    key: str
    retrains = False  # True: it came with a factory, so models can be retrained like it

    def __init__(self, front: nn.Module, back: nn.Module, shape: tuple[int, ...], title: str) -> None:
        super().__init__()
        self.width = math.prod(shape)
        self.extractor = front
        self.head = Reshaped(back, shape)
        self.title = title

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        after = "" if self.retrains else "; without a factory, so no model is retrained like it"
        return f"{self.title}: {count:,} weights, a representation of {self.width}{after}"


class _Front(nn.Module):
    """The part of a module up to the representation, flattened, on images that ``transform`` prepares."""

    def __init__(self, body: nn.Module, transform: Transform | None) -> None:
        super().__init__()
        self.body = body
        self.transform = transform

    def forward(self, x: Tensor) -> Tensor:
        e: Tensor = self.body(x if self.transform is None else self.transform(x))
        return e.flatten(1)


def wrap(
    module: nn.Module,
    representation: str,
    make: Callable[[], nn.Module] | None = None,
    transform: Transform | None = None,
    *,
    config: TrainConfig | None = None,
    shape: tuple[int, ...] | None = None,
) -> WrappedNet:
    """Return a copy of ``module`` as a model for Run, evaluate and Comparison.

    ``representation`` is the dotted name of the layer whose flattened output (B, width) is the representation; the
    layers after it are the head. ``make`` returns an untrained module of the same kind. Models are then retrained from
    it by ``config`` (default: ``TrainConfig()``; its ``net`` does not count). Without ``make`` no model is retrained.
    ``transform`` prepares images (B, C, H, W), float32 in [0, 1] or normalised by ``Images.norm``, for the module.
    ``shape`` (C, H, W) of an image is needed where the layer is not linear. Raises RequestError when the module cannot
    be cut at the layer, or when ``make`` makes another module; ConfigError for a ``config`` of another type.
    """
    if not isinstance(module, nn.Module):
        raise RequestError(
            f"core.wrap takes an nn.Module, got a {type(module).__name__}; pass the module itself"
        )
    config = TrainConfig() if config is None else config
    require_config(config, TrainConfig, "core.wrap")
    _require_functions(make, transform)
    _require_weights(module)
    copied = copy.deepcopy(module)
    model, code = _cut_net(copied, representation, transform, shape)
    identity = f"{representation}\n{code}\n{model.width}\n{_identity(transform)}"
    digest = hashlib.blake2b(identity.encode(), digest_size=8)
    factory: Callable[[], Net] | None = None
    if make is not None:
        with seeding.SeededDraws(seeding.generator(0, "wrap")):
            first = _made(make, copied)
        if first is module or _same_weights(first, copied):
            raise RequestError(
                "make must return a new module with initial weights, but returns the wrapped one's"
            )
        _add_weights(digest, first)
        factory = functools.partial(_another, make, copied, representation, transform, shape)
    else:
        _add_weights(digest, copied)
    net = f"{PREFIX}{digest.hexdigest()}"
    _add_weights(digest, copied)
    model.key, model.retrains = f"module-{digest.hexdigest()}", make is not None
    model.provenance = Provenance(net, 0, replace(config, net=net), 0.0, given=model.key)
    register(model, model.key, Factory(model.title, factory), net)
    return model


def _require_functions(make: Any, transform: Any) -> None:
    """Raise RequestError for a factory or a transform that cannot be used."""
    for name, given in (("make", make), ("transform", transform)):
        if given is not None and not callable(given):
            raise RequestError(f"{name} must be a function, got a {type(given).__name__}")
    if isinstance(make, nn.Module):
        raise RequestError(
            "make must be a function that returns a new module, got a module; pass its class or a lambda"
        )
    if isinstance(transform, nn.Module) and any(True for _ in transform.parameters()):
        raise RequestError(
            "transform has weights, which would be trained with the model; make it part of the module"
        )


def _require_weights(module: nn.Module) -> None:
    """Raise RequestError for weights that are no finite float32 numbers."""
    name = type(module).__name__
    for key, value in module.state_dict().items():
        if value.is_floating_point() and value.dtype != torch.float32:
            raise RequestError(
                f"{key} of {name} is {str(value.dtype).removeprefix('torch.')}, and the Lab computes in float32; "
                "give core.wrap module.float()"
            )
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise RequestError(f"{key} of {name} has values that are no finite numbers; train it again")


def _another(
    make: Callable[[], nn.Module],
    like: nn.Module,
    representation: str,
    transform: Transform | None,
    shape: tuple[int, ...] | None,
) -> Net:
    """Return a net from a new module of ``make``."""
    model, _ = _cut_net(_made(make, like), representation, transform, shape)
    model.retrains = True
    return model


def _cut_net(
    module: nn.Module, layer: str, transform: Transform | None, shape: tuple[int, ...] | None
) -> tuple[WrappedNet, str]:
    """Return ``module`` cut at ``layer``, and the code of its parts. Raises RequestError where the width is not known."""
    halves = cut(module, layer)
    front, at = _Front(halves.front, transform), module.get_submodule(layer)
    if shape is not None:
        with torch.no_grad():
            try:
                x = torch.zeros(2, *shape, device=next(module.parameters()).device)
                prepared = x if transform is None else transform(x)
                of_layer = tuple(halves.front.eval()(prepared).shape[1:])
            except Exception as error:  # the type of the error for a wrong size differs between modules
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise RequestError(
                    f"{type(module).__name__} cannot take images of shape {tuple(shape)}: {reason}"
                ) from error
    elif isinstance(at, nn.Linear):
        of_layer = (at.out_features,)
    else:
        raise RequestError(
            f"the width of layer {layer!r} depends on the images; give core.wrap shape=(C, H, W) of one"
        )
    return WrappedNet(front, halves.back, of_layer, type(module).__name__), halves.code


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)


def _made(make: Callable[[], nn.Module], like: nn.Module) -> nn.Module:
    """Return what ``make`` returns. Raises RequestError when it is not a module with the weights of ``like``, by name and shape."""
    try:
        made = make()
    except TypeError as error:
        raise RequestError(
            f"make cannot be called without arguments ({error}); give a lambda or functools.partial"
        ) from error
    if not isinstance(made, nn.Module):
        raise RequestError(f"make must return an nn.Module, but returns a {type(made).__name__}")
    wanted, found = ({k: tuple(v.shape) for k, v in m.state_dict().items()} for m in (like, made))
    for name in [*wanted, *found]:
        if wanted.get(name) != found.get(name):
            raise RequestError(
                f"make returns another module than the wrapped one: {name} is {found.get(name, 'missing')}, "
                f"and in the wrapped one {wanted.get(name, 'missing')}"
            )
    return made


def _add_weights(digest: Any, module: nn.Module) -> None:
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode() + bytes(value.detach().cpu().reshape(-1).view(torch.uint8).numpy()))


def _identity(transform: Transform | None) -> str:
    """Return a text that differs between transforms: a module's description, or a function's code and what it refers to."""
    code = getattr(transform, "__code__", None)
    if code is None:
        return repr(transform)
    cells = [cell.cell_contents for cell in getattr(transform, "__closure__", None) or ()]
    return repr(
        (code.co_code.hex(), code.co_consts, code.co_names, cells, getattr(transform, "__defaults__", None))
    )
