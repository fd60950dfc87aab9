"""The CSV that names the subject of each image."""

from __future__ import annotations

import pytest

from core.data.uploads.store import keep, load_uploaded
from core.errors import LabError
from dashboard.forms.forget.selection import subject_label
from tests.core.data.uploads.builders import assert_one_sentence, csv_of, halves, labels, look, npz, pixels
from tests.uploads import pack

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.mark.parametrize("lead", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_csv_says_who_is_on_which_image(lead):
    table = csv_of(
        f"{lead}File;Age;Subject",
        "train/cat/0.png;3;Ann",
        "train/dog/1.png;4;Bob",
        "train/cat/2.png;;Ann",
        "test/cat/0.png;;Ann",
        "",
    )
    found = look(pack(halves()), subjects=table)
    assert found.subjects == ("Ann", "Bob")
    assert found.subject_of.tolist() == [0, -1, 0, -1, -1, 1, -1, -1]
    assert found.test_subject_of.tolist() == [0, -1, -1, -1]
    assert any("Ann: 1 of 3" in note and "Bob" not in note for note in found.notes)
    data = load_uploaded(keep(found))
    assert (data.subjects, data.subject_of.tolist()) == (found.subjects, found.subject_of.tolist())
    assert data.test_subject_of.tolist() == found.test_subject_of.tolist()
    assert [data.counts_of(s) for s in (0, 1)] == [(2, 1), (1, 0)]
    assert [subject_label(data, s) for s in (0, 1)] == ["Ann (2, and 1 in the test set)", "Bob (1)"]
    assert found.key != look(pack(halves())).key


def test_rows_of_an_npz_have_subjects_by_their_id():
    table = csv_of("id,subject", *(f"{i},p{i % 3}" for i in range(20)))
    found = look(npz(x=pixels(), y=labels()), "n.npz", subjects=table)
    assert [found.subjects[s] for s in found.subject_of] == [f"p{i % 3}" for i in found.train.ids.tolist()]


def test_a_file_that_was_left_out_may_have_a_subject():
    files = halves() | {"train/cat/x.txt": b"hello"}
    assert look(
        pack(files), subjects=csv_of("file,subject", "train/cat/x.txt,Ann", "train/cat/0.png,Bob")
    ).subjects == ("Bob",)


BAD_CSV = {
    "no header": (b"train/cat/0.png,Ann\n", "below its header"),
    "another header": (b"image,person\na,b\n", "header line with file and subject"),
    "empty": (b"", "below its header"),
    "binary": (b"\xff\xfe\x00file", "UTF-8"),
    "an open quote": (b'file,subject\n"train/cat/0.png,Ann\n', "no CSV"),
    "too few values": (b"file,subject\ntrain/cat/0.png\n", "line 2"),
    "an unknown file": (b"file,subject\ntrain/cat/77.png,Ann\n", "train/cat/77.png.*line 2"),
    "two subjects for one": (
        b"file,subject\ntrain/cat/0.png,Ann\ntrain/cat/0.png,Bob\n",
        "second subject in line 3",
    ),
    "ids for files": (b"id,subject\n99,Ann\n", "'99' in line 2"),
    "nobody in training": (b"file,subject\ntest/cat/0.png,Ann\n", "no training image"),
    "no subject": (b"file,subject\ntrain/cat/0.png,\n", "no training image"),
    "a NUL": (b"file,subject\ntrain/cat/0.png,A\0nn\n", "CSV|cannot be seen"),
    "too large": (b"file,subject\n" + b"x" * (20 * 2**20), "20 MB"),
    "too many lines": (b"file,subject\n" + b"a\n" * 500_000, "400,000 lines"),
    "a line too long": (b"file,subject\n" + b"," * 500_000, "10,000 bytes"),
}


@pytest.mark.parametrize(("table", "words"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_is_one_sentence(table, words):
    with pytest.raises(LabError, match=words) as caught:
        look(pack(halves()), subjects=table)
    assert_one_sentence(caught.value)
    assert "CSV" in str(caught.value)
