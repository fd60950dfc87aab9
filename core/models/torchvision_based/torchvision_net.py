"""torchvision's classifiers as extractor and head: the net's graph is cut at one layer, and the rest is the head.

Imported only when such a net is built.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import NodePathTracer

from core.data.images import kind_of
from core.errors import RequestError
from core.models.base import Net
from core.models.own_modules.cut import Reshaped, cut_points, graph_after, graph_before
from core.models.torchvision_based.resnet import LARGE, Resized

_NAME = re.compile(r"tv:(?P<arch>[^@]+)@(?P<layer>[^/]+)(?:/(?P<size>[1-9]\d{0,3}))?")
# heads that only torchvision's own training uses; left out here
_AUXILIARY = {
    "googlenet": ("aux1.", "aux2."),
    "inception_v3": ("AuxLogits.",),
}
_tracing = threading.Lock()


def architectures() -> list[str]:
    """Return the names of torchvision's classifiers."""
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def net_name(arch: str, layer: str, size: int | None = None) -> str:
    """Return the net's name for ``core.models.registry.build``: tv:resnet18@flatten, or tv:vit_b_16@getitem_5/224 when scaled."""
    return f"tv:{arch}@{layer}" + (f"/{size}" if size else "")


def full_model(arch: str, classes: int) -> nn.Module:
    """Return torchvision's ``arch`` with new weights. Raises RequestError for an unknown architecture."""
    if arch not in architectures():
        some = "resnet18, vgg11, densenet121, mobilenet_v3_small, vit_b_16"
        raise RequestError(f"torchvision has no architecture {arch!r}; it has, for example, {some}")
    extra = {"aux_logits": False, "init_weights": True} if arch in _AUXILIARY else {}
    model: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=classes, **extra)
    return model


def is_auxiliary(arch: str, key: str) -> bool:
    """Return whether the weight ``key`` belongs to a head that only torchvision's own training uses."""
    return key.startswith(_AUXILIARY.get(arch, ("\0",)))


@dataclass(frozen=True)
class Layer:
    """A layer at which the net can be cut, since the layers after it read only its output."""

    name: str
    shape: tuple[int, ...]  # of its output for one image

    @property
    def width(self) -> int:
        """Width of the flattened representation."""
        return math.prod(self.shape)


def layers(
    arch: str, shape: tuple[int, ...], classes: int, size: int | None = None
) -> tuple[int | None, list[Layer]]:
    """Return the size to which images must be scaled (None: not scaled), and the layers at which ``arch`` can be cut.

    The layers are in the order of computation. ``size`` requests a scale. No memory is allocated for the net.
    Raises RequestError for an unknown architecture, or images that it cannot take.
    """
    _require_channels(shape)
    with torch.device("meta"):
        model = full_model(arch, classes)
    tracer, graph = _trace(model)
    error: Exception | None = None
    for side in (size,) if size else (None, LARGE):
        h, w = (side, side) if side else shape[1:]
        try:
            shapes = _Shapes(fx.GraphModule(model, graph)).of(torch.empty(2, 3, h, w, device="meta"))
        except Exception as problem:  # the type of the error for a wrong size differs between nets
            error = error or problem
            continue
        names = {node: name for node, name in tracer.node_to_qualname.items() if node in shapes}
        return side, [
            Layer(names[n], shapes[n][1:])
            for n in cut_points(model, graph)
            if n in names and shapes[n][0] == 2
        ]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise RequestError(
        f"{arch} cannot take images of {shape[1]}x{shape[2]} pixels ({reason}); give a size to scale them to"
    )


