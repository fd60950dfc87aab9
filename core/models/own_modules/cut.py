"""Cutting a net's graph at one layer into the part up to the layer and the rest; torch.fx makes the graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from core.errors import RequestError

_tracing = threading.Lock()


@dataclass(frozen=True)
class Halves:
    """The two parts of a net: ``front`` maps images to the layer's output, ``back`` maps that output to logits."""

    front: fx.GraphModule
    back: fx.GraphModule

    @property
    def code(self) -> str:
        """Python code of both parts and the description of each of their modules."""
        return "\n".join(f"{half.code}\n{half!r}" for half in (self.front, self.back))


def cut(module: nn.Module, layer: str) -> Halves:
    """Return the parts of ``module`` up to its submodule ``layer`` (a dotted name) and after it; they share its weights.

    Raises RequestError when there is no such layer, when the module cannot be cut there, or when torch.fx cannot trace its forward.
    """
    named = dict(module.named_modules())
    if layer not in named or not layer:
        raise RequestError(
            f"{_name(module)} has no layer {layer!r}; there are: {', '.join(name for name in named if name)}"
        )
    was_training = module.training
    try:
        module.train()
        in_training = _trace(module)[1]
        module.eval()
        tracer, graph = _trace(module)
    finally:
        module.train(was_training)
    if str(in_training) != str(graph):
        raise RequestError(
            f"the forward of {_name(module)} reads self.training, which a cut net cannot follow; "
            "use modules such as nn.Dropout in place of functional.dropout"
        )
    _require_one_output(module, graph)
    root, outputs = _OneInput(module), tracer.outputs
    found = outputs.get(f"module.{layer}", [])
    cuts = set(cut_points(root, graph))
    possible = [
        name.partition(".")[2] for name, nodes in outputs.items() if len(nodes) == 1 and nodes[0] in cuts
    ]
    advice = f"possible layers are: {', '.join(p for p in possible if p) or 'none'}"
    if len(found) != 1:
        raise RequestError(
            f"layer {layer!r} of {_name(module)} is used {len(found)} times, or returns no tensor; {advice}"
        )
    if found[0] not in cuts:
        raise RequestError(
            f"{_name(module)} cannot be cut at layer {layer!r}, since there must be weights before and after it, "
            f"and later layers may read only its output; {advice}"
        )
    return Halves(graph_before(root, graph, found[0]), graph_after(root, graph, found[0]))


def _require_one_output(module: nn.Module, graph: fx.Graph) -> None:
    """Raise RequestError unless the forward returns one value, the logits."""
    returned = next(node for node in graph.nodes if node.op == "output").args[0]
    if not isinstance(returned, fx.Node):
        kind = f"a {type(returned).__name__}" if isinstance(returned, (tuple, list, dict)) else "no tensor"
        raise RequestError(
            f"the forward of {_name(module)} returns {kind}; let it return the logits (B, K) alone"
        )


class _OneInput(nn.Module):
    """A module called with images only; other arguments of its forward keep their defaults."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


class _Tracer(fx.Tracer):
    """A tracer that notes the output of each submodule.

    While fx traces, every module call and attribute access in the process goes through these methods, so calls of
    other threads pass by.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, list[fx.Node]] = {}  # by dotted name, one node for each call
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        name = self.path_of_module(m)
        out = super().call_module(m, forward, args, kwargs)
        if isinstance(out, fx.Proxy):
            self.outputs.setdefault(name, []).append(out.node)
        return out

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _trace(module: nn.Module) -> tuple[_Tracer, fx.Graph]:
    """Return the graph of ``module`` in its present mode. Raises RequestError when torch.fx cannot trace it."""
    with _tracing:
        tracer = _Tracer()
        try:
            return tracer, tracer.trace(_OneInput(module))
        except Exception as error:  # a forward may raise anything when it is called without numbers
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if "'len' is not supported" in reason:
                reason = "it calls len(x); write x.shape[0]"
            raise RequestError(
                f"the forward of {_name(module)} cannot be traced ({reason}); change it, "
                "or subclass core.models.base.Net with the modules extractor and head"
            ) from error


def _name(module: nn.Module) -> str:
    return type(module).__name__


def graph_before(model: nn.Module, graph: fx.Graph, cut: fx.Node) -> fx.GraphModule:
    """Return the part of the net from the images to ``cut``."""
    half = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    half.graph_copy(graph, copies)
    half.output(copies[cut])
    half.eliminate_dead_code(is_impure_node=_is_input_or_output)
    return fx.GraphModule(model, half)


def graph_after(model: nn.Module, graph: fx.Graph, cut: fx.Node) -> fx.GraphModule:
    """Return the part of the net after ``cut``, whose input is the output of ``cut``."""
    half = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    output = half.graph_copy(graph, copies)
    with half.inserting_before(copies[cut]):
        e = half.placeholder("e")
    copies[cut].replace_all_uses_with(e)
    half.output(output if output is not copies[cut] else e)
    half.eliminate_dead_code(is_impure_node=_is_input_or_output)
    half.erase_node(next(n for n in half.nodes if n.op == "placeholder" and n.target != "e"))
    return fx.GraphModule(model, half)


def _is_input_or_output(node: fx.Node) -> bool:
    return node.op in ("placeholder", "output")


def cut_points(model: nn.Module, graph: fx.Graph) -> list[fx.Node]:
    """Return the nodes at which the net can be cut: later nodes read only them, and there are weights before and after."""
    nodes = list(graph.nodes)
    output = nodes[-1]
    needed, stack = {output}, [output]  # nodes from which the output is computed
    while stack:
        for node in stack.pop().all_input_nodes:
            if node not in needed:
                needed.add(node)
                stack.append(node)
    at = {node: i for i, node in enumerate(nodes)}
    from_images: set[fx.Node] = set()  # nodes that are computed from the images
    weighted = [i for i, n in enumerate(nodes) if n in needed and _has_weights(model, n)]
    found, last_use = [], 0  # last_use: index of the last node that reads a node before this one
    for i, node in enumerate(nodes):
        if node.op == "placeholder" or any(n in from_images for n in node.all_input_nodes):
            from_images.add(node)
        if node not in needed or node not in from_images or node is output:
            continue
        if weighted and last_use <= i and weighted[0] <= i < weighted[-1]:
            found.append(node)
        last_use = max([last_use, *(at[u] for u in node.users if u in needed)])
    return found


def _has_weights(model: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return any(True for _ in model.get_submodule(str(node.target)).parameters())
    return node.op == "get_attr"


class Reshaped(nn.Module):
    """The module ``body`` on representations (B, width) that are first reshaped to (B, *shape)."""

    def __init__(self, body: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.body = body
        self.shape = shape

    def forward(self, e: Tensor) -> Tensor:
        """Return logits (B, K) of representations e (B, width)."""
        logits: Tensor = self.body(e.reshape(len(e), *self.shape))
        return logits
