"""Data that people bring: read as PIL and numpy read it, kept whole or not at all, refused in one sentence."""

from __future__ import annotations

import errno
import io
import os
import random
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core import load
from core.data.registry import source
from core.data.uploads import archives, isolated_reader, store
from core.data.uploads.store import inspect, keep, kept, load_own, remove, rename
from core.errors import DataError, LabError, RequestError
from dashboard.forms.forget_set import subject_label
from tests.uploads import read_here

REAL = Path(
    os.environ.get("LAF_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"), "cifar10-small.zip"
)
DRAW = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Each test keeps its data in a folder of its own; archives are read in this process, where limits can be set lower."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(isolated_reader, "read", read_here)
    return tmp_path / "home"


def image(size=(10, 12), mode="RGB", kind="PNG", seed=0, **options) -> bytes:
    """A picture of noise; ``size`` is width, height."""
    draw = np.random.default_rng(seed)
    shape = (size[1], size[0]) if mode in ("L", "1") else (size[1], size[0], 3)
    made = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    made.save(file, kind, **options)
    return file.getvalue()


def pack(files: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of ``files``; a name that ends in a slash is a folder."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name), content, method)
    return data.getvalue()


def tree(per_class=5, labels=("cat", "dog"), under="", **options) -> dict[str, bytes]:
    return {
        f"{under}{label}/{i}.png": image(seed=100 * k + i, **options)
        for k, label in enumerate(labels)
        for i in range(per_class)
    }


def halves(**options) -> dict[str, bytes]:
    """train/ and test/ with two classes each."""
    return tree(4, under="train/", **options) | tree(2, under="test/", **options)


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def pixels(n=20, size=9, seed=0, **shape) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape.get("shape", (n, size, size)), dtype=np.uint8)


def labels(n=20, classes=2) -> np.ndarray:
    return np.arange(n) % classes


def look(data: bytes, name="mine.zip", **options):
    return inspect(data, name=name, **options)


# what is read


