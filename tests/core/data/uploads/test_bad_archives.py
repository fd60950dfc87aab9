"""A bad archive is refused in one sentence that names it, and nothing is kept."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from core import load
from core.data.uploads.reading import archives, sources
from core.errors import DataError, RequestError
from tests.core.data.uploads.builders import (
    DRAW,
    assert_one_sentence,
    halves,
    labels,
    look,
    npz,
    pixels,
    raw_npz,
    tree,
)
from tests.uploads import image, member, npy, pack

pytestmark = pytest.mark.usefixtures("own_home")


def with_flag(data: bytes, flag: int) -> bytes:
    """A general-purpose flag set in every header of a zip."""
    made = bytearray(data)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := made.find(signature, start + 1)) >= 0:
            made[start + at] |= flag
    return bytes(made)


def with_method(data: bytes, method: int) -> bytes:
    made = bytearray(data)
    start = made.find(b"PK\x01\x02")
    made[start + 10 : start + 12] = struct.pack("<H", method)
    return bytes(made)


def link(name: str, to: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for path, content in halves().items():
            made.writestr(path, content)
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, to)
    return data.getvalue()


def twice(name: str) -> bytes:
    return pack(halves() | {name[:-1] + "?": b"x"}).replace(name[:-1].encode() + b"?", name.encode())


def huge_png(side: int) -> bytes:
    """A PNG of a few bytes that promises ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


def objects() -> np.ndarray:
    made = np.empty(20, object)
    made[:] = [print] * 20
    return made


