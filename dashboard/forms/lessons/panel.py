"""The panel beside the Lab that leads through a lesson: prediction, text, actions, checks, questions and submission."""

from __future__ import annotations

import html
import json
import re

import streamlit as st

from core.errors import LabError
from core.lessons import Question
from core.lessons.assessment.progress import checked, reset_tally, score, tally
from core.lessons.assessment.submission import submission
from core.runs.records import Phase
from dashboard.presentation.text.lessons import lesson_html
from dashboard.presentation.text.pages import lessons as say
from dashboard.session.lab import Lab

HEIGHT = 694  # px of the text; with the rows above and below it the panel is as high as the Lab
TALLY_S = 2.0


def panel(lab: Lab) -> None:
    """Show the panel of the open lesson."""
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    size = "large" if lesson_session.link.present else "plain"
    with st.container(key=f"lesson-{size}", gap="small"):
        verdict = lesson_session.look()
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lesson-top"):
            st.html(
                lesson_html.steps_bar(
                    lesson, lesson_session.progress.at, list(lesson_session.progress.passed)
                )
            )
            st.button(say.ALL_LESSONS, key="lesson-leave", on_click=lesson_session.leave, type="tertiary")
        with st.container(height=HEIGHT, border=True, key="lesson-text"):
            at = lesson_session.progress.at
            if at == 0:
                _beginning(lab)
            elif at > len(lesson.parts):
                _end(lab)
            else:
                _step(lab, verdict)
            if lesson_session.problem:
                st.error(lesson_session.problem)
        _turns(lab)


def _turns(lab: Lab) -> None:
    lesson_session = lab.lesson_session
    assert lesson_session.lesson is not None
    at, last = lesson_session.progress.at, len(lesson_session.lesson.parts) + 1
    held = lesson_session.held
    with st.container(horizontal=True, gap="small", key="lesson-turns"):
        st.button(
            say.BACK,
            key="lesson-back",
            on_click=lesson_session.turn,
            args=(-1,),
            disabled=at == 0,
            shortcut="Shift+N",
            help=say.BACK_HELP,
        )
        if at < last:
            st.button(
                say.NEXT,
                key="lesson-next",
                on_click=lesson_session.turn,
                args=(1,),
                disabled=held is not None,
                shortcut="N",
                type="primary",
                help=held or say.NEXT_HELP,
                width="stretch",
            )
            if held is not None and lesson_session.part is not None and lesson_session.part.check is not None:
                st.button(
                    say.SKIP,
                    key="lesson-skip",
                    on_click=lesson_session.turn,
                    args=(1,),
                    type="tertiary",
                    help=say.SKIP_HELP,
                )
        else:
            st.button(say.BEGIN_AGAIN, key="lesson-again", on_click=lesson_session.begin_again)
            following = lesson_session.following
            if following is not None:
                st.button(
                    say.NEXT_LESSON,
                    key="lesson-following",
                    on_click=lesson_session.enter,
                    args=(following,),
                    type="primary",
                    help=f"{following.number} · {following.title}",
                    width="stretch",
                )


def _beginning(lab: Lab) -> None:
    """Show title, goal and the prediction."""
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    st.markdown(f"#### {lesson.number} · {lesson.title}")
    st.markdown(say.goal(lesson.goal))
    question, predicted = lesson.prediction, lesson_session.progress.prediction
    st.markdown(say.predict(question.text))
    if predicted is None:
        chosen = _choices(question, f"lesson-prediction-{lesson.id}")
        st.button(
            say.PREDICTION,
            key="lesson-predict",
            disabled=chosen is None,
            type="primary",
            on_click=lesson_session.predict,
            args=(chosen or 1,),
            help=say.PREDICTION_HELP,
        )
    else:
        st.html(
            f"<div class='lesson-answer'><p>{say.YOU_PREDICT} <b>{_plain(question.choices[predicted - 1])}</b></p><p>{say.END_RETURNS}</p></div>"
        )
    if lesson_session.link.present:
        _class(lab)


def _class(lab: Lab) -> None:
    """Show the class's predictions, once the teacher turns them on."""
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    if not st.toggle(say.SHOW_PREDICTIONS, key=f"lesson-tally-{lesson.id}"):
        return

    @st.fragment(run_every=TALLY_S)
    def counted() -> None:
        st.html(
            lesson_html.tally_bars(
                lesson.prediction, tally(lesson, lesson_session.group, lesson_session.browser).counts
            )
        )

    counted()
    if st.button(say.COUNT_ANEW, key="lesson-count-anew", type="tertiary"):
        try:
            reset_tally(lesson, lesson_session.group, lesson_session.browser)
        except LabError as error:
            st.error(str(error))


