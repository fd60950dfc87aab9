"""Mapped pixels have the bits of the same pixels in memory, and leave memory again."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import mapped
from core.data.images import LabelledImages, Norm
from core.errors import StoreError

X = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)


@pytest.fixture
def on_disk(tmp_path, monkeypatch) -> torch.Tensor:
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    np.save(tmp_path / "x.npy", X)
    return mapped.map_pixels(tmp_path / "x.npy")


def test_a_mapped_tensor_and_its_views_are_known_until_they_are_gone(on_disk):
    assert mapped.is_mapped(on_disk)
    assert mapped.is_mapped(on_disk[10:20, :1])
    assert not mapped.is_mapped(on_disk.clone())
    view = on_disk[5:]
    del on_disk
    gc.collect()
    assert mapped.is_mapped(view)


def test_blocks_are_all_rows_in_order(on_disk):
    parts = list(mapped.blocks(on_disk, most=7 * 3 * 64))
    assert [len(p) for p in parts] == [7] * 8 + [4]
    assert torch.equal(torch.cat(parts), torch.from_numpy(X))


@pytest.mark.parametrize("rows", [[], [5, 3, -1, 59], [True, False] * 30])
@pytest.mark.parametrize("view", [slice(None), slice(20, None)])
def test_rows_are_read_from_the_file_as_indexing_gives_them(on_disk, rows, view):
    rows = torch.tensor(rows, dtype=torch.bool if rows[:1] == [True] else torch.int64)
    x = on_disk[view]
    rows = rows[: len(x)] if rows.dtype == torch.bool else rows % len(x)
    assert torch.equal(mapped.rows_of(x, rows), torch.from_numpy(X)[view][rows])
    assert torch.equal(mapped.rows_of(x[:, :1], rows), torch.from_numpy(X)[view, :1][rows])
    with pytest.raises(IndexError):
        mapped.rows_of(x, torch.tensor([60]))


@pytest.mark.parametrize("in_memory", [0, 10**6])
@pytest.mark.parametrize("rows", [torch.tensor([5, 3, 3, 59]), torch.arange(60) % 3 == 0, torch.arange(60)])
def test_a_part_has_the_bits_of_the_part_in_memory(on_disk, rows, in_memory, monkeypatch):
    monkeypatch.setattr(mapped, "IN_MEMORY", in_memory)
    monkeypatch.setattr(mapped, "BLOCK", 1000)
    taken = mapped.take(on_disk, rows)
    assert torch.equal(taken, torch.from_numpy(X)[rows])
    assert mapped.is_mapped(taken) == (in_memory == 0 or len(taken) == 60)


@pytest.mark.parametrize("in_memory", [0, 10**6])
def test_changed_rows_are_in_a_copy_and_the_file_stays_as_it_is(on_disk, in_memory, monkeypatch):
    monkeypatch.setattr(mapped, "IN_MEMORY", in_memory)
    monkeypatch.setattr(mapped, "BLOCK", 1000)
    rows = torch.tensor([0, 7, 59])
    now = mapped.changed(on_disk, rows, lambda some: 255 - some)
    expected = X.copy()
    expected[[0, 7, 59]] = 255 - X[[0, 7, 59]]
    assert torch.equal(now, torch.from_numpy(expected))
    assert mapped.is_mapped(now) == (in_memory == 0)
    assert torch.equal(on_disk, torch.from_numpy(X))


def test_a_large_part_that_the_disk_cannot_hold_is_one_sentence(on_disk, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    monkeypatch.setattr(mapped.tempfile, "TemporaryFile", full)
    with pytest.raises(StoreError, match=r"GB of images cannot be written to .* free space there"):
        mapped.take(on_disk, torch.arange(30))


def test_images_normalised_from_disk_have_the_bits_of_images_in_memory(on_disk, monkeypatch):
    monkeypatch.setattr(mapped, "BUDGET", 1)  # released after each reading
    monkeypatch.setattr(mapped, "BLOCK", 1000)
    y, ids = torch.arange(60) % 4, torch.arange(60)
    inside = LabelledImages(torch.from_numpy(X), ids, 255, y)
    outside = LabelledImages(on_disk, ids, 255, y)
    assert Norm.of(outside.x) == Norm.of(inside.x)
    inside, outside = (replace(i, norm=Norm.of(i.x)) for i in (inside, outside))
    rows = torch.tensor([4, 59, 4, 0])
    assert torch.equal(outside.floats(rows), inside.floats(rows))
    assert torch.equal(outside.take(rows).floats(slice(1, 3)), inside.take(rows).floats(slice(1, 3)))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_pages_that_were_read_leave_memory(tmp_path):
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (20_000, 1, 32, 32))[:] = 7
    x = mapped.map_pixels(tmp_path / "x.npy")

    def resident() -> int:
        """Return the pages of the file in this process."""
        found = 0
        inside = False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if "-" in line.split()[0]:
                inside = str(tmp_path / "x.npy") in line
            elif inside and line.startswith("Rss:"):
                found += int(line.split()[1]) * 1024
        return found

    assert int(x.sum(dtype=torch.int64)) == 7 * x.numel()
    assert resident() > 19 * 2**20
    for part in mapped.blocks(x, most=2**20):
        assert bool((part == 7).all())
    assert resident() < 2**22


def test_a_file_that_is_no_array_of_bytes_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.int16))
    with pytest.raises(ValueError, match="no array of uint8"):
        mapped.map_pixels(tmp_path / "x.npy")


def test_mapped_images_and_their_copies_count_as_memory_up_to_a_bound(on_disk, monkeypatch):
    assert mapped.memory_bytes(torch.from_numpy(X), 3) == 3 * X.nbytes
    assert mapped.memory_bytes(on_disk, 3) == X.nbytes
    monkeypatch.setattr(mapped, "IN_MEMORY", 100)
    assert mapped.memory_bytes(on_disk, 3) == 100