SLIP = "leads out of the archive"
BAD = {  # name -> archive, words of its sentence
    "zip slip, up": (lambda: pack(halves() | {"../evil.png": b"x"}), SLIP),
    "zip slip, up within": (lambda: pack(halves() | {"train/../../evil.png": b"x"}), SLIP),
    "zip slip, absolute": (lambda: pack(halves() | {"/etc/evil.png": b"x"}), SLIP),
    "zip slip, drive": (lambda: pack(halves() | {"C:/evil.png": b"x"}), SLIP),
    "zip slip, backslash": (lambda: pack(halves() | {"train\\..\\evil.png": b"x"}), SLIP),
    "zip slip, junk": (lambda: pack(halves() | {"__MACOSX/../../evil": b"x"}), SLIP),
    "an unprintable name": (lambda: pack(halves() | {"train/cat/a\nb.png": b"x"}), "no usual path"),
    "a symlink": (lambda: link("train/cat/link.png", "/etc/passwd"), "train/cat/link.png.*link or device"),
    "encrypted": (lambda: with_flag(pack(halves()), 1), "train/cat/0.png.*encrypted"),
    "packed in a rare way": (lambda: with_method(pack(halves()), 14), "rare way"),
    "cut off": (lambda: pack(halves())[:-200], "cut off or broken"),
    "cut at the start": (lambda: pack(halves())[200:], "neither a zip"),
    "an empty file": (lambda: b"", "empty file"),
    "an empty zip": (lambda: pack({}), "is empty"),
    "something else": (lambda: b"%PDF-1.7" + bytes(500), "neither a zip nor an npz"),
    "a folder only": (lambda: pack({"cat/": b"", "dog/": b""}), "no images in class folders"),
    "images without folders": (
        lambda: pack({f"{i}.png": image() for i in range(4)}),
        "no images in class folders",
    ),
    "train and test without classes": (
        lambda: pack({f"{p}/{i}.png": image() for p in ("train", "test") for i in range(3)}),
        "no images in class folders",
    ),
    "a name twice": (lambda: twice("train/cat/0.png"), "two files of one name, train/cat/0.png"),
    "a name in capitals": (
        lambda: pack(halves() | {"train/cat/0.PNG": image()}),
        "two files of one name.*0.PNG",
    ),
    "a class in capitals": (
        lambda: pack(halves() | {"train/CAT/9.png": image()}),
        "two class folders of one name",
    ),
    "one class": (lambda: pack(tree(4, ["cat"])), "one class only, 'cat'"),
    "one class in both": (
        lambda: pack(tree(4, ["cat"], "train/") | tree(4, ["cat"], "test/")),
        "one class only",
    ),
    "an empty class": (lambda: pack(tree() | {"bird/": b""}), "no images of class 'bird'"),
    "an empty class in training": (
        lambda: pack(halves() | {"train/bird/": b""}),
        "no training images of class 'bird'",
    ),
    "a class that only training has": (
        lambda: pack(halves() | tree(2, ["bird"], "train/")),
        "no test images of class 'bird'",
    ),
    "a class that only testing has": (
        lambda: pack(halves() | tree(2, ["bird"], "test/")),
        "test folder of class 'bird'",
    ),
    "a class of one image": (lambda: pack(tree() | {"bird/1.png": image()}), "single image of class 'bird'"),
    "no image at all": (
        lambda: pack({f"{c}/{i}.txt": b"hi" for c in "ab" for i in range(4)}),
        "no image that can be read .a/0.txt: no image",
    ),
    "images mostly broken": (
        lambda: pack(tree(2) | {f"cat/{i}.txt": b"hi" for i in range(9)}),
        "9 files of 13.*cat/0.txt",
    ),
    "a class without a readable image": (
        lambda: pack(tree() | {"bird/1.txt": b"hi"}),
        "no image that can be read in bird/",
    ),
    "an image bomb": (
        lambda: pack(halves() | {"train/cat/bomb.png": huge_png(8000)}),
        "train/cat/bomb.png.*million pixels",
    ),
    "an image bomb that PIL stops": (
        lambda: pack(halves() | {"train/cat/bomb.png": huge_png(60_000)}),
        "train/cat/bomb.png.*million pixels",
    ),
    "a zip bomb, by ratio": (lambda: pack(halves() | {"train/cat/z.png": bytes(40 * 2**20)}), "zip bomb"),
    "a zip bomb, by one file": (
        lambda: pack(halves() | {"train/cat/z.png": bytes(65 * 2**20)}),
        "zip bomb|train/cat/z.png",
    ),
    "a broken file in the archive": (
        lambda: (d := pack(halves(), zipfile.ZIP_STORED)).replace(d[60:80], bytes(20), 1),
        "broken at train/cat/0.png",
    ),
    "pickled objects": (lambda: raw_npz(x=member(pixels()), y=member(objects())), "y.npy.*pickled objects"),
    "pickled classes": (
        lambda: npz(x=pixels(), y=labels(), classes=np.array(["a", "b"], object)),
        "classes.npy.*pickled objects",
    ),
    "no labels": (lambda: npz(x=pixels()), "x without its labels; add them as y or labels$"),
    "labels of another name": (
        lambda: npz(x=pixels(), answers=labels()),
        r"x without its labels; add them as y or labels .it also holds answers.",
    ),
    "no images": (lambda: npz(y=labels()), "without its images"),
    "a test set without labels": (
        lambda: npz(x_train=pixels(), y_train=labels(), x_test=pixels()),
        "x_test without its labels",
    ),
    "other names": (lambda: npz(a=pixels(), b=labels()), "holds a, b; wanted x_train"),
    "fewer labels than images": (
        lambda: npz(x=pixels(20), y=labels(19)),
        "20 images in x and 19 labels in y",
    ),
    "images of one dimension": (lambda: npz(x=pixels(shape=(20,)), y=labels()), "shape .20,."),
    "two channels": (lambda: npz(x=pixels(shape=(20, 9, 9, 2)), y=labels()), "shape .20, 9, 9, 2."),
    "one-hot labels": (
        lambda: npz(x=pixels(), y=np.eye(20, dtype=int)),
        r"one label for each image, .20,.; of one-hot labels save y.argmax",
    ),
    "labels between whole numbers": (lambda: npz(x=pixels(), y=labels() / 2), "labels must be whole numbers"),
    "a label that is NaN": (lambda: npz(x=pixels(), y=labels() * np.nan), "labels must be whole numbers"),
    "labels of another type": (
        lambda: npz(x=pixels(), y=labels() * 1j),
        "complex128; labels must be whole numbers or words",
    ),
    "a negative label beside names": (
        lambda: npz(x=pixels(), y=labels() - 1, classes=np.array(["a", "b"])),
        "label -1, which is out of range",
    ),
    "words beside names": (
        lambda: npz(x=pixels(), y=np.array(list("ab") * 10), classes=np.array(["a", "b"])),
        "words in y and an array classes",
    ),
    "words beside numbers": (
        lambda: npz(x_train=pixels(), y_train=np.array(list("ab") * 10), x_test=pixels(), y_test=labels()),
        "words in one array and numbers in another",
    ),
    "words that look alike": (
        lambda: npz(x=pixels(), y=np.array(["a", "A"] * 10)),
        "two classes of one name",
    ),
    "text that is no text": (
        lambda: npz(x=pixels(), y=np.array([b"\xff", b"\xfe"] * 10)),
        "text that is no text",
    ),
    "a label beyond the classes": (
        lambda: npz(x=pixels(), y=labels(20, 3), classes=np.array(["a", "b"])),
        "label 2, which is out of range",
    ),
    "a label beyond all": (lambda: npz(x=pixels(), y=labels() * 10**17), "out of range"),
    "measured values": (lambda: npz(x=pixels(40), y=np.arange(40)), "40 classes among 40 labels"),
    "a class that only the test set has": (
        lambda: npz(x_train=pixels(), y_train=labels(), x_test=pixels(), y_test=labels() + 1),
        "no training images of class '2'",
    ),
    "one label": (lambda: npz(x=pixels(), y=labels() * 0), "one class only"),
    "too many classes": (lambda: npz(x=pixels(2400), y=labels(2400, 1200)), "1,200 classes"),
    "a class name twice": (
        lambda: npz(x=pixels(), y=labels(), classes=np.array(["a", "A"])),
        "two classes of one name",
    ),
    "class names of numbers": (lambda: npz(x=pixels(), y=labels(), classes=np.arange(2)), "one line of text"),
    "NaN": (lambda: npz(x=np.full((20, 9, 9), np.nan), y=labels()), "NaN"),
    "floats above 1": (
        lambda: npz(x=pixels().astype(float), y=labels()),
        r"outside 0 to 1 .it has 0 to 25\d.; divide by the largest value",
    ),
    "floats below 0": (
        lambda: npz(x=pixels() / 255.0 - 0.5, y=labels()),
        r"outside 0 to 1 .it has -0.5 to .*; scale the pixels to 0 to 1",
    ),
    "whole numbers above 255": (lambda: npz(x=pixels().astype(int) + 300, y=labels()), "outside 0 to 255"),
    "complex pixels": (lambda: npz(x=pixels().astype(complex), y=labels()), "complex128"),
    "a record": (lambda: npz(x=np.zeros((20, 9, 9), [("a", "u1")]), y=labels()), "wanted uint8"),
    "an empty array": (lambda: npz(x=np.zeros((0, 9, 9), np.uint8), y=labels()), "is empty"),
    "sides of nothing": (lambda: npz(x=np.zeros((20, 0, 9), np.uint8), y=labels()), "is empty"),
    "shapes that differ": (
        lambda: npz(x_train=pixels(), y_train=labels(), x_test=pixels(size=10), y_test=labels()),
        "other shapes",
    ),
    "a header that promises more": (
        lambda: raw_npz(
            x=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 9, 9)}", bytes(81)),
            y=member(labels()),
        ),
        "header promises",
    ),
    "a header with a negative side": (
        lambda: raw_npz(
            x=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -81, 1)}", bytes(81)),
            y=member(labels()),
        ),
        "shape|promises",
    ),
    "a header that is code": (
        lambda: raw_npz(x=npy("__import__('os').system('true')"), y=member(labels())),
        "no array that can be read",
    ),
    "a member that is no array": (lambda: raw_npz(x=b"hello", y=member(labels())), "x.npy.*no array"),
    "an npz that is cut off": (lambda: npz(x=pixels(), y=labels())[:-50], "cut off or broken"),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_a_bad_archive_is_one_sentence_that_names_it_and_nothing_is_kept(make, words, tmp_path, own_home):
    path = tmp_path / "brought.zip"
    path.write_bytes(make())
    with pytest.raises(DataError, match=words) as caught:
        load(path)
    assert_one_sentence(caught.value)
    assert "brought.zip" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["brought.zip"]


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("ENTRIES", 11, "more than 11 entries"),
        ("TOTAL_BYTES", 2**20, "more than 1 MB"),
        ("FILE_BYTES", 2**20, "train/cat/large.png.*more than 1 MB"),
        ("UPLOAD_BYTES", 2**20, "larger than 1 MB"),
    ],
)
def test_what_passes_a_limit_is_refused(limit, value, words, monkeypatch):
    monkeypatch.setattr(sources if limit == "UPLOAD_BYTES" else archives, limit, value)
    files = halves() if limit == "ENTRIES" else halves() | {"train/cat/large.png": DRAW.bytes(2**20 + 9)}
    with pytest.raises(DataError, match=words) as caught:
        look(pack(files))
    assert_one_sentence(caught.value)


def test_the_limits_of_the_page_and_of_the_library_are_one():
    from dashboard.cli.dashboard import settings as page_settings

    assert page_settings()["server.maxUploadSize"] * 2**20 == sources.UPLOAD_BYTES


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.zip", "there is no file"),
        (".", "is a folder"),
        ("own-123", "no data is kept"),
        ("nothing", "unknown dataset"),
    ],
)
def test_a_path_that_leads_nowhere_is_a_wrong_request(path, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=words):
        load(Path(path) if path == "." else path)
