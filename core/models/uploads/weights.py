"""Uploaded weights: reading a safetensors file, checking it against a net, and loading it into the net."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.data.images import Dataset
from core.data.uploads.names import printable_name
from core.errors import DataError, RequestError
from core.models.base import Net
from core.models.registry import NETS, build
from core.runtime import seeding

HEADER_BYTES = 4 * 2**20  # enough for 30,000 tensors; torchvision's largest nets have 1,500
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}


def read_header(weights: bytes | Path, title: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file without their values, on the device "meta".

    Only the header is read, so that a file of the wrong net costs no memory. Raises DataError for a file that is broken.
    """
    try:
        if isinstance(weights, Path):
            with weights.open("rb") as file:
                head = file.read(8 + HEADER_BYTES)
                size = file.seek(0, os.SEEK_END)
        else:
            head, size = weights[: 8 + HEADER_BYTES], len(weights)
    except OSError as error:
        raise DataError(f"{weights!s} cannot be read ({error.strerror}); name another file") from error
    length = int.from_bytes(head[:8], "little")
    if len(head) < 8 or length > size - 8:
        raise _broken(title)
    if length > HEADER_BYTES:
        raise DataError(
            f"{title} has a header of {length:,} bytes; {HEADER_BYTES:,} hold the names of every net that can be used here"
        )
    try:
        header = json.loads(head[8 : 8 + length], object_pairs_hook=_unique_names)
        header.pop("__metadata__", None)
        return {name: _empty_tensor(name, entry, size, title) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(title) from error


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object's pairs as a dict. Raises ValueError for a name that occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _empty_tensor(name: str, entry: dict[str, Any], size: int, title: str) -> Tensor:
    """Return a tensor of the header without values. Raises DataError or ValueError when its entry is wrong."""
    kind, shape = str(entry["dtype"]), entry["shape"]
    if kind not in DTYPES:
        raise DataError(
            f"{title} holds {printable_name(name)} of type {printable_name(kind)}; weights must be plain numbers: save the model as float32"
        )
    if not isinstance(shape, list) or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an impossible shape")
    dtype = DTYPES[kind]
    first, last = entry["data_offsets"]
    if math.prod(shape) * dtype.itemsize != last - first or not 0 <= first <= last <= size:
        raise ValueError("a size that does not fit")
    return torch.empty(shape, dtype=dtype, device="meta")


def _broken(title: str) -> DataError:
    return DataError(
        f"{title} is not a whole safetensors file; write one with safetensors.torch.save_file(model.state_dict(), ...)"
    )


def read(weights: bytes | Path, title: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises DataError for a broken file, or values that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    read_header(weights, title)
    try:
        data = weights.read_bytes() if isinstance(weights, Path) else weights
        tensors: dict[str, Tensor] = load(data)
    except OSError as error:
        raise DataError(f"{weights!s} cannot be read ({error.strerror}); name another file") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise _broken(title) from error
    for name, value in tensors.items():
        # nets compute in float32, where a large float64 becomes infinite
        if value.is_floating_point() and not bool(value.to(torch.float32).isfinite().all()):
            raise DataError(
                f"{title} holds numbers that are not finite, in {printable_name(name)}; upload weights that work"
            )
    return tensors


def require_fit(net: str, tensors: dict[str, Tensor], dataset: Dataset, title: str) -> None:
    """Raise RequestError unless ``tensors``, with or without values, are the weights of ``net``."""
    count = len(dataset.classes)
    if net in NETS:
        _require(
            build(net, dataset.shape, count, seed=0).state_dict(),
            tensors,
            f"{net} with {count} classes",
            title,
        )
        return
    from core.models.torchvision_based.torchvision_net import full_model, is_auxiliary, parse_name

    arch = parse_name(net)[0]
    with torch.device("meta"):
        wanted = full_model(arch, count).state_dict()
    found = {k: v for k, v in tensors.items() if not is_auxiliary(arch, k)}
    _require(wanted, found, f"{arch} with {count} classes", title)


def assemble(net: str, tensors: dict[str, Tensor], dataset: Dataset, title: str) -> Net:
    """Return ``net`` with ``tensors`` as its weights, in eval mode. Raises RequestError when they do not fit."""
    count = len(dataset.classes)
    if net in NETS:
        model = build(net, dataset.shape, count, seed=0)
        _load_weights(model, tensors, f"{net} with {count} classes", title)
        return model.eval()
    from core.models.torchvision_based.torchvision_net import (
        TorchvisionNet,
        full_model,
        is_auxiliary,
        parse_name,
    )

    arch, layer, size = parse_name(net)
    with torch.device("meta"):  # draws no initial weights, which ``tensors`` replace
        complete = full_model(arch, count)
    complete = _with_memory(complete, arch, count)
    wanted = {k: v for k, v in tensors.items() if not is_auxiliary(arch, k)}
    _load_weights(complete, wanted, f"{arch} with {count} classes", title)
    made: Net = TorchvisionNet(complete, layer, dataset.shape, size)
    return made.to(memory_format=torch.channels_last).eval()


def _with_memory(model: nn.Module, arch: str, count: int) -> nn.Module:
    """Return ``model`` with memory for its weights.

    A net with buffers outside its state dict (Swin's indices) is built anew.
    """
    in_state = set(model.state_dict())
    if all(name in in_state for name, _ in model.named_buffers()):
        return model.to_empty(device="cpu")
    from core.models.torchvision_based.torchvision_net import full_model

    with seeding.SeededDraws(seeding.generator(0, "init", arch)):
        return full_model(arch, count)


def _load_weights(model: nn.Module, tensors: dict[str, Tensor], what: str, title: str) -> None:
    """Load ``tensors``; counters of batches may be missing. Raises as ``_require`` does."""
    wanted = model.state_dict()
    _require(wanted, tensors, what, title)
    counters = {k: torch.zeros_like(v, device="cpu") for k, v in wanted.items() if _is_counter(k)}
    model.load_state_dict({**counters, **tensors})


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _require(wanted: dict[str, Tensor], tensors: dict[str, Tensor], what: str, title: str) -> None:
    """Raise RequestError that lists the tensors that are missing, unknown, or of another shape or type."""
    missing = [k for k in wanted if k not in tensors and not _is_counter(k)]
    unknown = [k for k in tensors if k not in wanted]
    both = [(k, tensors[k], v) for k, v in wanted.items() if k in tensors]
    misshaped = [f"{k} is {_shape_text(t)}, not {_shape_text(v)}" for k, t, v in both if t.shape != v.shape]
    mistyped = [
        f"{k} is {str(t.dtype).removeprefix('torch.')}, not {str(v.dtype).removeprefix('torch.')}"
        for k, t, v in both
        if t.is_floating_point() != v.is_floating_point()
    ]
    wrong = [
        f"{len(names)} {verb} ({_list_some(names)})"
        for names, verb in (
            (missing, "missing"),
            (unknown, "unknown"),
            (misshaped, "of another shape"),
            (mistyped, "of another type"),
        )
        if names
    ]
    if wrong:
        raise RequestError(f"{title} does not fit {what}: weights {', '.join(wrong)}")


def _list_some(names: list[str]) -> str:
    return ", ".join(map(printable_name, names[:3])) + (", …" if len(names) > 3 else "")


def _shape_text(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
