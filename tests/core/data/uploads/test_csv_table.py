"""CSV files of vectors: header, labels, subjects, and each thing that can be wrong in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.registry import load
from core.data.uploads.store import keep
from core.errors import DataError
from tests.core.data.uploads.builders import assert_one_sentence, look

X = np.round(np.random.default_rng(3).normal(0, 5, (30, 3)), 3)
Y = [("red", "white", "rosé")[i % 3] for i in range(30)]


def table(x=X, y=Y, head="ash,hue,alcohol,class", mark=",", *, more=()) -> bytes:
    lines = [mark.join([*map(str, row), label]) for row, label in zip(x.tolist(), y, strict=True)]
    return "\n".join([*([head.replace(",", mark)] if head else []), *lines, *more]).encode()


def read(data: bytes, name="mine.csv"):
    return look(data, name)


def values(preview) -> np.ndarray:
    """Return the values that were given, in the order of the ids."""
    x = np.concatenate([preview.train.x.numpy(), preview.test.x.numpy()])
    ids = np.concatenate([preview.train.ids.numpy(), preview.test.ids.numpy()])
    return (x * np.array(preview.scale.std) + np.array(preview.scale.mean))[np.argsort(ids)]


def test_a_csv_gives_its_numbers_names_and_classes(own_home):
    found = read(table())
    assert found.title == "mine"
    assert found.features == ("ash", "hue", "alcohol")
    assert found.classes == ("red", "rosé", "white")
    np.testing.assert_allclose(values(found), X, atol=1e-4)
    assert found.counts == ((8, 2),) * 3
    assert "The labels are in the column “class”." in found.notes


def test_a_kept_csv_is_loaded_with_the_same_bits(own_home):
    found = read(table())
    data = load(keep(found))
    assert (data.kind, data.family, data.features) == ("vectors", "vectors", found.features)
    assert data.train.x.equal(found.train.x)
    assert data.scale == found.scale
    assert data.fingerprint == found.dataset().fingerprint
    assert read(table(2 * X)).key != found.key  # equal when standardised, and yet other data


@pytest.mark.parametrize(
    ("head", "y", "note"),
    [
        ("ash,hue,alcohol,quality", Y, "“quality”, the last, since none is called label, class or target"),
        ("", Y, "there is no header; the labels are in the last column"),
        ("", [str(i % 3) for i in range(30)], "there is no header; the labels are in the last column"),
    ],
)
def test_without_a_named_column_the_last_holds_the_labels_and_a_note_says_so(head, y, note, own_home):
    found = read(table(y=y, head=head))
    assert any(note in n for n in found.notes)
    np.testing.assert_allclose(values(found), X, atol=1e-4)


def test_numbers_as_labels_are_sorted_as_numbers_and_may_lie_in_any_column(own_home):
    y = [str((9, 10, 2)[i % 3]) for i in range(30)]
    lines = ["Target,a,b,c", *(f"{label},{a},{b},{c}" for label, (a, b, c) in zip(y, X, strict=True))]
    found = read("\n".join(lines).encode())
    assert found.classes == ("2", "9", "10")
    assert found.features == ("a", "b", "c")
    np.testing.assert_allclose(values(found), X, atol=1e-4)


def test_semicolons_with_decimal_commas_are_read(own_home):
    data = table(mark=";").decode().replace(".", ",").encode()
    np.testing.assert_allclose(values(read(data)), X, atol=1e-4)


def test_a_column_of_subjects_makes_subjects_and_a_column_of_numbers_of_rows_is_left_out(own_home):
    lines = [f"{i},{'Ann' if i % 4 else ''},{a},{b},{Y[i]}" for i, (a, b, _) in enumerate(X)]
    found = read("\n".join(["id,subject,a,b,label", *lines]).encode())
    assert found.subjects == ("Ann",)
    assert found.features == ("a", "b")
    shown = found.train.ids[found.subject_of == 0].tolist()
    assert shown == [i for i in found.train.ids.tolist() if i % 4]
    assert any("only numbers the rows: the column “id”" in n for n in found.notes)


WRONG = {
    "text": (table(more=["1,2,blue,red"]), "the text 'blue' in line 32, column “alcohol”"),
    "a missing value": (table(more=["1,,3,red"]), "a missing value in line 32, column “hue”"),
    "nan": (table(more=["1,NaN,3,red"]), "a missing value in line 32, column “hue”"),
    "infinity": (table(more=["inf,2,3,red"]), "an infinite value in line 32, column “ash”"),
    "digits in groups": (table(more=["1_000,2,3,red"]), "the text '1_000' in line 32"),
    "no label": (table(more=["1,2,3,"]), "no label in line 32, column “class”"),
    "a short line": (table(more=["1,2,red"]), "3 values in line 32 and 4 in its first"),
    "one column": (b"label\n" + b"a\nb\n" * 20, "one column only"),
    "labels alone": (b"id,label\n" + b"1,a\n2,b\n" * 20, "no column of numbers beside its labels"),
    "one class": (table(y=["red"] * 30), "one class only, 'red'"),
    "too few lines": (table(X[:10], Y[:10]), "10 vectors only; at least 20"),
    "a header alone": (b"a,b,label\n", "no lines below its header"),
    "nothing": (b"", "empty"),
    "constant columns": (table(np.ones((30, 3))), "only constant features"),
    "a measure as label": (table(y=[str(i / 7) for i in range(30)], head="a,b,c,d"), "30 different labels"),
    "no text": (table() + b"\xff\xfe", "no text in UTF-8"),
    "an open quote": (table() + b'\n"1,2,3,red', "no CSV that can be read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(what, own_home):
    data, says = WRONG[what]
    with pytest.raises(DataError) as error:
        read(data)
    assert says in str(error.value)
    assert str(error.value).startswith("mine.csv")
    assert_one_sentence(error.value)


def test_an_empty_last_column_is_left_out_as_such(own_home):
    found = read(("\n".join(line + "," for line in table().decode().splitlines())).encode())
    assert found.features == ("ash", "hue", "alcohol")
    assert "Left out, it has no name: the last column." in found.notes


def test_a_constant_column_is_left_out_and_named(own_home):
    x = np.column_stack([X[:, 0], np.full(30, 4.0), X[:, 2]])
    found = read(table(x))
    assert found.features == ("ash", "alcohol")
    assert any("the same in all training samples: feature “hue”." in n for n in found.notes)


def test_a_csv_above_the_limit_is_refused_before_it_is_read(own_home, monkeypatch):
    monkeypatch.setattr("core.data.uploads.reading.csv_table.CSV_BYTES", 100)
    with pytest.raises(DataError, match="save the numbers as an npz"):
        read(table())
