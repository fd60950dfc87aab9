"""Hostile images, archives, tables and weights, drawn at random; and what every refusal must be like."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from tests import uploads
from tests.uploads import chunk, classes, image, member, npy, pack, png, safetensors

ROOT = Path(__file__).parents[4]
MB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def assert_one_sentence(text: str) -> None:
    assert "\n" not in text
    assert 20 < len(text) < 500
    assert text.isprintable()
    assert "Traceback" not in text
    assert str(ROOT) not in text


def rss(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory that a process holds; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}"


def entry(dtype: str, shape: list[int], first: int, last: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


EMPTY = json.dumps(entry("F32", [0], 0, 0))
BAD_WEIGHTS = {
    "nothing": b"",
    "a length beyond the file": safetensors("{}", length=2**63),
    "a length beyond all": safetensors("{}", length=2**64 - 1),
    "no JSON": safetensors("{"),
    "a list": safetensors("[1]"),
    "deep JSON": safetensors("[" * 100_000),
    "a name twice": safetensors(
        '{"a":' + json.dumps(entry("F32", [1], 0, 4)) + ',"a":' + json.dumps(entry("F32", [1], 0, 4)) + "}",
        bytes(4),
    ),
    "overlapping": safetensors(
        json.dumps({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}), bytes(4)
    ),
    "a hole": safetensors(json.dumps({"a": entry("F32", [1], 4, 8)}), bytes(8)),
    "a size that does not fit": safetensors(json.dumps({"a": entry("F32", [9], 0, 4)}), bytes(4)),
    "a product that overflows": safetensors(json.dumps({"a": entry("F32", [2**62, 2**62], 0, 4)}), bytes(4)),
    "a negative side": safetensors(json.dumps({"a": entry("F32", [-1, -1], 0, 4)}), bytes(4)),
    "an unknown type": safetensors(json.dumps({"a": entry("F\u202e", [1], 0, 4)}), bytes(4)),
    "an entry that is none": safetensors('{"a": 5}'),
    "a million tensors": safetensors("{" + ", ".join(f'"{i}": {EMPTY}' for i in range(10**6)) + "}"),
    "empty tensors": save({"a": torch.zeros(0), "b": torch.zeros(3, 0)}),
    "a long name": save({"x\u202e" * 30_000: torch.zeros(1)}),
}


def tiff(pages: int, tags: list[tuple[int, int, int, int]]) -> bytes:
    """A TIFF of ``pages`` directories with these tags: number, type, count, value."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    for page in range(pages):
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        out += struct.pack("<I", len(out) + 4 if page < pages - 1 else 8)  # the last leads back to the first
    return bytes(out) + bytes(200)


def gif(frames: int) -> bytes:
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, "GIF")
    data = file.getvalue()
    start = data.index(b",", 13)
    return data[:-1] + data[start:-1] * frames + b";"


