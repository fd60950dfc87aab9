"""Weights that somebody brings: read from a safetensors file, held against the net they are for, and put into it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from core import seeds
from core.data.images import Dataset
from core.errors import DataError, RequestError
from core.models import NETS, Net, build


def read(weights: bytes | Path, title: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises DataError."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = weights.read_bytes() if isinstance(weights, Path) else weights
        tensors: dict[str, Tensor] = load(data)
    except OSError as error:
        raise DataError(f"{weights!s} cannot be read ({error.strerror}); name another file") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{title} is not a whole safetensors file; write one with safetensors.torch.save_file(model.state_dict(), ...)"
        ) from error
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise DataError(f"{title} holds numbers that are not finite, in {name}; bring weights that work")
    return tensors


def assemble(net: str, tensors: dict[str, Tensor], dataset: Dataset, title: str) -> Net:
    """``net`` with ``tensors`` as its weights, in eval mode. Raises RequestError where they do not fit."""
    count = len(dataset.classes)
    if net in NETS:
        model = build(net, dataset.shape, count, seed=0)
        _fill(model, tensors, f"{net} with {count} classes", title)
        return model.eval()
    from core.torchvision_net import TorchvisionNet, ignored, parse, whole

    arch, layer, size = parse(net)
    with torch.device("meta"):  # nothing is drawn for weights that are replaced at once
        complete = whole(arch, count)
    complete = _materialised(complete, arch, count)
    wanted = {k: v for k, v in tensors.items() if not ignored(arch, k)}
    _fill(complete, wanted, f"{arch} with {count} classes", title)
    own: Net = TorchvisionNet(complete, layer, dataset.shape, size)
    return own.to(memory_format=torch.channels_last).eval()


def _materialised(model: nn.Module, arch: str, count: int) -> nn.Module:
    """In memory; nets with buffers that no state dict holds (Swin's indices) are made as they come."""
    kept = set(model.state_dict())
    if all(name in kept for name, _ in model.named_buffers()):
        return model.to_empty(device="cpu")
    from core.torchvision_net import whole

    with seeds.Drawing(seeds.generator(0, "init", arch)):
        return whole(arch, count)


def _fill(model: nn.Module, tensors: dict[str, Tensor], what: str, title: str) -> None:
    """Load ``tensors``; batch counters may lack. Raises RequestError naming what is missing, unknown or of another shape."""
    wanted = model.state_dict()
    counters = {
        k: torch.zeros_like(v, device="cpu") for k, v in wanted.items() if k.endswith("num_batches_tracked")
    }
    tensors = {**counters, **tensors}
    missing = [k for k in wanted if k not in tensors]
    unknown = [k for k in tensors if k not in wanted]
    misshaped = [
        f"{k} is {_size(tensors[k])}, not {_size(v)}"
        for k, v in wanted.items()
        if k in tensors and tensors[k].shape != v.shape
    ]
    wrong = [
        f"{len(names)} {verb} ({_some(names)})"
        for names, verb in ((missing, "missing"), (unknown, "unknown"), (misshaped, "of another shape"))
        if names
    ]
    if wrong:
        raise RequestError(f"{title} does not fit {what}: weights {', '.join(wrong)}")
    model.load_state_dict(tensors)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
