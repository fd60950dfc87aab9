"""Frames on disk: their numbers stay in memory, their arrays come from a cache of bounded size or from the file."""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import StoreError
from core.evaluation.metrics import Reading
from core.methods.step import Step
from core.runs.records import Frame
from core.runs.storage.serialization import reading_dict, reading_values
from core.runtime.packing import pack, same_layout, unpack

FORMAT = 2  # format 1 had arrays that are not packed
CHAIN = 8  # of so many frames the first is packed alone, each other one as the difference to the one before
ARRAYS = ("positions", "off_map", "predictions", "confidences", "angles", "representations")
Arrays = dict[str, np.ndarray]


class ArrayCache:
    """Arrays of the frames used last, up to ``memory_mb``; others are read again."""

    def __init__(self, memory_mb: float = 64.0) -> None:
        self._room = memory_mb * 1e6
        self._used = 0.0
        self._kept: OrderedDict[Path, Arrays] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path) -> Arrays:
        """Return the arrays of a frame's file. Raises StoreError when it cannot be read."""
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        arrays = read_frame(path, cache=self)[1]
        self.put(path, arrays)
        return arrays

    def peek(self, path: Path) -> Arrays | None:
        """Return the arrays of a frame's file if they are in the cache."""
        with self._lock:
            return self._kept.get(path)

    def put(self, path: Path, arrays: Arrays) -> None:
        """Add arrays, and drop those unused longest."""
        with self._lock:
            self._used -= _size(self._kept.pop(path, {}))
            self._kept[path] = arrays
            self._used += _size(arrays)
            while self._used > self._room and len(self._kept) > 1:
                self._used -= _size(self._kept.popitem(last=False)[1])

    def rename(self, before: Path, now: Path) -> None:
        """Note that a file was renamed."""
        with self._lock:
            if before in self._kept:
                self._kept[now] = self._kept.pop(before)


class StoredReading(Reading):
    """A Reading whose probabilities are in a frame's file."""

    def __init__(self, values: dict[str, Any], path: Path, cache: ArrayCache) -> None:
        for name, value in {**values, "_path": path, "_cache": cache}.items():
            object.__setattr__(self, name, value)

    def moved(self, path: Path) -> StoredReading:
        """Return the same Reading in a file of another name."""
        values = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        return StoredReading(values, path, self._cache)  # type: ignore[attr-defined]

    @property
    def forget_probabilities(self) -> Tensor:
        """(n_f, K) of the measured images of D_f."""
        return torch.from_numpy(self._cache.get(self._path)["forget_probabilities"])  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and reading_dict(self) == reading_dict(other)

    __hash__ = None  # type: ignore[assignment]


class StoredFrame(Frame):
    """A Frame whose arrays are in a file; reading one raises StoreError when the file is missing or damaged."""

    path: Path
    reading: StoredReading

    def __init__(self, values: dict[str, Any], path: Path, cache: ArrayCache) -> None:
        for name, value in {**values, "path": path, "_cache": cache}.items():
            object.__setattr__(self, name, value)

    def _array(self, name: str) -> Any:
        return self._cache.get(self.path).get(name)  # type: ignore[attr-defined]

    positions = property(lambda self: self._array("positions"))
    off_map = property(lambda self: self._array("off_map"))
    predictions = property(lambda self: self._array("predictions"))
    confidences = property(lambda self: self._array("confidences"))
    angles = property(lambda self: self._array("angles"))
    representations = property(lambda self: self._array("representations"))


def frame_bytes(frame: Frame, before: Arrays | None = None) -> tuple[bytes, dict[str, Any], Arrays]:
    """Return a frame as the bytes of a safetensors file, its plain values and its arrays.

    Arrays are packed as the difference to those of the frame ``before`` where these are given.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(a) for name in ARRAYS if (a := getattr(frame, name)) is not None}
    arrays["forget_probabilities"] = np.ascontiguousarray(frame.reading.forget_probabilities.cpu().numpy())
    plain = {
        "number": frame.number,
        "step": frame.step,
        "reading": reading_dict(frame.reading),
        "seconds": dict(frame.seconds),
    }
    packed: Arrays = {}
    kinds: dict[str, list[Any]] = {}  # dtype, shape, whether packed after the frame before
    for name, array in arrays.items():
        last = (before or {}).get(name)
        last = last if same_layout(array, last) else None
        packed[name] = np.frombuffer(pack(array, last), np.uint8)
        kinds[name] = [array.dtype.str, list(array.shape), last is not None]
    header = {"format": FORMAT, "frame": plain, "crc": _checksum(arrays), "packed": kinds}
    return save(packed, metadata={"laf": json.dumps(header)}), plain, arrays


def begins_chain(number: int) -> bool:
    """Return whether a frame's file can be read without the one before."""
    return number % CHAIN == 0


def stored(plain: dict[str, Any], record: Step | None, path: Path, cache: ArrayCache) -> StoredFrame:
    """Return a StoredFrame of the plain values of ``frame_bytes`` or ``read_frame``."""
    values = {
        "number": int(plain["number"]),
        "step": int(plain["step"]),
        "record": record,
        "reading": StoredReading(reading_values(plain["reading"]), path, cache),
        "seconds": dict(plain["seconds"]),
    }
    return StoredFrame(values, path, cache)


def read_frame(
    path: Path, *, arrays: bool = True, cache: ArrayCache | None = None
) -> tuple[dict[str, Any], Arrays]:
    """Return the plain values of a frame's file; with ``arrays`` also its arrays, checked against their checksum.

    A frame that is packed as a difference also reads the one before, from the ``cache`` if it is there.
    Raises StoreError, naming the file, when it is missing, damaged or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["laf"])
            if header["format"] > FORMAT:
                raise StoreError(f"{path} was written by a newer version; update the Lab to read it")
            plain = header["frame"]
            reading_values(plain["reading"])
            found = {name: file.get_tensor(name) for name in file.keys()} if arrays else {}  # noqa: SIM118
        if arrays and header["format"] > 1:
            found = _unpacked(found, header["packed"], path, int(plain["number"]), cache)
        if arrays and _checksum(found) != header["crc"]:
            raise _damaged(path)
        return {**plain, "number": int(plain["number"]), "step": int(plain["step"])}, found
    except FileNotFoundError as error:
        raise StoreError(f"{path} is gone; the run it belongs to was deleted") from error
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, OSError) as error:
        raise StoreError(f"{path} is no readable frame of a run ({type(error).__name__})") from error


def _unpacked(
    packed: Arrays, kinds: dict[str, list[Any]], path: Path, number: int, cache: ArrayCache | None
) -> Arrays:
    """Unpack arrays. Raises StoreError, naming the damaged file: this one, or an earlier one that it needs."""
    before: Arrays = {}
    if any(after for _, _, after in kinds.values()):
        if begins_chain(number):  # a damaged header must not lead to an endless chain
            raise _damaged(path)
        earlier = path.with_name(f"{number - 1:06d}{path.suffix}")
        before = (cache.get(earlier) if cache is not None else None) or read_frame(earlier)[1]
    try:
        return {
            name: unpack(packed[name].tobytes(), dtype, tuple(shape), before[name] if after else None)
            for name, (dtype, shape, after) in kinds.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"{path} is damaged: its checksum does not fit; delete the run, or take it back to an earlier frame"
    )


def _checksum(arrays: Arrays) -> int:
    crc = 0
    for name in sorted(arrays):
        crc = zlib.crc32(np.ascontiguousarray(arrays[name]).data, crc)
    return crc


def _size(arrays: Arrays) -> float:
    return float(sum(a.nbytes for a in arrays.values()))
