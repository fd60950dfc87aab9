"""Uploads are read as PIL and numpy read them."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from core import load
from tests.core.data.uploads.builders import halves, labels, look, npz, pixels, tree
from tests.uploads import image, pack

pytestmark = pytest.mark.usefixtures("own_home")


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
        {f"home/ann/my photos/2026/{k}": v for k, v in halves().items()},
        {k.replace("/", "\\"): v for k, v in halves().items()} | {"train\\": b"", "train\\cat\\": b""},
        halves() | {"__MACOSX/train/cat/._0.png": b"x", "train/.DS_Store": b"x", "train/cat/Thumbs.db": b"x"},
        halves() | {"train/": b"", "train/cat/": b"", "test/": b""},
        {k.replace("test/", "VAL/").replace("train/", "Training/"): v for k, v in halves().items()},
    ],
    ids=[
        "one folder around",
        "two folders around",
        "four folders around",
        "backslashes",
        "what systems add",
        "entries for folders",
        "other names",
    ],
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
    ("given", "names"),
    [
        (labels() + 1, ("1", "2")),
        (labels() * 2 - 1, ("-1", "1")),
        (labels() * 5.0, ("0", "5")),
        (labels() == 1, ("0", "1")),
        (np.array(["dog", "cat"] * 10), ("cat", "dog")),
        (np.array([b"b", b"a"] * 10), ("a", "b")),
        (labels(20, 3) * 10, ("0", "10", "20")),
    ],
    ids=["from 1", "-1 and 1", "floats", "truth values", "words", "bytes", "gaps"],
)
def test_labels_of_any_numbers_or_words_become_classes_of_that_name(given, names):
    found = look(npz(data=pixels(), target=given), "n.npz")
    assert found.classes == names
    of = {
        name.encode()
        if given.dtype.kind == "S"
        else type(given[0].item())(name)
        if given.dtype.kind != "b"
        else name == "1": i
        for i, name in enumerate(names)
    }
    for part in (found.train, found.test):
        assert part.y.tolist() == [of[given[i].item()] for i in part.ids.tolist()]
    told = any(note.startswith("Each label became a class of its name") for note in found.notes)
    assert told == (names != ("0", "1"))


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
    files = tree(6) | {
        "cat/wide.png": image((40, 20)),
        "dog/grey.png": image(mode="L"),
        "dog/clear.png": image(mode="RGBA"),
        "dog/notes.txt": b"hello",
        "read.me": b"hello",
    }
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
