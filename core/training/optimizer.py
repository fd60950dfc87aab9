"""Adam as torch has it, without what torch adds for its compiler: that took longer than the step of a small net, and a second at the first one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as update  # the formula itself; Kingma and Ba, arXiv 1412.6980

from core.training.flat_parameters import FlatParameters, FlatVector

BETAS = {"beta1": 0.9, "beta2": 0.999}

# torch imports its compiler when the first optimiser is made, only to tell it to stay away. Nothing here is compiled; with the answer
# already there it is not asked. Where torch changes this, the import comes back and nothing else happens.
for _method in (torch.optim.Optimizer.add_param_group, torch.optim.Optimizer.zero_grad,
                torch.optim.Optimizer.state_dict, torch.optim.Optimizer.load_state_dict):  # fmt: skip
    _inner = getattr(_method, "__wrapped__", None)
    if _inner is not None and not hasattr(_inner, "__dynamo_disable"):
        setattr(_inner, "__dynamo_disable", _inner)


class Adam(torch.optim.Adam):
    """``torch.optim.Adam`` to the bit; its hooks, closures, amsgrad and maximise are not there."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients that the parameters hold; those without one stay."""
        assert closure is None
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            states = [self._of(p) for p in moved]
            beta1, beta2 = group["betas"]
            update(
                moved,
                [p.grad for p in moved],
                [s["exp_avg"] for s in states],
                [s["exp_avg_sq"] for s in states],
                [],
                [s["step"] for s in states],
                foreach=False,
                fused=group["fused"],
                amsgrad=False,
                beta1=beta1,
                beta2=beta2,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    step.hooked = True  # type: ignore[attr-defined] # torch would wrap it for its profiler

    def _of(self, p: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
            state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        return state


def adam(
    parameters: Iterable[nn.Parameter] | Any, lr: float, device: torch.device, weight_decay: float = 0.0
) -> Adam:
    """Adam, in its fused form where the device has one."""
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=device.type in ("cpu", "cuda"))


class FlatAdam:
    """Adam on parameters that lie in one ``FlatParameters``, along a gradient that lies in one ``FlatVector``: the numbers of ``adam`` (but for the
    last bit, where a layer's end is not a vector register's), without its work for each layer, which took longer than the update of a small net.
    """

    def __init__(self, flat: FlatParameters, lr: float) -> None:
        self.flat = flat
        self.lr = lr
        self.number = 0  # steps taken
        self._mean, self._square = flat.gradient(), flat.gradient()  # moving averages of g and of g²
        device = self._mean.values.device
        self._fused = device.type in ("cpu", "cuda")
        self._count = torch.zeros((), dtype=torch.float32, device=device)

    @torch.no_grad()
    def step(self, gradient: FlatVector) -> None:
        """One step along ``gradient``, with the rate ``lr``."""
        self.number += 1
        vectors = [self.flat.values], [gradient.values], [self._mean.values], [self._square.values]
        known: dict[str, Any] = dict(BETAS, lr=self.lr, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False)  # fmt: skip
        if self._fused:
            self._count += 1
            torch._fused_adam_(*vectors, [], [self._count], **known)
        else:
            update(*vectors, [], [self._count], foreach=False, **known)

    def state_dict(self) -> dict[str, Any]:
        """The averages by parameter, since another device may lay them out otherwise; they go on changing, so copy what is kept."""
        return {"number": self.number, "mean": self._mean.views, "square": self._square.views}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Also what ``torch.optim.Adam`` wrote, as runs kept by earlier versions hold it."""
        if "param_groups" in state:
            moments = [state["state"].get(i, {}) for i in range(len(self.flat.parameters))]
            mean, square = [m.get("exp_avg") for m in moments], [m.get("exp_avg_sq") for m in moments]
            self.number = max((int(m["step"]) for m in moments if m), default=0)
        else:
            mean, square, self.number = state["mean"], state["square"], int(state["number"])
        self._mean.put(mean)
        self._square.put(square)
        self._count.fill_(self.number)
