"""Datasets that stay on disk: the same results as in memory, kept whole or not at all, and images deleted for good."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch

from core import LAF, LAFConfig, Run, TrainConfig, evaluate, forget_classes, load, train
from core.config import replace
from core.data import mapped
from core.data.images import LabelledImages
from core.data.uploads import folder_store, store
from core.errors import DataError, RequestError, StoreError
from core.methods.retrain import Retrain
from tests.core.data.uploads.builders import labels, npz, pixels

pytestmark = pytest.mark.usefixtures("own_home")
PATTERNS = pixels(4, seed=3, shape=(4, 8, 8))  # one for each class


@pytest.fixture
def folder(tmp_path):
    y = labels(120, 4)
    x = (PATTERNS[y] // 2 + pixels(120, 8) // 2).astype(np.uint8)
    (tmp_path / "faces").mkdir()
    np.save(tmp_path / "faces" / "images.npy", x)
    np.save(tmp_path / "faces" / "labels.npy", y)
    return tmp_path / "faces"


def results(dataset) -> list[torch.Tensor]:
    """Return weights and answers of everything that a run does with the images of ``dataset``."""
    split = forget_classes(dataset, [1])
    model = train(split, config=TrainConfig("digits-cnn", epochs=2, batch_size=32, lr=3e-3))
    config = LAFConfig.preset("digits", "class")
    run = Run(LAF(replace(config, steps=4, vae=replace(config.vae, epochs=2))), model, split)
    again = Run(Retrain(), model, split)
    for one in (run, again):
        while one.advance():
            pass
    found = [t for m in (model, run.result, again.result) for t in m.state_dict().values()]
    report = evaluate(run.result, split, references=[again.result])
    numbers = [report.train_r, report.train_f, report.test, report.js or 0.0]
    return [*found, report.forget_probabilities, torch.tensor(numbers)]


def test_images_on_disk_give_the_bits_of_the_same_images_in_memory(folder, own_home, monkeypatch):
    for name, value in (
        ("BUDGET", 1),
        ("BLOCK", 200),
        ("IN_MEMORY", 500),
    ):  # released and written in small pieces
        monkeypatch.setattr(mapped, name, value)
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("images", "labels")}
    inside = store.inspect(npz(**arrays), name="faces.npz").dataset()
    outside = load(folder)
    assert mapped.is_mapped(outside.train.x)
    assert not mapped.is_mapped(inside.train.x)
    assert outside.fingerprint == inside.fingerprint
    assert outside.name == inside.name
    for a, b in zip(results(inside), results(outside), strict=True):
        assert torch.equal(a, b)


def test_a_kept_folder_is_read_again_without_the_folder_and_kept_once(folder, own_home):
    dataset = load(folder)
    assert load(folder / "images.npy").name == dataset.name
    shutil.rmtree(folder)
    again = store.read_uploaded(dataset.name)
    assert again.title == "faces"
    assert torch.equal(again.train.x, dataset.train.x)
    assert torch.equal(again.test.ids, dataset.test.ids)
    assert [d.key for d in store.kept()] == [dataset.name]
    files = (own_home / "datasets" / dataset.name).iterdir()
    assert os.name == "nt" or {path.stat().st_mode & 0o777 for path in files} == {0o600}


@pytest.mark.parametrize("channels", [1, 3])
def test_deleted_images_leave_the_disk_and_the_others_keep_their_ids(folder, channels, own_home):
    x = np.repeat(np.load(folder / "images.npy")[..., None], channels, 3)
    x[..., 0] += 1
    np.save(folder / "images.npy", x)
    before = load(folder)
    gone = [int(before.train.ids[3]), int(before.test.ids[0])]
    held = [before.train.x[3].numpy().tobytes(), before.test.x[0].numpy().tobytes()]
    store.remove_images(before.name, gone)
    after = store.read_uploaded(before.name)
    for old, new in ((before.train, after.train), (before.test, after.test)):
        stays = ~torch.isin(old.ids, torch.tensor(gone))
        assert torch.equal(new.ids, old.ids[stays])
        assert torch.equal(new.x, old.x[stays])
        assert isinstance(new, LabelledImages)
    files = [p.read_bytes() for p in (own_home / "datasets" / before.name).iterdir()]
    assert not any(pixels in data for data in files for pixels in held)
    assert len(files) == 3
    store.remove(before.name)


def test_a_large_npz_is_unpacked_and_stays_on_disk(folder, tmp_path, monkeypatch):
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("images", "labels")}
    file = tmp_path / "My faces.npz"
    file.write_bytes(npz(**arrays))
    monkeypatch.setattr(store, "UPLOAD_BYTES", 100)
    dataset = load(file)
    assert mapped.is_mapped(dataset.train.x)
    assert dataset.title == "My faces"
    assert dataset.fingerprint == load(folder).fingerprint
    assert [p.name for p in (tmp_path / "home" / "datasets").iterdir()] == [dataset.name]
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(DataError, match="cut off or broken"):
        load(file)


def test_a_folder_that_cannot_be_kept_is_one_sentence(folder, own_home, monkeypatch):
    with pytest.raises(RequestError, match=r"there is no folder .* name one with images.npy"):
        store.keep_folder(folder / "none")
    monkeypatch.setattr(folder_store.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 10))
    with pytest.raises(StoreError, match="GB free; free space there"):
        load(folder)
    assert not list((own_home / "datasets").iterdir())


def test_pixels_that_were_cut_off_are_told_apart_from_a_whole_dataset(folder, own_home):
    key = load(folder).name
    path = own_home / "datasets" / key / "pixels.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="is broken; remove it and upload the data again"):
        store.read_uploaded(key)
    store.keep_folder(folder)  # replaces the damaged files
    assert len(store.read_uploaded(key).train) == 96
