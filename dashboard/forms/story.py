"""The line at the top of the Lab: where a user is in the story, what to do next, and the way to the first lesson."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.lessons.library import load_lessons
from dashboard.presentation.story.moments import story
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.pages.lab import page as say
from dashboard.presentation.wire.frame_readings import wanted_references
from dashboard.session.lab import Lab


def story_line(lab: Lab) -> None:
    """Show the three moments with the present one marked, and the button that opens lesson 1."""
    e = lab.experiment
    now = story(e, 0 if e.run is None else wanted_references(e))
    kind = nouns.kind_of(e.dataset)
    moments = "".join(
        f"<li{' class=now aria-current=step' if k == now.at else ''}><i>{k + 1}</i>{escape(nouns.in_kind(title, kind))}</li>"
        for k, title in enumerate(now.titles)
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="story"):
        st.html(
            f"<div class='story'><ol>{moments}</ol><p role='status'>{escape(nouns.in_kind(now.hint, kind))}</p></div>",
            width="stretch",
        )
        if st.button(
            say.START_HERE,
            key="story-lesson",
            help=say.START_HERE_HELP,
        ):
            lessons, _ = load_lessons()
            if lessons:
                lab.lesson_session.enter(lessons[0])
            st.switch_page("views/lessons.py")