class TorchvisionNet(Net):
    """A classifier of torchvision's. ``extractor`` ends at the layer, flattened, and ``head`` is the rest.

    Grey images are repeated on three channels.
    """

    draws = True  # many of these nets have dropout

    def __init__(self, model: nn.Module, layer: str, shape: tuple[int, ...], size: int | None) -> None:
        super().__init__()
        _require_channels(shape)
        front, back = _split(model, layer)
        body = Resized(front, size) if size else front
        side = (size, size) if size else shape[1:]
        with torch.no_grad():
            try:
                e = front.eval()(torch.zeros(2, 3, *side))
            except Exception as error:  # the type of the error for a wrong size differs between nets
                raise RequestError(
                    f"the net cannot take images of {side[0]}x{side[1]} pixels; give another size to scale them to"
                ) from error
        if not isinstance(e, Tensor) or e.ndim < 2 or len(e) != 2 or not e.is_floating_point():
            raise RequestError(
                f"layer {layer!r} does not give one row of numbers for each image; choose another layer"
            )
        self.width = math.prod(e.shape[1:])
        self.extractor = _Front(body, grey=shape[0] == 1)
        self.head = Reshaped(back, tuple(e.shape[1:]))

    @classmethod
    def named(cls, net: str, shape: tuple[int, ...], classes: int) -> TorchvisionNet:
        """Return the net called ``net`` with new weights.

        Raises RequestError for an unknown name, architecture or layer.
        """
        arch, layer, size = parse_name(net)
        return cls(full_model(arch, classes), layer, shape, size)


def parse_name(net: str) -> tuple[str, str, int | None]:
    """Return architecture, layer and size from a net's name. Raises RequestError for a name of another form."""
    found = _NAME.fullmatch(net)
    if found is None:
        raise RequestError(f"a net of torchvision's is called tv:ARCHITECTURE@LAYER, not {net!r}")
    return found["arch"], found["layer"], int(found["size"]) if found["size"] else None


class _Front(nn.Module):
    def __init__(self, body: nn.Module, *, grey: bool) -> None:
        super().__init__()
        self.body = body
        self.grey = grey

    def forward(self, x: Tensor) -> Tensor:
        e: Tensor = self.body(x.expand(-1, 3, -1, -1) if self.grey else x)
        return e.flatten(1)


def _require_channels(shape: tuple[int, ...]) -> None:
    if kind_of(shape) != "images":
        raise RequestError(f"torchvision's nets take images, and these data are {kind_of(shape)}")
    if shape[0] not in (1, 3):
        raise RequestError(f"torchvision's nets take images of 1 or 3 channels, these have {shape[0]}")


class _Tracer(NodePathTracer):  # type: ignore[misc]
    """torchvision's tracer, made safe for other threads.

    While fx traces, every module call and attribute access in the process goes through these two methods.
    """

    def __init__(self) -> None:
        leaves = [
            v for v in vars(torchvision.ops).values() if isinstance(v, type) and issubclass(v, nn.Module)
        ]
        super().__init__(autowrap_modules=(math, torchvision.ops), leaf_modules=leaves)
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _trace(model: nn.Module) -> tuple[_Tracer, fx.Graph]:
    with _tracing:
        tracer = _Tracer()
        return tracer, tracer.trace(model.eval())


def _split(model: nn.Module, layer: str) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Return the modules up to ``layer`` and after it. Raises RequestError when the net cannot be cut there."""
    tracer, graph = _trace(model)
    nodes = {name: node for node, name in tracer.node_to_qualname.items()}
    cuts = cut_points(model, graph)
    names = [tracer.node_to_qualname[n] for n in cuts if n in tracer.node_to_qualname]
    possible = f"the last possible layers are: {', '.join(names[-4:])}"
    if layer not in nodes:
        raise RequestError(f"there is no layer {layer!r}; {possible}")
    if nodes[layer] not in cuts:
        raise RequestError(
            f"the net cannot be cut at layer {layer!r}, since later layers read more than its output; {possible}"
        )
    return graph_before(model, graph, nodes[layer]), graph_after(model, graph, nodes[layer])


class _Shapes(fx.Interpreter):
    """A run of the graph that records the shape of each node's output tensor."""

    def of(self, x: Tensor) -> dict[fx.Node, tuple[int, ...]]:
        """Return the shapes for images ``x``."""
        self.found: dict[fx.Node, tuple[int, ...]] = {}
        self.run(x)
        return self.found

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if isinstance(made, Tensor) and made.ndim > 1:
            self.found[n] = tuple(made.shape)
        return made
