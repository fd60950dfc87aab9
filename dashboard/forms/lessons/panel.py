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
            st.button("All lessons", key="lesson-leave", on_click=lesson_session.leave, type="tertiary")
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
            "Back",
            key="lesson-back",
            on_click=lesson_session.turn,
            args=(-1,),
            disabled=at == 0,
            shortcut="Shift+N",
            help="The previous part (shift N)",
        )
        if at < last:
            st.button(
                "Next",
                key="lesson-next",
                on_click=lesson_session.turn,
                args=(1,),
                disabled=held is not None,
                shortcut="N",
                type="primary",
                help=held or "The next part (N)",
                width="stretch",
            )
            if held is not None and lesson_session.part is not None and lesson_session.part.check is not None:
                st.button(
                    "Skip",
                    key="lesson-skip",
                    on_click=lesson_session.turn,
                    args=(1,),
                    type="tertiary",
                    help="Continue without passing; your submission records it",
                )
        else:
            st.button("Begin again", key="lesson-again", on_click=lesson_session.begin_again)
            following = lesson_session.following
            if following is not None:
                st.button(
                    "Next lesson",
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
    st.markdown(f"**Goal.** {lesson.goal}")
    question, predicted = lesson.prediction, lesson_session.progress.prediction
    st.markdown(f"**First, predict.** {question.text}")
    if predicted is None:
        chosen = _choices(question, f"lesson-prediction-{lesson.id}")
        st.button(
            "This is my prediction",
            key="lesson-predict",
            disabled=chosen is None,
            type="primary",
            on_click=lesson_session.predict,
            args=(chosen or 1,),
            help="The first prediction counts",
        )
    else:
        st.html(
            f"<div class='lesson-answer'><p>You predict: <b>{_plain(question.choices[predicted - 1])}</b></p><p>The end of the lesson returns to it.</p></div>"
        )
    if lesson_session.link.present:
        _class(lab)


def _class(lab: Lab) -> None:
    """Show the class's predictions, once the teacher turns them on."""
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    if not st.toggle("Show the class's predictions", key=f"lesson-tally-{lesson.id}"):
        return

    @st.fragment(run_every=TALLY_S)
    def counted() -> None:
        st.html(
            lesson_html.tally_bars(
                lesson.prediction, tally(lesson, lesson_session.group, lesson_session.browser).counts
            )
        )

    counted()
    if st.button("Count anew from now on", key="lesson-count-anew", type="tertiary"):
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
        waits = "The Lab is busy; wait, or pause the run" if busy else None
        st.button(
            part.do.label,
            key=f"lesson-do-{key}",
            on_click=lesson_session.do,
            disabled=busy,
            shortcut="D",
            type="primary" if lesson_session.held else "secondary",
            help=waits or "Does this in the Lab (D)",
            width="stretch",
        )
    if part.look:
        st.html(f"<p class='lesson-look'><b>Look:</b> {_plain(part.look)}</p>")
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
            with st.expander("A hint", key=f"lesson-hint-{key}"):
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
        "Answer",
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
    st.markdown("#### What you have seen")
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
        f"<p>Your score: {made.points} of {made.most} points</p>"
        f"<span>{passed} of {len(wanted)} checks passed by your runs; the other points are for right answers.</span></div>"
    )
    _hand_in(lab)


def _hand_in(lab: Lab) -> None:
    lesson_session = lab.lesson_session
    lesson = lesson_session.lesson
    assert lesson is not None
    who = lesson_session.who
    if not who.number:
        st.caption(
            "To hand this in, enter your name and number on the page of all lessons before you begin. The number determines your seed."
        )
    try:
        values = submission(lesson, who, lesson_session.progress)
    except LabError as error:
        st.error(str(error))
        return
    name = re.sub(r"[^A-Za-z0-9-]+", "-", who.number or "nobody").strip("-")
    st.download_button(
        "Download what you hand in (JSON)",
        json.dumps(values, indent=1, ensure_ascii=False),
        f"{lesson.id}-{name}.json",
        "application/json",
        on_click="ignore",
        width="stretch",
    )


def _plain(text: str) -> str:
    return html.escape(text)
