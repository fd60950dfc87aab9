"""Parameters in one vector, so that an operation on all of them is one pass over memory.

Two steps of Adam on such vectors take 2.69 of the 35.48 ms of a step of LAF on MNIST (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class FlatVector:
    """One vector for tensors with the shapes of ``parameters``.

    ``views`` are its parts, in the memory layout of the parameters.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        first = parameters[0]
        self.values = torch.zeros(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device)
        self.views: list[Tensor] = []
        at = 0
        for p in parameters:
            self.views.append(torch.as_strided(self.values, p.size(), p.stride(), at))
            at += p.numel()

    @torch.no_grad()
    def put(self, parts: Iterable[Tensor | None]) -> Tensor:
        """Copy ``parts`` into the views, with zeros when a part is None, and return the vector."""
        found = list(parts)
        if any(part is None for part in found):
            self.values.zero_()
        pairs = [(v, p) for v, p in zip(self.views, found, strict=True) if p is not None]
        if pairs:
            torch._foreach_copy_([v for v, _ in pairs], [p for _, p in pairs])
        return self.values


class FlatParameters:
    """Parameters that share the memory of one ``FlatVector``; an in-place change of either changes the other."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self._vector = FlatVector(self.parameters)
        self._attach()

    @property
    def values(self) -> Tensor:
        """All parameters as a vector (P,), in their order and memory layout."""
        self._attach()
        return self._vector.values

    def gradient(self) -> FlatVector:
        """Return a FlatVector of zeros for a gradient."""
        return FlatVector(self.parameters)

    def _attach(self) -> None:
        """Move parameters back into the vector; a deep copy of a model gives each its own memory."""
        for parameter, view in zip(self.parameters, self._vector.views, strict=True):
            if parameter.data_ptr() != view.data_ptr():
                view.copy_(parameter.detach())
                parameter.data = view