def _step(lab: Lab, verdict: object) -> None:
    lesson_session, e = lab.lesson_session, lab.experiment
    part, at = lesson_session.part, lesson_session.progress.at
    assert part is not None
    key = f"{lesson_session.lesson.id}-{at}"  # type: ignore[union-attr]
    st.markdown(f"#### {part.title}")
    st.markdown(part.text)
    if part.do is not None:
        busy = e.phase is Phase.RUNNING or lesson_session.tour.busy
        waits = say.BUSY if busy else None
        st.button(
            part.do.label,
            key=f"lesson-do-{key}",
            on_click=lesson_session.do,
            disabled=busy,
            shortcut="D",
            type="primary" if lesson_session.held else "secondary",
            help=waits or say.DO_HELP,
            width="stretch",
        )
    if part.look:
        st.html(f"<p class='lesson-look'><b>{say.LOOK}</b> {_plain(part.look)}</p>")
    facts = lesson_session.facts()
    if part.numbers:
        st.html(lesson_html.numbers(part.numbers, facts))
    if part.vae_curves and e.run is not None:
        st.html(
            lesson_html.vae_curves(
                {k: e.run.progress[k].curve for k in ("vae", "vae_f") if k in e.run.progress}
            )
        )
    if part.check is not None and verdict is not None:
        passed = str(at) in lesson_session.progress.passed
        st.html(lesson_html.clauses(verdict, passed))  # type: ignore[arg-type]
        if part.hint and not passed:
            with st.expander(say.HINT, key=f"lesson-hint-{key}"):
                st.markdown(part.hint)
    if part.question is not None:
        _asked(lab, part.question, key)


def _asked(lab: Lab, question: Question, key: str) -> None:
    """Show a step's question; the first answer counts."""
    lesson_session = lab.lesson_session
    given = lesson_session.progress.answers.get(str(lesson_session.progress.at))
    st.markdown(f"**{question.text}**")
    if given is not None:
        st.html(lesson_html.verdict_on(question, given))
        return
    chosen = _choices(question, f"lesson-question-{key}")
    st.button(
        say.ANSWER,
        key=f"lesson-answer-{key}",
        disabled=chosen is None,
        on_click=lesson_session.answer,
        args=(chosen or 1,),
    )


def _choices(question: Question, key: str) -> int | None:
    """Show the choices, and return the number of the picked one, counted from 1."""
    texts = [re.sub(r"([*_$\[\]])", r"\\\1", c) for c in question.choices]
    picked = st.radio(
        question.text,
        range(len(texts)),
        index=None,
        format_func=texts.__getitem__,
        key=key,
        label_visibility="collapsed",
    )
    return None if picked is None else picked + 1


def _end(lab: Lab) -> None:
    """Show the prediction's result, the summary with its formulas, and the file to hand in."""
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    st.markdown(say.SEEN)
    if lesson_session.progress.prediction is not None:
        st.caption(lesson.prediction.text)
        st.html(lesson_html.verdict_on(lesson.prediction, lesson_session.progress.prediction))
    st.markdown(lesson.summary)
    if lesson.formula:
        with st.container(key="lesson-formula"):
            for line in lesson.formulas:
                st.latex(line)
        st.caption(lesson.formula_says)
    wanted = checked(lesson)
    passed = sum(str(i) in lesson_session.progress.passed for i in wanted)
    made = score(lesson, lesson_session.progress)
    st.html(
        f"<div class='lesson-check {'passed' if passed == len(wanted) else 'open'}' data-finished='{str(lesson_session.finished).lower()}'>"
        f"<p>{say.points(made.points, made.most)}</p>"
        f"<span>{say.checks_passed(passed, len(wanted))}</span></div>"
    )
    _hand_in(lab)


def _hand_in(lab: Lab) -> None:
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    who = lesson_session.who
    if not who.number:
        st.caption(say.TO_HAND_IN)
    try:
        values = submission(lesson, who, lesson_session.progress)
    except LabError as error:
        st.error(str(error))
        return
    name = re.sub(r"[^A-Za-z0-9-]+", "-", who.number or "nobody").strip("-")
    st.download_button(
        say.DOWNLOAD_SUBMISSION,
        json.dumps(values, indent=1, ensure_ascii=False),
        f"{lesson.id}-{name}.json",
        "application/json",
        on_click="ignore",
        width="stretch",
    )


def _plain(text: str) -> str:
    return html.escape(text)
