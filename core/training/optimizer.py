"""Adam with torch's formula, without torch's hooks for its compiler, and Adam on a flat vector.

Without the import of torch's compiler the first optimiser of a process saves 1 s (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as update  # the formula itself; Kingma and Ba, arXiv 1412.6980

from core.training.flat_parameters import FlatParameters, FlatVector

BETAS = {"beta1": 0.9, "beta2": 0.999}

# torch's first optimiser imports the compiler to exempt these methods from compilation. With the mark ``__dynamo_disable``
# set beforehand it skips the import. A torch version that ignores the mark only imports the compiler again.
_EXEMPT = (
    torch.optim.Optimizer.add_param_group,
    torch.optim.Optimizer.zero_grad,
    torch.optim.Optimizer.state_dict,
    torch.optim.Optimizer.load_state_dict,
)
for _method in _EXEMPT:
    _inner = getattr(_method, "__wrapped__", None)
    if _inner is not None and not hasattr(_inner, "__dynamo_disable"):
        setattr(_inner, "__dynamo_disable", _inner)


class Adam(torch.optim.Adam):
    """``torch.optim.Adam`` to the bit, without hooks, closures, amsgrad and maximise."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step along the parameters' gradients; parameters without a gradient stay as they are."""
        assert closure is None
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            states = [self._state_of(p) for p in moved]
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

    step.hooked = True  # type: ignore[attr-defined] # stops torch from wrapping it for its profiler

    def _state_of(self, p: Tensor) -> dict[str, Tensor]:
        """Return Adam's state of a parameter; create it at the first step."""
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
            state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        return state


def adam(
    parameters: Iterable[nn.Parameter] | Any, lr: float, device: torch.device, weight_decay: float = 0.0
) -> Adam:
    """Return an Adam for ``parameters``, in its fused form where the device has one."""
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=device.type in ("cpu", "cuda"))


class FlatAdam:
    """Adam on ``FlatParameters`` along a gradient in a ``FlatVector``, without the overhead for each layer.

    The results equal those of ``adam``, except for the last bit where a layer does not end on a vector register.
    """

    def __init__(self, flat: FlatParameters, lr: float) -> None:
        self.flat = flat
        self.lr = lr
        self.number = 0  # steps taken
        self._mean, self._square = flat.gradient(), flat.gradient()  # moving averages of g and g²
        device = self._mean.values.device
        self._fused = device.type in ("cpu", "cuda")
        self._count = torch.zeros((), dtype=torch.float32, device=device)

    @torch.no_grad()
    def step(self, gradient: FlatVector) -> None:
        """Take one step along ``gradient``, with the rate ``lr``."""
        self.number += 1
        vectors = [self.flat.values], [gradient.values], [self._mean.values], [self._square.values]
        settings: dict[str, Any] = {
            **BETAS,
            "lr": self.lr,
            "weight_decay": 0.0,
            "eps": 1e-8,
            "amsgrad": False,
            "maximize": False,
        }
        if self._fused:
            self._count += 1
            torch._fused_adam_(*vectors, [], [self._count], **settings)
        else:
            update(*vectors, [], [self._count], foreach=False, **settings)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages by parameter, since memory layouts differ between devices.

        The next step changes them; copy first.
        """
        return {"number": self.number, "mean": self._mean.views, "square": self._square.views}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a state of this class, or of ``torch.optim.Adam``, which runs kept by earlier versions hold."""
        if "param_groups" in state:
            moments = [state["state"].get(i, {}) for i in range(len(self.flat.parameters))]
            mean, square = [m.get("exp_avg") for m in moments], [m.get("exp_avg_sq") for m in moments]
            self.number = max((int(m["step"]) for m in moments if m), default=0)
        else:
            mean, square, self.number = state["mean"], state["square"], int(state["number"])
        self._mean.put(mean)
        self._square.put(square)
        self._count.fill_(self.number)
