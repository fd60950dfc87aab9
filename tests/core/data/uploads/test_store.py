"""Uploaded datasets are kept whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from core import load
from core.data.registry import source
from core.data.uploads.store import keep, kept, remove, rename
from core.errors import DataError, RequestError
from core.runtime.storage import home
from tests.core.data.uploads.builders import assert_one_sentence, look, tree
from tests.uploads import pack

pytestmark = pytest.mark.usefixtures("own_home")


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


def test_load_tells_what_was_left_out_and_under_which_title_the_same_data_are_kept(own_home, tmp_path):
    files = tree() | {"cat/notes.txt": b"hi"}
    told = {}
    for name in ("first", "second"):
        (tmp_path / f"{name}.zip").write_bytes(pack(files))
        load(tmp_path / f"{name}.zip", note=told.setdefault(name, []).append)
    assert "Left out, no image: cat/notes.txt." in told["first"]
    assert told["second"] == [*told["first"], "The same data are kept already, as “first”."]


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
    assert [p.name for p in (home() / "datasets").iterdir()] == [other]


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
        "Path.rename = lambda *a: os.kill(os.getpid(), 9)\n"
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
