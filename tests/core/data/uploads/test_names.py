"""Names that users give are cleaned, and refused when they cannot be seen or told apart."""

from __future__ import annotations

import io

import numpy as np
import pytest

from core.data.forget_selection import Selection, save_list
from core.data.uploads.names import clean_name, clean_text, invisible_character
from core.data.uploads.store import inspect
from core.errors import DataError, RequestError
from core.runs.storage.index import note_run, rename_run
from tests.core.data.uploads.hostile import assert_one_sentence
from tests.uploads import classes, image, pack, read_here

NAMES = [  # as given, cleaned
    ("CON", "CON_"),
    ("nul", "nul_"),
    ("LPT1.txt", "LPT1_.txt"),
    ("cat ", "cat"),
    ("cat.", "cat"),
    ("cat. .", "cat"),
    ("a\u3164b", "ab"),
    ("\u3164", ""),
    ("\u200b\u2060", ""),
    ("\u202egnp.exe", "gnp.exe"),
    ("a\tb\nc", "a b c"),
    ("\u2800", ""),
    ("...", ""),
    ("\x00", ""),
    ("e\u0301", "é"),
    ("\u0301", ""),
    ("a" + "\u0335" * 50, "a" + "\u0335" * 3),
    ("\ud800x", "x"),
    ("x" * 60_000, "x" * 100),
    ("grüße", "grüße"),
    ("猫", "猫"),
    ("قطة", "قطة"),
    ("great white shark", "great white shark"),
]


@pytest.mark.parametrize(("given", "cleaned"), NAMES)
def test_names_are_cleaned(given, cleaned):
    assert clean_name(given) == cleaned
    assert clean_name(cleaned) == cleaned


def named(first: str, second: str = "dog") -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((20, 9, 9), np.uint8), y=np.arange(20) % 2, classes=np.array([first, second]))
    return file.getvalue()


@pytest.mark.parametrize("given", ["CON", "cat.", "a\u3164b", "x" * 60_000, "\u202ecat", "a\u200bb"])
def test_a_class_name_that_was_cleaned_is_told(given):
    found = inspect(named(given), name="mine.npz")
    assert found.classes == (clean_name(given), "dog")
    note = next(n for n in found.notes if "cleaned" in n)
    assert clean_name(given)[:20] in note
    assert_one_sentence(note)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("\u3164", "dog", "no visible character"),
        ("", "dog", "no visible character"),
        ("ｄｏｇ", "dog", "one name"),
        ("DOG", "dog", "one name"),
        ("do\u200bg", "dog", "one name"),
        ("dog.", "dog", "one name"),
        ("straße", "STRASSE", "one name"),
    ],
)
def test_class_names_that_are_empty_or_look_alike_are_refused(first, second, words):
    with pytest.raises(DataError, match=words) as caught:
        read_here(named(first, second), "mine.npz", lambda done, total: None)
    assert_one_sentence(str(caught.value))


def test_folders_have_their_names_cleaned_too():
    files = {f"{c}/{i}.png": image(seed=i) for c in ("CON", "a\u3164", "b ") for i in range(3)}
    found = read_here(pack(files), "mine.zip", lambda done, total: None)
    assert found.classes == ("CON_", "a", "b")
    assert any("CON_" in note for note in found.notes)
    files |= {f"a/{i}.png": image(seed=i) for i in range(3)}
    with pytest.raises(DataError, match="one name"):
        read_here(pack(files), "mine.zip", lambda done, total: None)


def test_titles_names_of_runs_and_of_lists_hold_what_can_be_seen(tmp_path, monkeypatch, toy_split):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    assert inspect(pack(classes()), name="\u202egpj.zip").title == "gpj"
    assert clean_text("x" * 60_000, 40) == "x" * 40
    assert invisible_character("two\nlines, a family 👩\u200d👧 and a heart ❤\ufe0f") == ""
    for text in ("a\u202eb", "\u3164", "a\u200bb", "\x07"):
        with pytest.raises(RequestError, match="cannot be seen"):
            rename_run("no-such-run", text)
        with pytest.raises(RequestError, match="cannot be seen"):
            note_run("no-such-run", text)
    with pytest.raises(RequestError, match="cannot be the name of a list"):
        save_list("a\u3164", toy_split.dataset, Selection((0,)))
