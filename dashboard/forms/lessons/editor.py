"""The editor for a lesson of one's own: a text that is checked as it changes, opened in this tab, and saved as a file."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from core.errors import LabError
from core.lessons import Lesson
from core.lessons.parser import MOST_BYTES, parse_lesson
from dashboard.presentation.text.lessons.check_words import in_words
from dashboard.session.lab import Lab

NAME = "my-lesson"
TEMPLATE = """\
title = "My lesson"
goal = "You can say what τ does."
minutes = 5

[setup]
dataset = "digits"
task = "class"
classes = [3]

[prediction]
question = "What happens to the threes with τ = 100?"
choices = ["They are forgotten", "They stay"]
answer = 2
why = "Divided by 100, the push is nearly constant."

[[steps]]
title = "Play it"
text = '''
Play with **τ = 100** and look at the last curve.
'''
do = { label = "Reset with τ 100, play", begin = { tau = 100 }, play = "end" }
check = 'phase == "done" and tau >= 100 and train_f > 0.5'

[summary]
text = "A large τ is too gentle."
"""


def editor(lab: Lab) -> None:
    """Draw the editor. The text stays in this tab: other browsers see a lesson once its file is in the Lab's folder."""
    with st.expander("Write a lesson", key="lesson-editor"):
        st.caption("The text is checked as you leave the field. docs/lessons.md explains every key.")
        text = st.text_area("Lesson (TOML)", TEMPLATE, height=420, max_chars=MOST_BYTES, key="lesson-source")
        name = st.text_input("File name", NAME, max_chars=60, key="lesson-file", help="Links contain it")
        lesson, problem = checked(text, name)
        if lesson is None:
            st.error(problem)
            return
        st.success(f"The lesson can be read: {len(lesson.parts)} steps.")
        st.markdown(outline(lesson))
        left, right = st.columns(2, gap="small")
        left.button(
            "Try it here",
            key="lesson-try",
            on_click=lab.lesson_session.enter,
            args=(lesson,),
            width="stretch",
            help="Opens the lesson in this tab",
        )
        right.download_button(
            "Save the file",
            text,
            f"{lesson.id}.toml",
            "application/toml",
            on_click="ignore",
            key="lesson-save",
            width="stretch",
            help="Put it into the folder lessons of LAF_HOME, or give it to `laf dashboard --lesson FILE`",
        )


def checked(text: str, name: str) -> tuple[Lesson | None, str]:
    """Return the lesson in ``text`` and "", or None and one sentence: what is wrong, and what would be right."""
    path = Path(f"{name.strip()}.toml")
    if path.name != str(path):
        return None, "The file name must not contain a folder; use lower-case letters, digits and dashes."
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
        told = "; ".join(in_words(c.text) for c in clauses) or "no check"
        lines.append(f"{number}. {_plain(part.title)}: {_plain(told)}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()#+!|~$<>])", r"\\\1", text)