def test_pixels_classes_and_ids_are_what_pil_reads_from_the_folders(tmp_path):
    files = halves()
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as made:
        for name in sorted(files, reverse=True):  # their order in the archive does not matter
            made.writestr(name, files[name])
    data = load(tmp_path / "mine.zip")
    assert (data.classes, data.shape, data.title) == (("cat", "dog"), (3, 12, 10), "mine")
    for part, which in ((data.train, "train"), (data.test, "test")):
        paths = sorted(p for p in files if p.startswith(which))
        expected = [np.asarray(Image.open(io.BytesIO(files[p]))).transpose(2, 0, 1) for p in paths]
        np.testing.assert_array_equal(part.x, np.stack(expected))
        assert [data.classes[y] for y in part.y] == [p.split("/")[1] for p in paths]
    assert data.train.ids.tolist() == list(range(8))
    assert data.test.ids.tolist() == list(range(8, 12))
    assert data.family == "own-colour"
    whole = data.train.floats(slice(None))
    assert whole.mean((0, 2, 3)).abs().max() < 1e-4
    assert (whole.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_one_tree_is_split_by_class_and_always_alike():
    first, again = look(pack(tree(10))), look(pack(dict(reversed(tree(10).items()))))
    assert first.counts == ((8, 2), (8, 2))
    assert torch.equal(first.train.ids, again.train.ids)
    assert sorted([*first.train.ids.tolist(), *first.test.ids.tolist()]) == list(range(20))
    assert first.key == again.key
    names = sorted(tree(10))
    for part in (first.train, first.test):
        for x, i in zip(part.x, part.ids, strict=True):
            expected = np.asarray(Image.open(io.BytesIO(tree(10)[names[i]])))
            np.testing.assert_array_equal(x, expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "files",
    [
        {f"mine/{k}": v for k, v in halves().items()},
        {f"a/b/{k}": v for k, v in halves().items()},
        halves() | {"__MACOSX/train/cat/._0.png": b"x", "train/.DS_Store": b"x", "train/cat/Thumbs.db": b"x"},
        halves() | {"train/": b"", "train/cat/": b"", "test/": b""},
        {k.replace("test/", "VAL/").replace("train/", "Training/"): v for k, v in halves().items()},
    ],
    ids=["one folder around", "two folders around", "what systems add", "entries for folders", "other names"],
)
def test_the_same_folders_in_another_wrapping_are_the_same_data(files):
    found = look(pack(files))
    assert found.key == look(pack(halves())).key
    assert found.notes == ()


def test_classes_that_are_numbers_are_in_their_order():
    assert look(pack(tree(2, [str(i) for i in range(12)]))).classes == tuple(map(str, range(12)))


@pytest.mark.parametrize(
    ("shape", "grey"),
    [
        ((20, 9, 11), True),
        ((20, 9, 11, 1), True),
        ((20, 1, 9, 11), True),
        ((20, 9, 11, 3), False),
        ((20, 3, 9, 11), False),
    ],
)
@pytest.mark.parametrize("column", [False, True], ids=["y (N,)", "y (N, 1)"])
def test_rows_of_an_npz_are_read_in_each_layout(shape, grey, column):
    x, y = pixels(shape=shape), labels(20, 3)
    found = look(npz(x=x, y=y[:, None] if column else y, classes=np.array(["a", "b", "ç"])), "n.npz")
    assert found.classes == ("a", "b", "ç")
    assert found.shape == (1 if grey else 3, 9, 11)
    flat = x.reshape(20, 1, 9, 11) if grey else x if shape[1] == 3 else x.transpose(0, 3, 1, 2)
    for part in (found.train, found.test):
        np.testing.assert_array_equal(part.x, flat[part.ids])
        np.testing.assert_array_equal(part.y, y[part.ids])
    assert (found.train.norm is None) == grey


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_an_npz_with_a_test_set_keeps_it(names):
    arrays = dict(zip(names, (pixels(20), labels(20), pixels(6, seed=1), labels(6)), strict=True))
    found = look(npz(**arrays, val_images=pixels(3)), "n.npz")
    np.testing.assert_array_equal(found.train.x[:, 0], arrays[names[0]])
    np.testing.assert_array_equal(found.test.x[:, 0], arrays[names[2]])
    assert found.test.ids.tolist() == list(range(20, 26))
    assert "val_images" in found.notes[0]


def test_floats_between_0_and_1_become_bytes():
    x = pixels(20)
    found = look(npz(x=(x / 255).astype(np.float32), y=labels(20)), "n.npz")
    np.testing.assert_array_equal(found.train.x[:, 0], x[found.train.ids])


@pytest.mark.parametrize(
    ("options", "family", "channels"),
    [
        ({"mode": "L", "size": (12, 12)}, "own-small", 1),
        ({"mode": "L", "size": (13, 12)}, "own-grey", 1),
        ({"mode": "1"}, "own-small", 1),
        ({"mode": "RGB"}, "own-colour", 3),
        ({"mode": "CMYK", "kind": "TIFF"}, "own-colour", 3),
        ({"kind": "WEBP", "lossless": True}, "own-colour", 3),
    ],
)
def test_grey_and_colour_are_told_apart_and_have_their_presets(options, family, channels):
    from core.config import LAFConfig, TrainConfig

    data = look(pack(tree(**options))).dataset()
    assert (data.family, data.shape[0]) == (family, channels)
    assert (data.train.norm is None) == (channels == 1)
    assert TrainConfig.preset(data.family)
    assert LAFConfig.preset(data.family, "class")


def test_grey_that_is_saved_in_colour_is_grey():
    files = {}
    for name, data in tree(mode="L").items():
        file = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").save(file, "PNG")
        files[name] = file.getvalue()
    assert look(pack(files)).key == look(pack(tree(mode="L"))).key


def test_mixed_sizes_and_modes_take_the_commonest_size_and_colour_and_the_page_is_told():
    files = tree(6) | {"cat/wide.png": image((40, 20)), "dog/grey.png": image(mode="L"),
                       "dog/clear.png": image(mode="RGBA"), "dog/notes.txt": b"hello", "read.me": b"hello"}  # fmt: skip
    found = look(pack(files))
    assert found.shape == (3, 12, 10)
    assert found.sizes == ((10, 12, 14), (40, 20, 1))
    told = "\n".join(found.notes)
    for words in (
        "cat/wide.png",
        "cut to the middle",
        "dog/grey.png",
        "RGB",
        "no image: dog/notes.txt",
        "no class folder: read.me",
    ):
        assert words in told


def test_large_images_become_64_pixels_and_tiny_ones_8():
    assert look(pack(tree(size=(200, 100)))).shape == (3, 32, 64)
    assert look(npz(x=pixels(size=80), y=labels()), "n.npz").shape == (1, 64, 64)
    assert look(npz(x=pixels(size=4), y=labels()), "n.npz").shape == (1, 8, 8)
    assert "become 64×32" in look(pack(tree(size=(200, 100)))).notes[0]


def test_clear_pixels_are_put_on_white():
    clear = io.BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(clear, "PNG")
    half = np.zeros((20, 9, 9, 4), np.uint8)
    assert look(pack(tree(2, size=(10, 10)) | {"cat/0.png": clear.getvalue()})).train.x.float().amax() == 255
    assert (look(npz(x=half, y=labels()), "n.npz").train.x == 255).all()


def test_sixteen_bits_keep_their_upper_eight():
    deep = np.random.default_rng(1).integers(0, 2**16, (9, 9), dtype=np.uint16)
    file = io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    found = look(pack({f"{c}/{i}.png": file.getvalue() for c in "ab" for i in range(2)}))
    np.testing.assert_array_equal(found.train.x[0, 0], deep >> 8)


def test_a_photo_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert look(pack(tree(size=(20, 10), kind="JPEG", exif=exif))).shape == (3, 20, 10)


# subjects


def csv_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


@pytest.mark.parametrize("lead", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_csv_says_who_is_on_which_image(lead):
    table = csv_of(
        f"{lead}File;Age;Subject",
        "train/cat/0.png;3;Ann",
        "train/dog/1.png;4;Bob",
        "train/cat/2.png;;Ann",
        "test/cat/0.png;;Ann",
        "",
    )
    found = look(pack(halves()), subjects=table)
    assert found.subjects == ("Ann", "Bob")
    assert found.subject_of.tolist() == [0, -1, 0, -1, -1, 1, -1, -1]
    assert found.test_subject_of.tolist() == [0, -1, -1, -1]
    assert any("Ann: 1 of 3" in note and "Bob" not in note for note in found.notes)
    data = load_own(keep(found))
    assert (data.subjects, data.subject_of.tolist()) == (found.subjects, found.subject_of.tolist())
    assert data.test_subject_of.tolist() == found.test_subject_of.tolist()
    assert [data.counts_of(s) for s in (0, 1)] == [(2, 1), (1, 0)]
    assert [subject_label(data, s) for s in (0, 1)] == ["Ann (2, and 1 in the test set)", "Bob (1)"]
    assert found.key != look(pack(halves())).key


def test_rows_of_an_npz_have_subjects_by_their_id():
    table = csv_of("id,subject", *(f"{i},p{i % 3}" for i in range(20)))
    found = look(npz(x=pixels(), y=labels()), "n.npz", subjects=table)
    assert [found.subjects[s] for s in found.subject_of] == [f"p{i % 3}" for i in found.train.ids.tolist()]


def test_a_file_that_was_left_out_may_have_a_subject():
    files = halves() | {"train/cat/x.txt": b"hello"}
    assert look(
        pack(files), subjects=csv_of("file,subject", "train/cat/x.txt,Ann", "train/cat/0.png,Bob")
    ).subjects == ("Bob",)


BAD_CSV = {
    "no header": (b"train/cat/0.png,Ann\n", "below its header"),
    "another header": (b"image,person\na,b\n", "header line with file and subject"),
    "empty": (b"", "below its header"),
    "binary": (b"\xff\xfe\x00file", "UTF-8"),
    "an open quote": (b'file,subject\n"train/cat/0.png,Ann\n', "no CSV"),
    "too few values": (b"file,subject\ntrain/cat/0.png\n", "line 2"),
    "an unknown file": (b"file,subject\ntrain/cat/77.png,Ann\n", "train/cat/77.png.*line 2"),
    "two subjects for one": (b"file,subject\ntrain/cat/0.png,Ann\ntrain/cat/0.png,Bob\n", "second subject in line 3"),
    "ids for files": (b"id,subject\n99,Ann\n", "'99' in line 2"),
    "nobody in training": (b"file,subject\ntest/cat/0.png,Ann\n", "no training image"),
    "no subject": (b"file,subject\ntrain/cat/0.png,\n", "no training image"),
    "a NUL": (b"file,subject\ntrain/cat/0.png,A\0nn\n", "CSV|cannot be seen"),
    "too large": (b"file,subject\n" + b"x" * (20 * 2**20), "20 MB"),
    "too many lines": (b"file,subject\n" + b"a\n" * 500_000, "400,000 lines"),
    "a line too long": (b"file,subject\n" + b"," * 500_000, "10,000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "words"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_is_one_sentence(table, words):
    with pytest.raises(LabError, match=words) as caught:
        look(pack(halves()), subjects=table)
    assert_one_sentence(caught.value)
    assert "CSV" in str(caught.value)


# bad archives


def assert_one_sentence(error: BaseException) -> None:
    text = str(error)
    assert "\n" not in text
    assert 20 < len(text) < 400
    assert text.isprintable()


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


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def raw_npz(**members: bytes) -> bytes:
    return pack({f"{name}.npy": data for name, data in members.items()})


def member(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


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
    "images without folders": (lambda: pack({f"{i}.png": image() for i in range(4)}), "no images in class folders"),
    "train and test without classes": (lambda: pack({f"{p}/{i}.png": image() for p in ("train", "test") for i in range(3)}), "no images in class folders"),
    "a name twice": (lambda: twice("train/cat/0.png"), "two files of one name, train/cat/0.png"),
    "a name in capitals": (lambda: pack(halves() | {"train/cat/0.PNG": image()}), "two files of one name.*0.PNG"),
    "a class in capitals": (lambda: pack(halves() | {"train/CAT/9.png": image()}), "two class folders of one name"),
    "one class": (lambda: pack(tree(4, ["cat"])), "one class only, 'cat'"),
    "one class in both": (lambda: pack(tree(4, ["cat"], "train/") | tree(4, ["cat"], "test/")), "one class only"),
    "an empty class": (lambda: pack(tree() | {"bird/": b""}), "no images of class 'bird'"),
    "an empty class in training": (lambda: pack(halves() | {"train/bird/": b""}), "no training images of class 'bird'"),
    "a class that only training has": (lambda: pack(halves() | tree(2, ["bird"], "train/")), "no test images of class 'bird'"),
    "a class that only testing has": (lambda: pack(halves() | tree(2, ["bird"], "test/")), "test folder of class 'bird'"),
    "a class of one image": (lambda: pack(tree() | {"bird/1.png": image()}), "single image of class 'bird'"),
    "no image at all": (lambda: pack({f"{c}/{i}.txt": b"hi" for c in "ab" for i in range(4)}), "no image that can be read .a/0.txt: no image"),
    "images mostly broken": (lambda: pack(tree(2) | {f"cat/{i}.txt": b"hi" for i in range(9)}), "9 files of 13.*cat/0.txt"),
    "a class without a readable image": (lambda: pack(tree() | {"bird/1.txt": b"hi"}), "no image that can be read in bird/"),
    "an image bomb": (lambda: pack(halves() | {"train/cat/bomb.png": huge_png(8000)}), "train/cat/bomb.png.*million pixels"),
    "an image bomb that PIL stops": (lambda: pack(halves() | {"train/cat/bomb.png": huge_png(60_000)}), "train/cat/bomb.png.*million pixels"),
    "a zip bomb, by ratio": (lambda: pack(halves() | {"train/cat/z.png": bytes(40 * 2**20)}), "zip bomb"),
    "a zip bomb, by one file": (lambda: pack(halves() | {"train/cat/z.png": bytes(65 * 2**20)}), "zip bomb|train/cat/z.png"),
    "a broken file in the archive": (lambda: (d := pack(halves(), zipfile.ZIP_STORED)).replace(d[60:80], bytes(20), 1), "broken at train/cat/0.png"),
    "pickled objects": (lambda: raw_npz(x=member(pixels()), y=member(objects())), "y.npy.*pickled objects"),
    "pickled classes": (lambda: npz(x=pixels(), y=labels(), classes=np.array(["a", "b"], object)), "classes.npy.*pickled objects"),
    "no labels": (lambda: npz(x=pixels()), "without its labels"),
    "no images": (lambda: npz(y=labels()), "without its images"),
    "a test set without labels": (lambda: npz(x_train=pixels(), y_train=labels(), x_test=pixels()), "x_test without its labels"),
    "other names": (lambda: npz(a=pixels(), b=labels()), "holds a, b; wanted x_train"),
    "fewer labels than images": (lambda: npz(x=pixels(20), y=labels(19)), "20 images in x and 19 labels in y"),
    "images of one dimension": (lambda: npz(x=pixels(shape=(20, 81)), y=labels()), "shape .20, 81."),
    "two channels": (lambda: npz(x=pixels(shape=(20, 9, 9, 2)), y=labels()), "shape .20, 9, 9, 2."),
    "one-hot labels": (lambda: npz(x=pixels(), y=np.eye(20, dtype=int)), "one label for each image"),
    "a label that is no number": (lambda: npz(x=pixels(), y=np.array(list("ab") * 10)), "labels must be whole numbers"),
    "labels with a point": (lambda: npz(x=pixels(), y=labels() / 1.0), "labels must be whole numbers"),
    "a negative label": (lambda: npz(x=pixels(), y=labels() - 1), "label -1, which is out of range"),
    "a label beyond the classes": (lambda: npz(x=pixels(), y=labels(20, 3), classes=np.array(["a", "b"])), "label 2, which is out of range"),
    "a label beyond all": (lambda: npz(x=pixels(), y=labels() * 10**12), "out of range"),
    "a label that nobody has": (lambda: npz(x=pixels(), y=labels() * 2), "no images of class '1'"),
    "one label": (lambda: npz(x=pixels(), y=labels() * 0), "one class only"),
    "too many classes": (lambda: npz(x=pixels(2400), y=labels(2400, 1200)), "1,200 classes"),
    "a class name twice": (lambda: npz(x=pixels(), y=labels(), classes=np.array(["a", "A"])), "two classes of one name"),
    "class names of numbers": (lambda: npz(x=pixels(), y=labels(), classes=np.arange(2)), "one line of text"),
    "NaN": (lambda: npz(x=np.full((20, 9, 9), np.nan), y=labels()), "NaN"),
    "floats above 1": (lambda: npz(x=pixels().astype(float), y=labels()), "outside 0 to 1"),
    "whole numbers above 255": (lambda: npz(x=pixels().astype(int) + 300, y=labels()), "outside 0 to 255"),
    "complex pixels": (lambda: npz(x=pixels().astype(complex), y=labels()), "complex128"),
    "a record": (lambda: npz(x=np.zeros((20, 9, 9), [("a", "u1")]), y=labels()), "wanted uint8"),
    "an empty array": (lambda: npz(x=np.zeros((0, 9, 9), np.uint8), y=labels()), "is empty"),
    "sides of nothing": (lambda: npz(x=np.zeros((20, 0, 9), np.uint8), y=labels()), "is empty"),
    "shapes that differ": (lambda: npz(x_train=pixels(), y_train=labels(), x_test=pixels(size=10), y_test=labels()), "other shapes"),
    "a header that promises more": (lambda: raw_npz(x=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 9, 9)}", bytes(81)), y=member(labels())), "header promises"),
    "a header with a negative side": (lambda: raw_npz(x=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -81, 1)}", bytes(81)), y=member(labels())), "shape|promises"),
    "a header that is code": (lambda: raw_npz(x=npy("__import__('os').system('true')"), y=member(labels())), "no array that can be read"),
    "a member that is no array": (lambda: raw_npz(x=b"hello", y=member(labels())), "x.npy.*no array"),
    "an npz that is cut off": (lambda: npz(x=pixels(), y=labels())[:-50], "cut off or broken"),
}  # fmt: skip


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
    monkeypatch.setattr(archives, limit, value)
    files = halves() if limit == "ENTRIES" else halves() | {"train/cat/large.png": DRAW.bytes(2**20 + 9)}
    with pytest.raises(DataError, match=words) as caught:
        look(pack(files))
    assert_one_sentence(caught.value)


def test_the_limits_of_the_page_and_of_the_library_are_one():
    from dashboard.cli.dashboard import settings as page_settings

    assert page_settings()["server.maxUploadSize"] * 2**20 == store.UPLOAD_BYTES


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


# keeping


def test_what_is_kept_is_loaded_to_the_bit_and_the_same_again_has_the_same_key(tmp_path):
    found = look(pack(tree()), "My cats.zip")
    key = keep(found)
    data = load(key)
    for part, other in ((data.train, found.train), (data.test, found.test)):
        assert torch.equal(part.x, other.x)
        assert torch.equal(part.y, other.y)
        assert torch.equal(part.ids, other.ids)
        assert part.norm == other.norm
    assert data.fingerprint == found.dataset().fingerprint
    assert keep(look(pack(tree(), zipfile.ZIP_STORED), "again.zip")) == key
    assert [(d.key, d.title, d.images, d.classes, d.shape) for d in kept()] == [
        (key, "My cats", 10, 2, (3, 12, 10))
    ]
    assert source(key).title == "My cats"
    assert "10 images, 10x12 in colour, 2 classes" in source(key).note
    assert not source(key).needs_files


def test_a_title_can_be_changed_and_data_removed():
    key = keep(look(pack(tree())))
    other = keep(look(pack(tree(6))))
    load(key)
    rename(key, "  Cats\nand dogs ")
    assert load(key).title == source(key).title == "Cats and dogs"
    with pytest.raises(RequestError, match="at least one"):
        rename(key, " \n")
    remove(key)
    assert [d.key for d in kept()] == [other]
    for gone in (lambda: load(key), lambda: source(key), lambda: remove(key), lambda: rename(key, "a")):
        with pytest.raises(RequestError, match="no data is kept as"):
            gone()
    assert [p.name for p in (store.home() / "datasets").iterdir()] == [other]


@pytest.mark.parametrize("key", ["own-../../x", "own-", "own-ABCDEFABCDEF", "own-000000000000/.."])
def test_a_key_leads_nowhere_else(key, own_home):
    (own_home / "datasets").mkdir(parents=True)
    with pytest.raises(RequestError):
        remove(key)
    assert (own_home / "datasets").is_dir()


@pytest.mark.parametrize("where", ["fsync", "rename"])
@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "full|No space"), (errno.EACCES, "cannot be written")]
)
def test_a_disk_that_is_full_leaves_nothing_half(where, code, words, monkeypatch, own_home):
    first = keep(look(pack(tree(6))))

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os if where == "fsync" else Path, where, fail)
        with pytest.raises(DataError, match=words) as caught:
            keep(look(pack(tree())))
    assert_one_sentence(caught.value)
    assert [p.name for p in (own_home / "datasets").iterdir()] == [first]
    assert keep(look(pack(tree()))) in {d.key for d in kept()}


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_nothing_that_is_seen_and_is_swept_later(own_home, tmp_path):
    (tmp_path / "mine.zip").write_bytes(pack(tree()))
    code = (
        "import os, sys; from pathlib import Path; from core.data.uploads import store as custom\n"
        "custom.Path.rename = lambda *a: os.kill(os.getpid(), 9)\n"
        "custom.keep(custom.inspect(Path(sys.argv[1]), name='mine.zip'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "mine.zip")], env=os.environ.copy(), check=False
    )
    assert done.returncode == -9
    left = list((own_home / "datasets").iterdir())
    assert [p.name[0] for p in left] == ["."]
    assert kept() == []
    os.utime(left[0], (0, 0))
    key = keep(look(pack(tree())))
    assert [p.name for p in (own_home / "datasets").iterdir()] == [key]


