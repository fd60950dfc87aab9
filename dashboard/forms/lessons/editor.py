"""The editor for a lesson of one's own: a text that is checked as it changes, opened in this tab, and saved as a file."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from core.errors import LabError
from core.lessons import Lesson
from core.lessons.parser import MOST_BYTES, parse_lesson
from dashboard.presentation.text.lessons.check_words import in_words
from dashboard.presentation.text.pages import lessons as say
from dashboard.session.lab import Lab

NAME = "my-lesson"


def editor(lab: Lab) -> None:
    """Draw the editor. The text stays in this tab: other browsers see a lesson once its file is in the Lab's folder."""
    with st.expander(say.WRITE, key="lesson-editor"):
        st.caption(say.WRITE_NOTE)
        text = st.text_area(
            say.LESSON_TOML, say.EDITOR_EXAMPLE, height=420, max_chars=MOST_BYTES, key="lesson-source"
        )
        name = st.text_input(say.FILE_NAME, NAME, max_chars=60, key="lesson-file", help=say.FILE_NAME_HELP)
        lesson, problem = checked(text, name)
        if lesson is None:
            st.error(problem)
            return
        st.success(say.can_be_read(len(lesson.parts)))
        st.markdown(outline(lesson))
        left, right = st.columns(2, gap="small")
        left.button(
            say.TRY,
            key="lesson-try",
            on_click=lab.lesson_session.enter,
            args=(lesson,),
            width="stretch",
            help=say.TRY_HELP,
        )
        right.download_button(
            say.SAVE_FILE,
            text,
            f"{lesson.id}.toml",
            "application/toml",
            on_click="ignore",
            key="lesson-save",
            width="stretch",
            help=say.SAVE_FILE_HELP,
        )


def checked(text: str, name: str) -> tuple[Lesson | None, str]:
    """Return the lesson in ``text`` and "", or None and one sentence: what is wrong, and what would be right."""
    path = Path(f"{name.strip()}.toml")
    if path.name != str(path):
        return None, say.NO_FOLDER
    try:
        return parse_lesson(text.encode(), path), ""
    except LabError as error:
        told = re.sub(rf"^{re.escape(str(path))}:? ", "", str(error))
        return None, f"{told[:1].upper()}{told[1:]}."


def outline(lesson: Lesson) -> str:
    """Return the steps as a Markdown list, each with its check in words."""
    lines = []
    for number, part in enumerate(lesson.parts, 1):
        clauses = [] if part.check is None else part.check.verdict({}).clauses
        told = "; ".join(in_words(c.text) for c in clauses) or say.NO_CHECK
        lines.append(f"{number}. {_plain(part.title)}: {_plain(told)}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()#+!|~$<>])", r"\\\1", text)
