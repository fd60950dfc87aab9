"""Device, thread count, float settings and peak memory of computations."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core.errors import RequestError


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``. "auto" means CUDA where there is one, else MPS, else the CPU.

    Raises RequestError when this machine has no such device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    have = ["cpu", *["cuda"] * cuda, *["mps"] * mps]
    if name.split(":")[0] not in have:
        raise RequestError(f"device {name!r} is not on this machine; there is: auto, {', '.join(have)}")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except RuntimeError as error:
        raise RequestError(
            f"device {name!r} cannot be used here; there is: auto, {', '.join(have)}"
        ) from error
    return device


def in_bfloat16(device: torch.device, precision: str) -> bool:
    """Return whether ``precision``, a key of core.config.PRECISIONS, means bfloat16 on ``device``."""
    if precision == "auto":
        if device.type == "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        return device.type == "cpu" and any(
            getattr(torch.cpu, name, bool)()
            for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        )
    return precision == "bf16"


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` OpenMP threads and ``denormals_as_zero`` in this Python thread.

    Restore both settings at the end.
    """
    before = torch.get_num_threads()
    with denormals_as_zero():
        if before == count:
            yield
            return
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Round numbers below 1.2e-38 to zero in this thread, where the processor can.

    Restore the setting at the end. Weight decay shrinks the weights of dead channels to such numbers, which
    slow some processors down (docs/performance.md).
    """
    if _denormals_are_zero() or not torch.set_flush_denormal(True):
        yield
        return
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _denormals_are_zero() -> bool:
    """Return whether this thread rounds denormal numbers to zero; torch has no query for that."""
    return not bool(torch.tensor(1e-38, dtype=torch.float32) * 0.1)


def peak_memory_mb(device: torch.device | None = None) -> float:
    """Return the peak memory of this process so far in MB (10^6 bytes): allocated memory on a CUDA ``device``, else resident."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