@pytest.mark.parametrize("name", ["about.safetensors", "images.safetensors"])
def test_kept_data_that_is_damaged_is_named_hurts_no_other_and_is_mended_by_importing_it_again(
    name, own_home
):
    key, other = keep(look(pack(tree()))), keep(look(pack(tree(6))))
    (own_home / "datasets" / key / name).write_bytes(b"junk")
    with pytest.raises(DataError, match=key):
        load(key)
    assert load(other).shape == (3, 12, 10)
    assert other in {d.key for d in kept()}
    assert keep(look(pack(tree()))) == key
    assert len(load(key).train) == 8


# fuzz

SEEDS = [pack(halves()), pack(tree(3, mode="L"), zipfile.ZIP_STORED), npz(x=pixels(8), y=labels(8)),
         raw_npz(x=member(pixels(8)), y=member(labels(8)), classes=member(np.array(["a", "b"])))]  # fmt: skip


def mutated(data: bytes, seed: int) -> bytes:
    """Bytes flipped, cut out, repeated or inserted; in the archive, or in the files of a whole one."""
    draw = random.Random(seed)
    if draw.random() < 0.3:
        return scrambled(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name in draw.sample(sorted(files), draw.randint(1, len(files) // 2)):
        files[name] = scrambled(files[name], draw)
    return pack(files, zipfile.ZIP_STORED)


def scrambled(data: bytes, draw: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at, length = draw.randrange(len(made)), draw.choice((1, 1, 2, 4, 16, 200))
        kind = draw.randrange(5)
        if kind == 0:
            made[at] = draw.randrange(256)
        elif kind == 1:
            made[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del made[at : at + length]
        elif kind == 3:
            made[at:at] = draw.randbytes(length)
        else:
            made[at:at] = made[-length:]
        made = made or bytearray(b"P")
    return bytes(made)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, len(SEEDS) - 1), seed=st.integers(0, 2**32))
def test_a_mutated_archive_is_read_or_refused_and_touches_nothing_else(which, seed, tmp_path, own_home):
    try:
        found = look(mutated(SEEDS[which], seed), "fuzz.zip")
        data = load_own(keep(found))
    except LabError as error:
        assert_one_sentence(error)
    else:
        assert len(data.classes) >= 2
        assert data.train.x.dtype == torch.uint8
        assert int(data.train.y.max()) < len(data.classes)
    assert {p.name for p in tmp_path.iterdir()} <= {"home"}
    if own_home.exists():
        assert [p.name for p in own_home.iterdir()] == ["datasets"]
        assert not [p for p in (own_home / "datasets").iterdir() if p.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.skipif(
    not REAL.is_file(), reason="needs cifar10-small.zip in the folder that LAF_TEST_DATA names"
)
def test_the_real_zip_of_cifar_10_has_its_counts():
    data = load(REAL)
    assert data.classes == tuple(
        "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
    )
    assert data.shape == (3, 32, 32)
    assert torch.bincount(data.train.y).tolist() == [1000] * 10
    assert torch.bincount(data.test.y).tolist() == [200] * 10
    with zipfile.ZipFile(REAL) as archive:
        names = sorted(n for n in archive.namelist() if n.startswith("train/"))
        for i in (0, 4321, 9999):
            expected = np.asarray(Image.open(archive.open(names[i])))
            np.testing.assert_array_equal(data.train.x[i], expected.transpose(2, 0, 1))
    assert data.family == "own-colour"
