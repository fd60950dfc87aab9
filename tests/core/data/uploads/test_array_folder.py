"""Folders of .npy files: what is read of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.uploads.array_folder import ArrayFolder, unpack
from core.data.uploads.preview import inspect
from core.errors import DataError, RequestError
from tests.core.data.uploads.builders import assert_one_sentence, labels, npz, pixels

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def made(tmp_path):
    """Return a function that writes arrays to a folder and returns it."""

    def make(**arrays):
        folder = tmp_path / "faces"
        folder.mkdir()
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return folder

    return make


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": pixels(), "labels": labels()},
        {"x": pixels(shape=(20, 9, 11, 3)), "y": labels().astype(np.uint8)[:, None]},
        {"x": pixels(shape=(20, 3, 9, 11)), "y": labels(), "classes": np.array(["cat", "dog"])},
        {"x_train": pixels(), "y_train": labels(), "x_test": pixels(6, seed=1), "y_test": labels(6)},
        {"data": pixels(), "target": labels() * 3.0 - 1},
        {"images": pixels(), "labels": np.array(["dog", "cat"] * 10)},
    ],
    ids=["grey", "channels last", "channels first, named", "test set", "other numbers", "words"],
)
def test_a_folder_holds_what_an_upload_of_its_arrays_holds(arrays, made, monkeypatch):
    monkeypatch.setattr("core.data.uploads.array_folder._BLOCK", 500)  # a few images
    upload, folder = inspect(npz(**arrays), name="faces.npz"), ArrayFolder(made(**arrays))
    assert folder.key() == upload.key
    assert (folder.title, folder.classes, folder.shape) == (upload.title, upload.classes, upload.shape)
    for is_test, part in ((False, upload.train), (True, upload.test)):
        y, ids = folder.part(is_test)
        assert torch.equal(torch.cat(list(folder.pixels(is_test))), part.x)
        assert torch.equal(y, part.y)
        assert torch.equal(ids, part.ids)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "is a folder without .npy files; put images.npy and labels.npy into it"),
        ({"images": pixels()}, "images without its labels; add them as y or labels"),
        ({"images": pixels(), "labels": labels(19)}, "20 images in images.npy and 19 labels in labels.npy"),
        ({"images": pixels() / 255.0, "labels": labels()}, "type float64; wanted uint8 from 0 to 255"),
        ({"images": pixels(), "labels": labels() * 0.5}, "labels must be whole numbers"),
        ({"images": pixels(), "labels": labels() * 0}, "has one class only"),
        (
            {"images": pixels(), "labels": labels() - 1, "classes": np.array(["a", "b"])},
            "label -1, which is out of range",
        ),
        ({"images": pixels(size=65), "labels": labels()}, "8 to 64 pixels a side: scale them first"),
        ({"images": pixels(shape=(20, 9, 9, 4)), "labels": labels()}, "with 1 or 3 channels"),
        ({"images": np.asfortranarray(pixels()), "labels": labels()}, "Fortran order"),
        (
            {"x_train": pixels(), "y_train": labels(), "x_test": pixels(size=8), "y_test": labels()},
            "training and test images of other shapes",
        ),
        ({"images": np.array([None] * 20), "labels": labels()}, "pickled objects"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(arrays, words, made):
    folder = made(**arrays)
    with pytest.raises((DataError, RequestError), match=words) as caught:
        ArrayFolder(folder)
    assert_one_sentence(caught.value)
    assert str(folder) in str(caught.value)


def test_an_array_that_was_cut_off_is_one_sentence(made):
    folder = made(images=pixels(), labels=labels())
    whole = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(whole[:-1])
    with pytest.raises(DataError, match="whose bytes are another number"):
        ArrayFolder(folder)


def test_a_compressed_npz_that_is_broken_inside_is_one_sentence(tmp_path):
    source, draw = tmp_path / "x.npz", np.random.default_rng(0)
    np.savez_compressed(source, x=draw.integers(0, 40, (200, 8, 8), dtype=np.uint8))
    broken = bytearray(source.read_bytes())
    broken[60:400] = bytes(draw.integers(0, 256, 340, dtype=np.uint8))  # of the deflated pixels
    source.write_bytes(broken)
    with pytest.raises(DataError, match="is cut off or broken") as caught:
        unpack(source, tmp_path)
    assert_one_sentence(caught.value)
