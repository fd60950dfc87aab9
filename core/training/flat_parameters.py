"""Parameters as one vector: what is done to all of them at once takes one pass over memory, not one for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class FlatVector:
    """Numbers of the shape of some parameters, side by side; ``views`` are the parts, each laid out in memory as its parameter."""

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
        """Take over ``parts``, zeros for None; the values."""
        found = list(parts)
        if any(part is None for part in found):
            self.values.zero_()
        pairs = [(v, p) for v, p in zip(self.views, found, strict=True) if p is not None]
        if pairs:
            torch._foreach_copy_([v for v, _ in pairs], [p for _, p in pairs])
        return self.values


class FlatParameters:
    """Parameters that lie in one ``FlatVector``: whoever changes a parameter in place changes its values, and the other way round."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self._vector = FlatVector(self.parameters)
        self._attach()

    @property
    def values(self) -> Tensor:
        """(P,) all parameters, in their order and in their own memory layout."""
        self._attach()
        return self._vector.values

    def gradient(self) -> FlatVector:
        """A Vector for a gradient."""
        return FlatVector(self.parameters)

    def _attach(self) -> None:
        """A deep copy of a model takes each parameter out of its vector: in again."""
        for parameter, view in zip(self.parameters, self._vector.views, strict=True):
            if parameter.data_ptr() != view.data_ptr():
                view.copy_(parameter.detach())
                parameter.data = view
