"""The page without a lesson: all lessons, the student's name and number, and links and exports for teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from core.errors import RequestError
from core.lessons import Lesson
from core.lessons.assessment.progress import Progress, finished, parse_class, read_progress, score
from core.runtime.ownership import owner
from dashboard.forms.lessons.editor import editor
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages import lessons as say
from dashboard.presentation.text.readouts.status_text import as_text
from dashboard.session.jobs.lesson_export import LessonExportJob
from dashboard.session.lab import Lab
from dashboard.session.lesson_session import CONTROLS, LessonLink

POLL_S = 1.0

SAID = {
    "open": say.OPEN_CONTROLS,
    "fixed": say.FIXED_CONTROLS,
    "hidden": say.HIDDEN_CONTROLS,
}


def overview(lab: Lab, lessons: Sequence[Lesson], problems: Sequence[str]) -> None:
    """Show the page without a lesson."""
    lesson_session = lab.lesson_session
    if lesson_session.problem:
        st.warning(as_text(lesson_session.problem))
    for problem in problems:
        st.warning(say.left_out(problem))
    left, right = st.columns([2.1, 1], gap="medium")
    with left:
        _score(lab, lessons)
        for first in range(0, len(lessons), 2):  # row by row, so that a phone shows them in their order
            for column, lesson in zip(st.columns(2, gap="small"), lessons[first : first + 2], strict=False):
                with column:
                    _card(lab, lesson)
    with right:
        _who(lab)
        _teacher(lab, lessons)
        editor(lab)


def _score(lab: Lab, lessons: Sequence[Lesson]) -> None:
    """Say what lessons are; or, once one was begun, how many points the student has."""
    begun = [(x, p) for x in lessons if (p := _progress(lab, x)).prediction is not None]
    if not begun:
        st.caption(say.INTRO)
        return
    scores = [score(x, p) for x, p in begun]
    done = sum(finished(x, p) for x, p in begun)
    st.caption(
        say.your_score(
            sum(s.points for s in scores), sum(s.most for s in scores), len(begun), done, len(lessons)
        )
    )


def _progress(lab: Lab, lesson: Lesson) -> Progress:
    return read_progress(lesson, owner(lab.browser or ""), lab.lesson_session.group)


def _card(lab: Lab, lesson: Lesson) -> None:
    lesson_session = lab.lesson_session
    progress = _progress(lab, lesson)
    made = score(lesson, progress)
    if finished(lesson, progress):
        state, word = say.done(made.points, made.most), say.LOOK_AGAIN
    elif progress.prediction is not None:
        state, word = say.begun(progress.at + 1, len(lesson.parts) + 2), say.GO_ON
    else:
        state, word = "", say.BEGIN
    with st.container(border=True, key=f"lesson-card-{lesson.id.replace('.', '-')}", gap="small"):
        st.markdown(f"**{lesson.number} · {lesson.title}**")
        st.caption(lesson.goal)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.button(
                word,
                key=f"lesson-enter-{lesson.id}",
                on_click=lesson_session.enter,
                args=(lesson,),
                help=f"{word}: {lesson.title}",
            )
            st.caption(f"{state}{say.length(lesson.minutes, len(lesson.parts))}")


def _who(lab: Lab) -> None:
    lesson_session = lab.lesson_session
    with st.container(border=True, key="lesson-who", gap="small"):
        st.markdown(say.WHO)
        name = st.text_input(common.NAME, value=lesson_session.who.name, key="lesson-name", max_chars=80)
        number = st.text_input(
            say.NUMBER,
            value=lesson_session.who.number,
            key="lesson-number",
            max_chars=40,
            help=say.NUMBER_HELP,
        )
        if (name.strip(), number.strip()) != (lesson_session.who.name, lesson_session.who.number):
            lesson_session.called(name, number)
        seed = lesson_session.seed
        st.caption(say.your_seed(seed) if seed else say.NO_NUMBER)


def _teacher(lab: Lab, lessons: Sequence[Lesson]) -> None:
    """Show the form for a link that opens a lesson with the teacher's options."""
    link = lab.lesson_session.link
    with st.expander(say.FOR_TEACHERS, key="lesson-teacher"):
        names = [lesson.id for lesson in lessons]
        titles = {lesson.id: f"{lesson.number} · {lesson.title}" for lesson in lessons}
        chosen = st.selectbox(say.LESSON, names, format_func=titles.__getitem__, key="lesson-link-lesson")
        group = st.text_input(
            common.CLASS,
            value=link.group or "",
            key="lesson-link-class",
            help=say.CLASS_HELP,
        )
        controls = st.selectbox(
            say.CONTROLS, CONTROLS, format_func=SAID.__getitem__, key="lesson-link-controls"
        )
        present = st.toggle(
            say.PRESENTER,
            key="lesson-link-present",
            help=say.PRESENTER_HELP,
        )
        try:
            parse_class(group.strip() or None)
        except RequestError as error:
            st.error(str(error))
            return
        parameters = replace(
            LessonLink(), lesson=chosen, group=group.strip() or None, controls=controls, present=present
        ).words()
        st.caption(say.LINK)
        st.code(
            f"{(st.context.url or '').split('?')[0]}?{urlencode(parameters)}", language=None, wrap_lines=True
        )
        _page_of(lab, next(x for x in lessons if x.id == chosen))
        st.caption(say.MARKING)


def _page_of(lab: Lab, lesson: Lesson) -> None:
    """Show the form that exports the lesson as one file, for a class of any size."""
    lesson_session = lab.lesson_session
    st.caption(say.AS_ONE_FILE)
    number, button = st.columns([1, 1.6], gap="small", vertical_alignment="bottom")
    with number:
        seed = st.number_input(
            common.SEED,
            0,
            9999,
            0,
            key="lesson-page-seed",
            disabled=not lesson.own_seed,
            help=say.OTHER_SEED,
        )
    made = lesson_session.replaying
    busy = made is not None and made.busy
    with button:
        if st.button(
            say.EXPORT_PAGE,
            key="lesson-page-make",
            disabled=busy,
            width="stretch",
            help=say.EXPORT_PAGE_HELP,
        ):
            lesson_session.replaying = made = lab.replay(lesson, int(seed))
            busy = made.busy
    if made is not None and busy:
        _wait_for(made)
    elif made is not None and made.error is not None:
        st.error(made.error)
    elif made is not None and made.page is not None:
        if made.failed:
            st.warning(say.checks_fail(made.seed, ", ".join(map(str, made.failed))))
        st.download_button(
            say.save(made.file_name, len(made.page.encode()) / 1e6),
            made.page,
            made.file_name,
            "text/html",
            on_click="ignore",
            key="lesson-page-save",
            width="stretch",
        )


@st.fragment(run_every=POLL_S)
def _wait_for(made: LessonExportJob) -> None:
    """Show the export's progress; rerun the page when it is ready."""
    if made.busy:
        st.progress(made.share, text=made.said)
    else:
        st.rerun()
