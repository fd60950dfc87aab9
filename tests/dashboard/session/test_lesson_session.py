"""A tab's lesson over a reload: the student's name and number are there again."""

from __future__ import annotations

import pytest

from core.lessons.assessment.submission import seed_of
from core.lessons.library import SHIPPED
from core.lessons.parser import read_lessons
from dashboard.session.lesson_session import LessonSession

TOKEN = "c" * 32


@pytest.fixture
def arrive(tmp_path, monkeypatch):
    """Open the page in a tab of one browser, with these parameters in its address."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path))

    def open_tab(address):
        made = LessonSession(lambda: None, lambda setup: None, TOKEN)
        made.arrive(address, [])
        return made

    return open_tab


def test_name_and_number_survive_a_reload_whether_or_not_the_address_has_the_number(arrive):
    first = arrive({})
    assert (first.who.name, first.seed) == ("", 0)
    first.called(" Ada ", "k-17")
    for address in (first.link.words(), {}):
        again = arrive(address)
        assert (again.who.name, again.who.number, again.seed) == ("Ada", "k-17", seed_of("k-17"))
        assert again.link.words() == {"student": "k-17"}


def test_another_number_in_the_address_is_another_student_without_the_name(arrive):
    arrive({}).called("Ada", "k-17")
    other = arrive({"student": "k-18", "class": "2b"})
    assert (other.who.name, other.who.number, other.who.group) == ("", "k-18", "2b")
    assert arrive({}).who.name == "Ada"  # a link that was only opened changes nothing


def test_the_next_lesson_is_the_one_after_in_the_list_and_none_after_the_last(arrive):
    lessons = read_lessons([SHIPPED])[0]
    session = arrive({})
    session.arrive({}, lessons)
    session.lessons = lessons
    assert session.following is None  # no lesson is open
    for lesson, after in zip(lessons, [*lessons[1:], None], strict=True):
        session.lesson = lesson
        assert session.following is after
