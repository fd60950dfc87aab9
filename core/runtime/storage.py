"""Things on disk: tensors and plain values in one safetensors file each, written atomically, never a pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
import torch
from torch import Tensor

from core.errors import StoreError
from core.runtime.packing import pack, unpack

FORMAT = 2  # 1: each tensor as it is, in this file
SMALL = 1024  # bytes: a smaller tensor is not worth packing

Known = dict[str, str]  # by the digest of a tensor, its name in a file


def home() -> Path:
    """``$LAF_HOME``, or the platform's user data folder."""
    named = os.environ.get("LAF_HOME")
    return (
        Path(os.path.expanduser(named))
        if named
        else Path(platformdirs.user_data_dir("laf-lab", appauthor=False))
    )


def save_state(
    path: str | Path,
    state: dict[str, Any],
    *,
    packed: bool = False,
    beside: Path | None = None,
    known: Known | None = None,
) -> None:
    """Write nested dicts and lists of tensors, arrays and JSON values to ``path``; a reader sees the old file or the new one.

    ``packed``: smaller, and slower to write. Tensors that ``known`` names are not written: they are read from ``beside``, another
    state in the same folder. Raises StoreError when the folder cannot be written or the disk is full.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    header: dict[str, Any] = {"format": 1, "state": _strip(state, tensors)}
    shared = {n: [known[d], d] for n, t in tensors.items() if (d := digest(t)) in known} if known else {}
    written = {name: t for name, t in tensors.items() if name not in shared}
    if shared:
        assert beside is not None
        header |= {"format": 2, "beside": beside.name, "shared": shared}
    if packed:
        big = {name: t for name, t in written.items() if t.numel() * t.element_size() >= SMALL}
        header |= {"format": 2, "packed": {n: [str(t.dtype)[6:], list(t.shape)] for n, t in big.items()}}
        written |= {
            n: torch.frombuffer(bytearray(pack(_plain(t))), dtype=torch.uint8) for n, t in big.items()
        }
    write_bytes(Path(path), save(written, metadata={"laf": json.dumps(header)}))


def tensors_in(path: Path) -> Known:
    """The digests of the tensors that lie in a state's file, and their names there. Raises StoreError as ``load_state``."""
    return {digest(tensor): name for name, tensor in _read(path)[1].items()}


def digest(tensor: Tensor) -> str:
    """A hash of a tensor on the CPU: its kind, shape and bytes."""
    kind = f"{tensor.dtype} {list(tensor.shape)}".encode()
    return hashlib.blake2b(_plain(tensor).tobytes(), digest_size=16, key=kind[:64]).hexdigest()


def load_state(path: str | Path) -> dict[str, Any]:
    """What ``save_state`` wrote. Raises StoreError for a file that is missing, broken, foreign or of a newer format."""
    header, tensors = _read(Path(path))
    try:
        if "shared" in header:
            beside = _read(Path(path).with_name(Path(header["beside"]).name))[1]
            for mine, (name, wanted) in header["shared"].items():
                if digest(beside[name]) != wanted:
                    raise ValueError("the state beside it is another")
                tensors[mine] = beside[name]
        restored = _fill(header["state"], tensors)
        if not isinstance(restored, dict):
            raise ValueError("not a dict")
        return restored
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header of a state's file, and the tensors that lie in it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["laf"])
            if header["format"] > FORMAT:
                raise StoreError(
                    f"{path} was written by a newer version (format {header['format']}); update the Lab to read it"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, (kind, shape) in header.get("packed", {}).items():
            dtype = getattr(torch, kind)
            flat = unpack(tensors[name].numpy().tobytes(), f"<u{dtype.itemsize}", (math.prod(shape),))
            tensors[name] = torch.from_numpy(flat.view(np.uint8).copy()).view(dtype).reshape(shape)
        header["state"]
        return header, tensors
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist") from error
    except (
        SafetensorError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
        OSError,
    ) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path} is not a readable state file ({type(error).__name__}); delete it or write it again"
    )


def _plain(tensor: Tensor) -> npt.NDArray[Any]:
    """(n,) unsigned integers of a contiguous tensor's own bytes."""
    flat: npt.NDArray[Any] = tensor.reshape(-1).view(torch.uint8).numpy()
    return flat.view(f"<u{tensor.element_size()}")


def _strip(value: Any, tensors: dict[str, Tensor]) -> Any:
    """``value`` with every tensor replaced by its number, the tensors collected under it; each a copy of its own memory."""
    if isinstance(value, (Tensor, np.ndarray)):
        name = str(len(tensors))
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        tensors[name] = tensor.detach().cpu().contiguous().clone()
        return {"$tensor" if isinstance(value, Tensor) else "$array": name}
    if isinstance(value, dict):
        return {"$dict": [[k, _strip(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_strip(v, tensors) for v in value]
    return value


def _fill(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "$tensor" in value:
            return tensors[value["$tensor"]]
        if "$array" in value:
            return tensors[value["$array"]].numpy()
        return {k: _fill(v, tensors) for k, v in value["$dict"]}
    if isinstance(value, list):
        return [_fill(v, tensors) for v in value]
    return value


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically, making its folder. Raises StoreError when it cannot be written or the disk is full."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise StoreError(
                f"the disk that holds {path.parent} is full; free some space, or set LAF_HOME elsewhere"
            ) from error
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); allow it, or set LAF_HOME to another folder"
        ) from error
