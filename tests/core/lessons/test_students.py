"""The student that a browser keeps: read back as written, and never an error for a broken file."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.lessons.assessment.students import MOST_NAME, MOST_NUMBER, read_student, write_student
from core.lessons.assessment.submission import Student

BROWSER = "ab" * 16
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT.filter(lambda t: len(t) <= MOST_NAME), TEXT.filter(lambda t: len(t) <= MOST_NUMBER))
def test_a_student_is_read_as_written_and_without_name_and_number_nothing_is_kept(home, name, number):
    write_student(BROWSER, Student(name, number, "2b"))
    assert read_student(BROWSER, "3c") == Student(name, number, "3c")
    assert (home / "lessons" / "students" / f"{BROWSER}.json").exists() == bool(name or number)
    assert read_student("cd" * 16) == Student("", "", "")


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '{"name": 3, "number": "1"}', '{"name": "x"}', "\xff"]
)
def test_a_file_that_cannot_be_read_is_no_student(home, text):
    path = home / "lessons" / "students" / f"{BROWSER}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1"))
    assert read_student(BROWSER) == Student("", "", "")


def test_texts_that_are_too_long_are_cut_and_a_path_is_no_browser(home):
    path = home / "lessons" / "students" / f"{BROWSER}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": "x" * 500, "number": "y" * 500}))
    assert read_student(BROWSER) == Student("x" * MOST_NAME, "y" * MOST_NUMBER, "")
    with pytest.raises(DataError):
        write_student("../x", Student("a", "b", ""))
