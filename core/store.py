"""Things on disk: tensors and plain values in one safetensors file each, written atomically, never a pickle."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from torch import Tensor

from core.errors import StoreError

FORMAT = 1


def home() -> Path:
    """``$LAF_HOME``, or the platform's user data folder."""
    named = os.environ.get("LAF_HOME")
    return (
        Path(os.path.expanduser(named))
        if named
        else Path(platformdirs.user_data_dir("laf-lab", appauthor=False))
    )


def save_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, arrays and JSON values to ``path``; a reader sees the old file or the new one.

    Raises DataError when the folder cannot be written or the disk is full.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    plain = _strip(state, tensors)
    header = {"laf": json.dumps({"format": FORMAT, "state": plain})}
    write_bytes(Path(path), save(tensors, metadata=header))


def load_state(path: str | Path) -> dict[str, Any]:
    """What ``save_state`` wrote. Raises DataError for a file that is missing, broken, foreign or of a newer format."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["laf"])
            if header["format"] > FORMAT:
                raise StoreError(
                    f"{path} was written by a newer version (format {header['format']}); update the Lab to read it"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        restored = _fill(header["state"], tensors)
        if not isinstance(restored, dict):
            raise ValueError("not a dict")
        return restored
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist") from error
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError, OSError) as error:
        raise StoreError(
            f"{path} is not a readable state file ({type(error).__name__}); delete it or write it again"
        ) from error


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
    """Write ``data`` to ``path`` atomically, making its folder. Raises DataError when it cannot be written or the disk is full."""
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
