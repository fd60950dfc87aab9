"""Sets of training ids: against Python's own sets, and files and names that people get wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import forget_indices
from core.data.forget_selection import (
    MOST_UNDO,
    OPERATIONS,
    Selection,
    SelectionHistory,
    format_ids,
    invert,
    load_list,
    parse_ids,
    remove_list,
    require_known_ids,
    save_list,
    saved_lists,
)
from core.errors import DataError, RequestError
from core.runtime.storage import home

ORACLE = {
    "replace": lambda a, b: b,
    "add": lambda a, b: a | b,
    "subtract": lambda a, b: a - b,
    "intersect": lambda a, b: a & b,
}
small = st.sets(st.integers(0, 40))
moves = st.lists(st.tuples(st.sampled_from(OPERATIONS), small), max_size=30)


@given(small, st.sampled_from(OPERATIONS), small)
def test_operations_are_those_of_sets(a, operation, b):
    before = Selection(a)
    assert set(before.apply(operation, b)) == ORACLE[operation](a, b)
    assert set(before) == a
    assert before.apply(operation, list(b) * 2) == before.apply(operation, np.array(sorted(b), np.int64))


@given(small, small)
def test_equality_membership_and_order_are_those_of_sorted_sets(a, b):
    first, second = Selection(a), Selection(b)
    assert (first == second) == (a == b)
    assert first != second or hash(first) == hash(second)
    assert list(first) == sorted(a)
    assert [i in first for i in range(41)] == [i in a for i in range(41)]


def test_a_selection_cannot_be_changed():
    selection = Selection([1, 2])
    with pytest.raises(AttributeError):
        selection.ids = np.zeros(1)
    with pytest.raises(ValueError, match="read-only"):
        selection.ids[0] = 9


def test_an_unknown_operation_says_which_there_are():
    with pytest.raises(RequestError, match="replace, add, subtract, intersect"):
        Selection().apply("xor", [1])


@given(moves, st.lists(st.sampled_from(["undo", "redo"]), max_size=60))
def test_undo_and_redo_walk_along_all_states(made, walk):
    history, states = SelectionHistory(), [frozenset()]
    for operation, ids in made:
        history = history.do(operation, ids)
        after = frozenset(ORACLE[operation](states[-1], ids))
        if after != states[-1]:  # what changes nothing is no step
            states.append(after)
    place = len(states) - 1
    for way in walk:
        history = history.undo() if way == "undo" else history.redo()
        place = max(0, place - 1) if way == "undo" else min(len(states) - 1, place + 1)
        assert set(history.now) == states[place]
    assert len(history.past) == place
    assert len(history.future) == len(states) - 1 - place


def test_a_new_move_forgets_what_was_undone_and_the_past_is_bounded():
    history = SelectionHistory().do("add", [1]).do("add", [2]).undo().do("add", [3])
    assert set(history.now) == {1, 3}
    assert history.redo() is history
    for i in range(3 * MOST_UNDO):
        history = history.do("add", [100 + i])
    assert len(history.past) == MOST_UNDO


def test_counts_by_class_are_those_of_a_split(digits):
    ids = digits.train.ids[::7].tolist()
    split = forget_indices(digits, ids)
    counts = Selection(ids).by_class(digits)
    for c, count in enumerate(counts):
        assert count.picked == int((split.forget.y == c).sum())
        assert count.total == int((digits.train.y == c).sum())
    text = Selection(ids[:1]).describe(digits)
    assert text.startswith("1 of 1,437 images: 1 of class ")


def test_invert_picks_exactly_the_others(digits):
    ids = digits.train.ids.numpy()
    picked = Selection(ids[:5])
    assert set(invert(picked, ids)) == set(ids[5:].tolist())


# the file format


@given(st.sets(st.integers(0, 10**9), min_size=1, max_size=50), st.text(max_size=30))
def test_what_is_written_is_read_back(ids, title):
    assert parse_ids(format_ids(ids, title=title)) == tuple(sorted(ids))


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30)), min_size=1, max_size=20),
    st.lists(st.sampled_from([",", " ", "\n", ", ", "\t", " ; ", " # 77\n", "\r\n", "\n\n"]), min_size=20),
)
def test_ids_and_ranges_between_any_separators(parts, separators):
    words = [str(a) if span == 0 else f"{a}-{a + span}" for a, span in parts]
    text = "".join(w + s for w, s in zip(words, separators, strict=False))
    expected = set().union(*(range(a, a + span + 1) for a, span in parts))
    assert parse_ids(text) == tuple(sorted(expected))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_sentence(text):
    found, refused = (), None
    try:
        found = parse_ids(text, name="list.txt")
    except RequestError as error:
        refused = str(error)
    assert (refused is None) == bool(found)
    assert refused is None or ("list.txt" in refused and "\n" not in refused)
    assert list(found) == sorted(set(found))
    assert min(found, default=0) >= 0


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("1\n2\nx7\n", 3, "'x7' is no id"),
        ("1, 2,\n3-\n", 2, "'3-' is no id"),
        ("-5", 1, "'-5' is no id"),
        ("1\n\n# well\n9-4", 4, "runs backwards; write 4-9"),
        ("1.5", 1, "'1.5' is no id"),
        ("٣", 1, "is no id"),
        ("0-999999999999", 1, "more than 1,000,000 ids"),
        ("9" * 30, 1, "is no id"),
    ],
)
def test_an_error_names_the_line(text, line, says):
    with pytest.raises(RequestError, match=rf"line {line} of picks\.txt.*{re.escape(says)}"):
        parse_ids(text, name="picks.txt")


@pytest.mark.parametrize("text", ["", "  \n", "# only a comment", "\ufeff"])
def test_a_list_without_ids_is_refused(text):
    with pytest.raises(RequestError, match="holds no id"):
        parse_ids(text)


def test_ids_that_are_no_training_image_are_named(digits):
    inside, outside = digits.train.ids[:3].tolist(), digits.test.ids[:2].tolist()
    assert set(require_known_ids(inside, digits)) == set(inside)
    with pytest.raises(RequestError, match=rf"2 of the ids are no training image of Digits: {outside[0]}, "):
        require_known_ids(inside + outside, digits)


# lists on disk


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    return tmp_path


def test_lists_are_kept_under_their_names_for_their_dataset(own_home, digits):
    other = replace(digits, name="../odd name", title="Odd")
    save_list("ones", digits, Selection([3, 1]))
    save_list("Äpfel v1.2", digits, Selection([5]))
    save_list("ones", other, Selection([9]))
    assert [one.key for one in saved_lists(digits)] == ["ones", "Äpfel v1.2"]
    assert list(load_list("ones", digits)) == [1, 3]
    assert list(load_list("ones", other)) == [9]
    assert all(home() / "forget-sets" in p.parents for p in own_home.rglob("*.json"))
    save_list("ones", digits, Selection([4]))
    assert list(load_list("ones", digits)) == [4]
    remove_list("ones", digits)
    assert [one.key for one in saved_lists(digits)] == ["Äpfel v1.2"]
    for move in (load_list, remove_list):
        with pytest.raises(RequestError, match="no list called 'ones'"):
            move("ones", digits)


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", "../x", "a/b", "a\\b", ".hidden", "x" * 61, "a\0b", "a\nb", "dot.", "con", "LPT1.x"],
)
def test_a_name_that_is_no_file_name_is_refused(own_home, digits, name):
    with pytest.raises(RequestError, match="cannot be the name"):
        save_list(name, digits, Selection([1]))
    assert not list(own_home.rglob("*"))


@given(st.text(max_size=70))
def test_no_name_leads_out_of_the_folder(name):
    from core.data.forget_selection.list_files import _is_name

    if _is_name(name):
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert name.strip(". ") == name


def test_nothing_picked_is_not_kept(own_home, digits):
    with pytest.raises(RequestError, match="no image is selected"):
        save_list("empty", digits, Selection())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1}',
        b'{"format": 9, "ids": []}',
        b'{"format": 1, "ids": ["1"]}',
        b'{"format": 1, "ids": [true]}',
        b'{"format": 1, "ids": [99999999999999999999]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_broken_list_names_its_file_and_hurts_no_other(own_home, digits, content):
    save_list("good", digits, Selection([1]))
    path = save_list("bad", digits, Selection([1]))
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_list("bad", digits)
    assert list(load_list("good", digits)) == [1]
    assert json.loads((path.parent / "good.json").read_text())["dataset"] == "digits"
