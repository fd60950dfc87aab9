"""The request behind a record: words that can be printed, subjects of a CSV, and what became of their images."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RequestError
from core.experiments.audit_request import LONGEST, DeletionRequest, parse_subjects, subject_results
from core.models.base import outputs
from core.runs.reference_models import references

NAMES = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=20)


@given(st.dictionaries(st.integers(0, 10**9), NAMES, min_size=1, max_size=20))
def test_any_csv_of_ids_and_subjects_is_read_back(subject_of):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["subject", "note", "id"])
    writer.writerows([name, "", image] for image, name in subject_of.items())
    found = parse_subjects(out.getvalue(), "request.csv")
    assert {i: name for name, ids in found.items() for i in ids} == subject_of


def test_semicolons_and_a_header_in_capitals_are_read():
    assert parse_subjects("ID;Subject\r\n3;Ann\r\n5;Bob, Jr\r\n", "r.csv") == {"Ann": (3,), "Bob, Jr": (5,)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "header line"),
        ("id,name\n1,a\n", "id and subject"),
        ("id,subject\n", "names no image"),
        ("id,subject\n1\n", "too few values in line 2"),
        ("id,subject\n-1,a\n", "'-1' in line 2"),
        ("id,subject\n\nx,a\n", "'x' in line 3"),
        ("id,subject\n1,\n", "no subject in line 2"),
        ("id,subject\n1,a\n1,b\n", "a second subject in line 3"),
        (f"id,subject\n1,{'a' * (LONGEST + 1)}\n", "no subject in line 2"),
    ],
)
def test_another_csv_is_refused_with_the_line(text, said):
    with pytest.raises(RequestError, match=said) as caught:
        parse_subjects(text, "request.csv")
    assert "request.csv" in str(caught.value)


@given(st.text(max_size=300))
def test_a_text_that_cannot_be_printed_in_a_line_is_refused(text):
    if len(text) <= LONGEST and text.isprintable():
        assert DeletionRequest(requester=text).requester == text
        return
    with pytest.raises(RequestError, match="one line"):
        DeletionRequest(requester=text)


def test_without_a_number_one_follows_from_data_and_ids(toy_split):
    listed = DeletionRequest(received="2026-01-31").listed(toy_split)
    assert listed["received"] == "2026-01-31"
    assert listed["requester"] == "not stated"
    assert listed["reference number"] == DeletionRequest().listed(toy_split)["reference number"]
    assert DeletionRequest(number="7/26").listed(toy_split)["reference number"] == "7/26"


def test_each_subject_has_its_images_counted_by_the_models(toy_split, toy_model):
    known = references(toy_split, toy_model, count=2, seed=0)
    ids = toy_split.train.ids[toy_split.forget_rows].tolist()
    kept = int(toy_split.train.ids[toy_split.remain_rows[0]])
    found = subject_results(toy_split, toy_model, known, {"a": ids[:7], "b": [ids[9], kept], "c": [kept]})
    assert [(s.name, s.images) for s in found] == [("a", 7), ("b", 1)]
    images = toy_split.train.take(toy_split.forget_rows[:7])
    right = [
        int((outputs(m, images).predictions == images.y).sum())
        for m in (toy_model, *(k.model for k in known))
    ]
    assert (found[0].recognised, *found[0].retrained) == tuple(right)
    assert found[0].sentence.startswith(f"{right[0]} of 7 images")