def hostile_image(draw: random.Random) -> bytes:
    side = draw.choice((1, 100, 5000, 20_000, 2**31 - 1))
    kind = draw.randrange(12)
    if kind == 0:
        head = struct.pack(
            ">IIBBBBB",
            side,
            draw.choice((1, side)),
            draw.choice((1, 8, 16)),
            draw.choice((0, 2, 3, 4, 6)),
            0,
            0,
            0,
        )
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(bytes(500)))
            + chunk(b"IEND", b"")
        )
    if kind == 1:
        text = draw.choice(
            (
                chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20 * MB))),
                chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(20 * MB))),
                chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(20 * MB))),
            )
        )
        return png(20, 20, 8, 2, *[text] * draw.randint(1, 40))
    if kind == 2:
        return png(
            9, 9, 8, 2, chunk(b"eXIf", b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + draw.randbytes(5000))
        )
    if kind == 3:
        return uploads.scans(draw.choice((40, 1500)), 1000, draw.choice((5, 300)))
    if kind == 4:
        return gif(draw.choice((1, 3000)))
    if kind == 5:
        tags = [
            (256, 4, 1, side),
            (257, 4, 1, side),
            (258, 3, 1, 8),
            (259, 3, 1, draw.choice((1, 5, 7, 8, 34712))),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (277, 3, 1, 1),
            (278, 4, 1, side),
            (279, 4, 1, draw.choice((100, 2**31))),
        ]
        return tiff(draw.choice((1, 2000)), tags)
    if kind == 6:
        return tiff(1, [(256, 4, 2**30, 8), (257, 3, 65535, 8), (273, 16, 2**28, 8)])
    if kind == 7:
        return (
            b"RIFF"
            + struct.pack("<I", 60)
            + b"WEBPVP8X"
            + struct.pack("<IB", 10, 0x12)
            + bytes(3)
            + b"\xfe\x3f\0" * 2
            + draw.randbytes(40)
        )
    if kind == 8:
        return f"P6 {side} {side} 255\n".encode() + bytes(100)
    if kind == 9:
        return (
            b"BM"
            + struct.pack(
                "<IHHIIiiHHIIiiII",
                200,
                0,
                0,
                54,
                40,
                side,
                -side,
                1,
                draw.choice((1, 8, 24, 32)),
                draw.randrange(4),
                0,
                0,
                0,
                2**31,
                0,
            )
            + bytes(150)
        )
    if kind == 10:
        return draw.choice(
            (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"RIFF", b"BM", b"P5 ")
        ) + draw.randbytes(300)
    data = bytearray(image((30, 30), kind=draw.choice(("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"))))
    for _ in range(draw.randint(1, 20)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def hostile_zip(draw: random.Random) -> bytes:
    kind = draw.randrange(9)
    if kind == 0:
        return pack(classes({"cat/in.zip": pack({"in.zip": pack(classes())})}))
    if kind == 1:
        return uploads.understated(draw.choice((5 * MB, 30 * MB)), draw.choice((0, 1, 5000, 2**31)))
    if kind == 2:
        return pack({f"{c}/{i}.png": bytes(30 * MB) for c in "ab" for i in range(2)})
    if kind == 3:
        made = bytearray(pack(classes()))
        for at in (made.find(b"PK\x03\x04") + 6, made.find(b"PK\x01\x02") + 8):
            made[at] |= draw.choice((1, 0x20, 0x40))
        return bytes(made)
    if kind == 4:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as made:
            info = zipfile.ZipInfo("cat/link")
            info.external_attr = draw.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)) << 16
            made.writestr(info, "/etc/passwd")
        return data.getvalue()
    if kind == 5:
        name = draw.choice(
            (
                "/etc/x",
                "../x",
                "a/../../x",
                "C:/x",
                "a\\x",
                "a//x",
                "./x",
                "\u202ea/x",
                "a" * 2000 + "/x",
                "cat/0.PNG",
                "CAT/x.png",
            )
        )
        return pack(classes({name: image()}))
    if kind == 6:
        return pack(
            {
                f"{c}/{i}.png": image(seed=i)
                for c in draw.sample(("CON", "a ", "ａ", "a", "\u3164", "é", "e\u0301", "x" * 900, "..."), 3)
                for i in range(2)
            }
        )
    data = pack(classes(), draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    if kind == 7:
        return data[: draw.randrange(len(data))]
    made = bytearray(data)
    for _ in range(draw.randint(1, 30)):
        made[draw.randrange(len(made))] = draw.randrange(256)
    return bytes(made)


def hostile_npz(draw: random.Random) -> bytes:
    arrays = {
        "x": member(np.zeros((20, 9, 9), np.uint8)),
        "y": member(np.arange(20) % 2),
        "classes": member(np.array(["a", "b"])),
    }
    which = draw.choice(sorted(arrays))
    if draw.random() < 0.5:
        side = draw.choice((0, 1, 20, 2**31, 2**63, -1))
        kind = draw.choice(
            (
                "'|u1'",
                "'<f8'",
                "'<U0'",
                "'|V0'",
                "'|O'",
                "'<M8[s]'",
                "'<c16'",
                "[('a','<i4')]",
                "'<U60000'",
                "'|b1'",
            )
        )
        arrays[which] = npy(
            HEADER.format(kind, draw.choice((f"({side}, 9, 9)", f"({side},)", "()"))),
            draw.randbytes(draw.choice((0, 20, 1620))),
        )
    else:
        data = bytearray(arrays[which])
        for _ in range(draw.randint(1, 10)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        arrays[which] = bytes(data)
    return pack({f"{name}.npy": data for name, data in arrays.items()})


def hostile_csv(draw: random.Random) -> bytes:
    lines = [
        draw.choice(
            (
                "file,subject",
                "id,subject",
                "file;subject",
                "subject",
                "",
                "file,subject,\u202e",
                '"file","subject"',
            )
        )
    ]
    for i in range(draw.randrange(8)):
        who = draw.choice(("Ann", "", "\u3164", "x" * 60_000, "\u202eAnn", "CON", '"', "a\0b", "Ann "))
        lines.append(f"{draw.choice(('cat', 'dog'))}/{i % 4}.png{draw.choice((',', ';', ''))}{who}")
    return "\n".join(lines).encode(draw.choice(("utf-8", "utf-16")))
