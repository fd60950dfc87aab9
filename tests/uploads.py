"""Uploads for tests: archives and images made by hand, and a reader in this process."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.data.uploads.reading import reader, sources
from core.data.uploads.reading.parsed import ParsedUpload


def read_here(source: Path | bytes, name: str, progress) -> ParsedUpload:
    """Read as ``isolated_reader.read`` does, without another process and its limits."""
    sources.check_source(source, name, sources.UPLOAD_BYTES)
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        found = reader.read(file, name, progress, lambda seconds: None)
    return ParsedUpload(
        found.classes,
        torch.from_numpy(np.stack(list(found.rows.each()))),
        torch.from_numpy(found.y),
        None if found.is_test is None else torch.from_numpy(found.is_test),
        found.sizes,
        found.notes,
        found.paths,
        found.left_out,
        found.features,
        found.subjects,
    )


def image(size=(10, 12), mode="RGB", kind="PNG", seed=0, **options) -> bytes:
    """Return a picture of noise; ``size`` is width, height."""
    draw = np.random.default_rng(seed)
    shape = (size[1], size[0]) if mode in ("L", "1") else (size[1], size[0], 3)
    made = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    made.save(file, kind, **options)
    return file.getvalue()


def pack(files: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name), content, method)
    return data.getvalue()


def photos(seed: int = 0, *, each: int = 12) -> bytes:
    """Return a zip of two classes of ``each`` grey images of 8x8 pixels, other images for each ``seed``."""
    draw = np.random.default_rng(seed)
    made = {}
    for name in [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(each)]:
        picture = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(picture, "PNG")
        made[name] = picture.getvalue()
    return pack(made)


def classes(extra: dict[str, bytes] | None = None, **options) -> dict[str, bytes]:
    """Return two class folders of three small images each, and ``extra``."""
    made = {f"{c}/{i}.png": image(seed=i, **options) for c in ("cat", "dog") for i in range(3)}
    return made | (extra or {})


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, *extra: bytes, row: int | None = None) -> bytes:
    """Return a blank PNG with all its pixels; ``row`` is the bytes of a row where the header is wrong about them."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    line = bytes(1 + (width * depth * samples + 7) // 8 if row is None else row)
    packer = zlib.compressobj(1)
    lines = 2**20 // len(line) + 1
    body = b"".join(packer.compress(line * min(lines, height - top)) for top in range(0, height, lines))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(extra)
        + chunk(b"IDAT", body + packer.flush())
        + chunk(b"IEND", b"")
    )


def scans(width: int, height: int, count: int) -> bytes:
    """Return a progressive JPEG with ``count`` scans more than usual."""
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def understated(size: int, claim: int) -> bytes:
    """Return a zip in which one image unpacks to ``size`` bytes and claims to be ``claim``."""
    name = b"cat/9.png"
    made = bytearray(pack(classes({name.decode(): bytes(size)})))
    for signature, at, start in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        place = -1
        while (place := made.find(signature, place + 1)) >= 0:
            if made[place + start : place + start + len(name)] == name:
                made[place + at : place + at + 4] = struct.pack("<I", claim)
    return bytes(made)


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 65536) + text + body


def member(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def safetensors(header: str | bytes, body: bytes = b"", length: int | None = None) -> bytes:
    text = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + body
