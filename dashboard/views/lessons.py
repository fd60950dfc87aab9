"""The page Lessons: guided tours beside the real Lab."""

from __future__ import annotations

import streamlit as st

from core.lessons.library import load_lessons
from dashboard.components.timeline import timeline
from dashboard.forms import hyperparameters, method, transport
from dashboard.forms.lessons.overview import overview
from dashboard.forms.lessons.panel import panel
from dashboard.presentation.text.pages import lessons as say
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.readouts.fact_line import fact_line
from dashboard.session import resources, tab_state
from dashboard.session.lab import Lab
from dashboard.views import lab as front

# Relative widths: the lesson's text, wider for a presenter, and the Lab beside it.
TEXT = {False: 1.0, True: 1.25}
BESIDE = 3.1


def page(lab: Lab) -> None:
    """Draw the page Lessons."""
    lessons, problems = load_lessons()
    lesson_session = lab.lesson_session
    lesson_session.arrive(tab_state.read_words(), lessons)
    if lesson_session.lesson is None:
        tab_state.write_address(lesson_session.link.words())
        overview(lab, lessons, problems)
        return
    lesson_session.go_on()
    tab_state.write_address({**lab.address(), **lesson_session.link.words()})
    text, stage = st.columns([TEXT[lesson_session.link.present], BESIDE], gap="small")
    with text:
        panel(lab)
    with stage:
        _bar(lab)
        timeline("timeline", lab.token, on_travel=lambda value: front.travelled(lab, value))
        front.stage(lab, [1.42 - 0.2 * lab.lesson_session.link.present, 1.08])
    front.follow(lab)


def _bar(lab: Lab) -> None:
    """Draw those of the Lab's controls that the lesson and the teacher's link allow."""
    link, part = lab.lesson_session.link, lab.lesson_session.part
    knobs = link.controls == "open" or (part is not None and part.knobs)
    buttons = link.controls != "hidden" or (part is not None and part.knobs)
    left, middle, facts = st.columns([6, 1.6, 2.75], gap="small", vertical_alignment="center")
    with left:
        if buttons:
            transport.transport(lab)
        else:
            st.caption(say.USE_BUTTONS)
    with middle:
        if knobs:
            hyperparameters.popover(lab)
    with facts:
        st.html(_facts(lab))


def _facts(lab: Lab) -> str:
    """Return the settings of the run in one line of HTML."""
    e = lab.experiment
    config = e.config if e.run is None else e.driven.config
    parts = [
        *method.settings(e.setup.method, config),
        ("seed", str(e.setup.seed)),
    ]
    return fact_line(parts, kind=nouns.kind_of(e.dataset))


if __name__ == "__main__":
    page(resources.lab())
