"""State files are whole or missing, never pickles, and unreadable ones are refused in one sentence."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from core.errors import DataError
from core.runtime import content_cache
from core.runtime.content_cache import ContentCache, content_key
from core.runtime.storage import FORMAT, home, load_state, save_state

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
tensors = st.builds(
    lambda shape, dtype: (
        torch.arange(max(1, torch.Size(shape).numel()))[: torch.Size(shape).numel()].reshape(shape).to(dtype)
    ),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(DTYPES),
)
keys = (
    st.text(max_size=6)
    | st.integers(0, 9)
    | st.sampled_from(["$tensor", "$dict", "a/b", "a", "b", "__metadata__"])
)
states = st.dictionaries(
    keys,
    st.recursive(
        plain | tensors,
        lambda s: st.lists(s, max_size=3) | st.dictionaries(keys, s, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and list(a) == list(b)
            and [*map(type, a)] == [*map(type, b)]
            and all(equal(a[k], b[k]) for k in a)
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=80, deadline=None)
@given(state=states)
def test_what_is_saved_is_loaded(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "round-trip.safetensors"
    save_state(path, state)
    assert equal(state, load_state(path))


def test_keys_that_look_alike_keep_their_own_tensors(tmp_path):
    one, two, three, four = (torch.full((2,), float(i)) for i in range(4))
    state = {"a": {"b": one}, "a/b": two, 1: three, "1": four}
    save_state(tmp_path / "s", state)
    assert equal(state, load_state(tmp_path / "s"))


def test_views_and_a_tensor_that_occurs_twice_are_saved(tmp_path):
    t = torch.arange(12.0).reshape(3, 4)
    state = {"t": t, "again": t, "view": t[1:], "turned": t.T}
    save_state(tmp_path / "s", state)
    assert equal(state, load_state(tmp_path / "s"))


def test_numbers_that_are_none_survive(tmp_path):
    save_state(tmp_path / "s", {"nan": float("nan"), "inf": float("inf"), "t": torch.tensor([torch.nan])})
    back = load_state(tmp_path / "s")
    assert str(back["nan"]) == "nan"
    assert back["inf"] == float("inf")
    assert back["t"].isnan().all()


def fail(code):
    def raising(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return raising


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "full; free some space"), (errno.EACCES, "cannot be written")]
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_half_written(
    tmp_path, monkeypatch, where, code, words
):
    path = tmp_path / "s"
    save_state(path, {"old": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os if where == "fsync" else Path, where, fail(code))
        with pytest.raises(DataError, match=words) as caught:
            save_state(path, {"new": 2})
    assert str(tmp_path) in str(caught.value)
    assert load_state(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_state(tmp_path / "file" / "s", {})


def good() -> bytes:
    return save(
        {"/t": torch.ones(50)},
        metadata={"laf": json.dumps({"format": FORMAT, "state": {"$dict": [["t", {"$tensor": "/t"}]]}})},
    )


def headed(header) -> bytes:
    return save(
        {"/t": torch.ones(2)}, metadata={"laf": header if isinstance(header, str) else json.dumps(header)}
    )


BROKEN = {
    "empty": b"",
    "cut off": good()[:-20],
    "cut in its header": good()[:30],
    "scrambled": bytes(255 - b for b in good()),
    "text": b"hello\n" * 50,
    "a pickle": pickle.dumps({"a": torch.ones(2).numpy()}),
    "a foreign safetensors file": save({"w": torch.ones(2)}),
    "a foreign safetensors file with metadata": save({"w": torch.ones(2)}, metadata={"format": "pt"}),
    "no json": headed("{"),
    "no format": headed({"state": {}}),
    "a list": headed([1]),
    "a word as format": headed({"format": "one", "state": {"$dict": []}}),
    "a lost tensor": headed({"format": 1, "state": {"$dict": [["a", {"$tensor": "/lost"}]]}}),
    "no state": headed({"format": 1}),
    "a state that is nothing": headed({"format": 1, "state": None}),
    "a state that is a number": headed({"format": 1, "state": 3}),
    "pairs that are none": headed({"format": 1, "state": {"$dict": [1]}}),
    "a key that is a list": headed({"format": 1, "state": {"$dict": [[["k"], 1]]}}),
    "very deep": headed("[" * 20_000),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_one_sentence_that_names_it(tmp_path, data):
    path = tmp_path / "the-file"
    path.write_bytes(data)
    with pytest.raises(DataError, match="the-file") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)


def test_a_newer_file_says_what_to_do(tmp_path):
    (tmp_path / "s").write_bytes(headed({"format": FORMAT + 1, "state": {"$dict": []}}))
    with pytest.raises(DataError, match=r"newer version.*update"):
        load_state(tmp_path / "s")


@pytest.mark.parametrize("name", ["missing", "a-folder"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(DataError, match=name):
        load_state(tmp_path / name)


def test_home_is_where_laf_home_says(monkeypatch, tmp_path):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAF_HOME", "~/lab")
    assert home() == tmp_path / "lab"
    monkeypatch.delenv("LAF_HOME")
    assert home().name == "laf-lab"


# the shelf


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    return tmp_path


def test_the_shelf_keeps_on_disk_what_memory_lets_go(own_home):
    kept = ContentCache("things", most=2)
    for i in range(5):
        kept.put(f"k{i}", {"i": i, "t": torch.full((2,), i)})
    assert [kept.get(f"k{i}")["i"] for i in range(5)] == list(range(5))
    assert ContentCache("things").get("k3")["t"].tolist() == [3, 3]
    assert kept.get("never") is None


def test_the_shelf_survives_a_corrupt_file_and_hurts_no_other(own_home):
    first = ContentCache("things")
    first.put("a", {"v": 1})
    first.put("b", {"v": 2})
    next((own_home / "things").glob("a*")).write_bytes(b"junk")
    fresh = ContentCache("things")
    assert fresh.get("a") is None
    assert fresh.get("b") == {"v": 2}
    fresh.put("a", {"v": 3})
    assert ContentCache("things").get("a") == {"v": 3}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_the_shelf_survives_a_disk_that_cannot_be_written(own_home, monkeypatch, code):
    monkeypatch.setattr("os.fsync", fail(code))
    kept = ContentCache("things")
    kept.put("a", {"v": 1})
    assert kept.get("a") == {"v": 1}
    assert ContentCache("things").get("a") is None


def test_the_shelf_survives_a_home_that_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    kept = ContentCache("things")
    assert kept.get("a") is None
    kept.put("a", {"v": 1})
    assert kept.get("a") == {"v": 1}


def test_a_key_depends_on_every_part_and_on_the_version(monkeypatch):
    parts = [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("a", 1, None),
        ("a", torch.ones(2)),
        ("a", torch.zeros(2)),
        ({"x": 1, "y": 2},),
    ]
    found = {content_key(*p) for p in parts}
    assert len(found) == len(parts)
    assert content_key({"y": 2, "x": 1}) == content_key({"x": 1, "y": 2})
    before = content_key("a")
    monkeypatch.setattr(content_cache, "VERSION", content_cache.VERSION + 1)
    assert content_key("a") != before
