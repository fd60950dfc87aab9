"""The binary container for the browser: a JSON header and arrays in one bytes object.

Layout (little-endian): uint32 length of the header, the header padded with spaces so that the data starts at a
multiple of 8, then the arrays, each at a multiple of 8 from the start of the data. `header["arrays"]` locates each
array: `{name: {"dtype": "int16", "shape": [2000, 2], "offset": 0}}`. A typed array in the browser can then view
the bytes without copying them. docs/wire.md lists the contents.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGN = 8
# types that have a typed array in the browser
DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")


def pack(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return header and arrays as one bytes object. Raises ValueError for a type that the browser cannot read."""
    if "arrays" in header:
        raise ValueError("the header's 'arrays' is written by pack; name the arrays in the second argument")
    table: dict[str, dict[str, Any]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.name not in DTYPES:
            raise ValueError(
                f"array {name!r} has dtype {array.dtype.name}; the browser reads {', '.join(DTYPES)}"
            )
        raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        table[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        parts += [raw, bytes(-len(raw) % ALIGN)]
        offset += len(raw) + -len(raw) % ALIGN
    # JSON.parse refuses NaN, so it must fail here, where the field is still known
    text = json.dumps(
        {**header, "arrays": table}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()
    text += b" " * (-(4 + len(text)) % ALIGN)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(packet: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header, and read-only arrays that share the packet's memory."""
    start = 4 + int.from_bytes(packet[:4], "little")
    header = json.loads(packet[4:start])
    arrays = {}
    for name, entry in header.pop("arrays").items():
        count = int(np.prod(entry["shape"], dtype=np.int64))
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        array = np.frombuffer(packet, dtype, count, start + entry["offset"]) if count else np.zeros(0, dtype)
        arrays[name] = array.reshape(entry["shape"])
    return header, arrays
