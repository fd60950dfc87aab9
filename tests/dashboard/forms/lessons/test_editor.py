"""The editor of lessons: its template is a lesson, and every mistake gives one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.forms.lessons.editor import NAME, checked, outline
from dashboard.presentation.text.pages.lessons import EDITOR_EXAMPLE as TEMPLATE


def test_the_template_is_a_lesson_and_its_outline_has_no_code():
    lesson, problem = checked(TEMPLATE, NAME)
    assert problem == ""
    assert lesson.id == NAME
    assert outline(lesson) == "1. Play it: the run: finished; τ: at least 100; forgotten, train: above 50 %"


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("", NAME, "title"),
        (TEMPLATE.replace("tau >= 100", "tauu >= 100"), NAME, "did you mean 'tau'"),
        (TEMPLATE.replace("goal", "gaol"), NAME, "goal"),
        (TEMPLATE, "My Lesson", "lower-case"),
        (TEMPLATE, "../lesson", "folder"),
        ("title = ", NAME, ""),
    ],
)
def test_a_mistake_is_one_sentence_without_the_file_s_name(text, name, told):
    lesson, problem = checked(text, name)
    assert lesson is None
    assert told in problem
    assert problem.endswith(".")
    assert "\n" not in problem
    assert f"{NAME}.toml" not in problem


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_and_no_name_fails(text, name):
    lesson, problem = checked(text, name)
    assert (lesson is None) == bool(problem)
