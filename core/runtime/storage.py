"""State files: nested tensors and JSON values in one safetensors file, written atomically and never pickled.

A file of format 2 may hold compressed tensors, and may refer to tensors in another state file of its folder.
"""

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
import torch
from torch import Tensor

from core.errors import StoreError
from core.runtime.packing import pack, unpack

FORMAT = 2  # format 1 has neither compressed nor shared tensors
SMALL = 1024  # bytes; compressing a smaller tensor does not pay

TensorNames = dict[str, str]  # the digest of a tensor -> its name in a file


def home() -> Path:
    """Return ``$LAF_HOME``, or the platform's user data folder."""
    named = os.environ.get("LAF_HOME")
    if named:
        return Path(os.path.expanduser(named))
    import platformdirs  # imported here, so that the library works without it where LAF_HOME is set

    return Path(platformdirs.user_data_dir("laf-lab", appauthor=False))


def save_state(
    path: str | Path,
    state: dict[str, Any],
    *,
    packed: bool = False,
    beside: Path | None = None,
    known: TensorNames | None = None,
) -> None:
    """Write nested dicts and lists of tensors, arrays and JSON values to ``path``.

    A reader sees the old or the new file. ``packed`` compresses large tensors. ``known`` lists tensors of the
    file ``beside`` in the same folder. Such tensors are not written again; ``load_state`` reads them from
    ``beside``. Raises StoreError when the folder cannot be written or the disk is full.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    header: dict[str, Any] = {"format": 1, "state": _extract_tensors(state, tensors)}
    shared = {n: [known[d], d] for n, t in tensors.items() if (d := digest(t)) in known} if known else {}
    written = {name: t for name, t in tensors.items() if name not in shared}
    if shared:
        assert beside is not None
        header |= {"format": 2, "beside": beside.name, "shared": shared}
    if packed:
        big = {name: t for name, t in written.items() if t.numel() * t.element_size() >= SMALL}
        header |= {"format": 2, "packed": {n: [str(t.dtype)[6:], list(t.shape)] for n, t in big.items()}}
        written |= {
            n: torch.frombuffer(bytearray(pack(_unsigned(t))), dtype=torch.uint8) for n, t in big.items()
        }
    write_bytes(Path(path), save(written, metadata={"laf": json.dumps(header)}))


def tensor_names(path: Path) -> TensorNames:
    """Return the names of the tensors in a state file by their digests.

    Raises StoreError as ``load_state`` does.
    """
    return {digest(tensor): name for name, tensor in _read(path)[1].items()}


def digest(tensor: Tensor) -> str:
    """Return a hash of a CPU tensor's type, shape and bytes."""
    kind = f"{tensor.dtype} {list(tensor.shape)}".encode()
    return hashlib.blake2b(_unsigned(tensor).tobytes(), digest_size=16, key=kind[:64]).hexdigest()


def load_state(path: str | Path) -> dict[str, Any]:
    """Return the state that ``save_state`` wrote to ``path``.

    Raises StoreError for a file that is missing, broken, of a newer format or not a state file.
    """
    header, tensors = _read(Path(path))
    try:
        if "shared" in header:
            beside = _read(Path(path).with_name(Path(header["beside"]).name))[1]
            for own_name, (name, wanted) in header["shared"].items():
                if digest(beside[name]) != wanted:
                    raise ValueError("a shared tensor has changed")
                tensors[own_name] = beside[name]
        restored = _insert_tensors(header["state"], tensors)
        if not isinstance(restored, dict):
            raise ValueError("not a dict")
        return restored
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header of a state file and the tensors in it."""
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


def _unsigned(tensor: Tensor) -> npt.NDArray[Any]:
    """Return the bytes of a contiguous tensor as unsigned integers (n,) of the same width."""
    flat: npt.NDArray[Any] = tensor.reshape(-1).view(torch.uint8).numpy()
    return flat.view(f"<u{tensor.element_size()}")


def _extract_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return ``value`` with each tensor replaced by its number, and add a CPU copy of each to ``tensors`` under that number."""
    if isinstance(value, (Tensor, np.ndarray)):
        name = str(len(tensors))
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        tensors[name] = tensor.detach().cpu().contiguous().clone()
        return {"$tensor" if isinstance(value, Tensor) else "$array": name}
    if isinstance(value, dict):
        return {"$dict": [[k, _extract_tensors(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_extract_tensors(v, tensors) for v in value]
    return value


def _insert_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the value that ``_extract_tensors`` took apart."""
    if isinstance(value, dict):
        if "$tensor" in value:
            return tensors[value["$tensor"]]
        if "$array" in value:
            return tensors[value["$array"]].numpy()
        return {k: _insert_tensors(v, tensors) for k, v in value["$dict"]}
    if isinstance(value, list):
        return [_insert_tensors(v, tensors) for v in value]
    return value


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically and create its folder.

    Raises StoreError when that fails or the disk is full.
    """
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
