"""Mutated archives, and the real zip of CIFAR-10."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core import load
from core.data.uploads.store import keep, load_uploaded
from core.errors import LabError
from tests.core.data.uploads.builders import (
    assert_one_sentence,
    halves,
    labels,
    look,
    npz,
    pixels,
    raw_npz,
    tree,
)
from tests.uploads import member, pack

pytestmark = pytest.mark.usefixtures("own_home")


REAL = Path(
    os.environ.get("LAF_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"), "cifar10-small.zip"
)


SEEDS = [
    pack(halves()),
    pack(tree(3, mode="L"), zipfile.ZIP_STORED),
    npz(x=pixels(8), y=labels(8)),
    raw_npz(x=member(pixels(8)), y=member(labels(8)), classes=member(np.array(["a", "b"]))),
]


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
        data = load_uploaded(keep(found))
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
