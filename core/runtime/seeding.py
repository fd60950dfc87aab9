"""Independent random streams derived from one seed.

No function here reads or changes torch's global random state.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called ``names`` of the run with ``seed``.

    It is the same on every machine.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new generator for the stream called ``names`` of the run with ``seed``."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


class SeededDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context in which torch operations of this thread draw from ``generator`` unless they are given another one.

    It serves code that takes no generator, such as torchvision's initialisation and dropout.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.ops.aten.native_dropout.default:  # the GPU's dropout, which takes no generator
            x, p = args[:2]
            mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - p, generator=self._generator)
            return x * mask / (1 - p), mask
        if any(a.name == "generator" for a in func._schema.arguments) and kwargs.get("generator") is None:
            kwargs["generator"] = self._generator
        return func(*args, **kwargs)


# torch wraps the method of a mode, so that its first call imports torch's compiler with triton and sympy (1.3 s)
SeededDraws.__torch_dispatch__ = inspect.unwrap(SeededDraws.__torch_dispatch__)  # type: ignore[method-assign]
