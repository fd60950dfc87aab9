"""The page Studies: choose or put together a study, see its size and time, run it, and open its runs in the Lab."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import LabError
from core.experiments.studies import (
    ResultsTable,
    Study,
    counts,
    flat,
    is_running,
    joined,
    name_for,
    ready_names,
    ready_study,
    remove_study,
    share_study,
    study_claims,
)
from dashboard.forms import example_set
from dashboard.presentation.export.study_files import as_csv, as_json
from dashboard.presentation.text.durations import spoken_time
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages import studies as say
from dashboard.session import resources, tab_state
from dashboard.session.jobs import study as studying
from dashboard.session.jobs.example_set import STUDY_NAME
from dashboard.session.jobs.example_set import job_of as example_job
from dashboard.session.lab import Lab
from dashboard.session.polling import STUDY_S, poll
from dashboard.views import study_form, study_results

FIRST = "stability-digits"
MOST_COUNTED = 5000  # runs of a study whose state is counted before it starts


def page(lab: Lab) -> None:
    """Draw the page Studies."""
    setup = lab.experiment.setup
    told_of = tab_state.recall_and_forget("study-told")
    if told_of is not None:
        st.toast(say.chosen(told_of))
    with st.container(key="study-head"):
        pick, told, files = st.columns([4.2, 6.4, 1.4], gap="small", vertical_alignment="bottom")
    with pick:
        chosen = _chosen()
    if chosen == say.NEW:
        told.html(f"<div class='hint'>{say.CHOOSE}</div>")
        study = study_form.build(setup)
    else:
        try:
            study = studying.study_of(chosen, setup, tab_state.browser())
        except LabError as error:
            st.error(str(error))
            return
    if study is None:
        return
    table = ResultsTable(study.name)
    try:
        table.refresh()
    except LabError as error:
        st.error(str(error))
        return
    with told:
        _told(study, table)
    if study.question:
        st.markdown(f"**{study.question}**")
    if not table.rows:
        _explain(lab, study)
        return
    with files:
        _files(study, table)
    study_results.show(lab, study, table)


def _chosen() -> str:
    """Let the user choose a study; a button's choice comes first in a list of its own."""
    token = tab_state.browser()
    made = example_job(token)
    if made is not None and made.result is not None and tab_state.recall("study-example") != made.result:
        tab_state.remember("study-example", made.result)  # once: the user may choose another study after that
        _choose(made.result.study)
    names = studying.choices(token)
    requested, number = tab_state.recall("study-go", ("", 0))
    wanted = (requested, STUDY_NAME, FIRST)
    first_of = {n: n if n in names else name_for(n, token) for n in wanted}
    options = [say.NEW, *names]
    first = next((n for n in first_of.values() if n in options), options[-1])
    return st.selectbox(
        common.STUDY,
        options,
        options.index(first),
        format_func=lambda n: names.get(n, n),
        key=f"study-{requested}-{number}",
        help=say.STUDY_HELP,
    )


def _told(study: Study, table: ResultsTable) -> None:
    """Show the study's size, time and progress, with the buttons that start or cancel it."""
    run = studying.driven(study.name)
    is_lively = (run is not None and not run.over) or _is_measuring(study)

    def is_over() -> bool:
        return is_lively and (run is None or run.over) and not _is_measuring(study)

    def told() -> None:
        text, move = st.columns([4.4, 1.9], gap="small", vertical_alignment="center")
        if run is None or run.over:
            _size(study, table, text, move)
            return
        text.html(f"<div class='hint'>{say.now(run.now, run.finished, run.wanted)}</div>")
        text.progress(min(1.0, run.finished / max(1, run.wanted)))
        if study_claims(study.name).may_change(tab_state.browser()):
            move.button(
                common.CANCEL,
                on_click=studying.cancel,
                args=(study.name, tab_state.browser()),
                key="study-cancel",
                width="stretch",
                help=say.CANCEL_HELP,
            )
        else:
            move.caption(say.OTHER_BROWSER)

    poll(STUDY_S if is_lively else None, told, is_over)


def _estimate_of(study: Study) -> studying.EstimateJob | None:
    """Return the measurement of this very study, running or ended."""
    job = tab_state.recall("study-estimate")
    return job if job is not None and job.study == study else None


def _is_measuring(study: Study) -> bool:
    job = _estimate_of(study)
    return job is not None and job.busy


def _size(study: Study, table: ResultsTable, text: Any, move: Any) -> None:
    """Show how many runs are left and how long they take, with the button for the next move."""
    if study.size <= MOST_COUNTED:
        found = counts(study, table.rows)
    else:
        found = {"done": 0, "failed": 0, "left": study.size}
    last, job = studying.driven(study.name), _estimate_of(study)
    size = f"<b>{say.runs(study.size)}</b>"
    if found["done"] or found["failed"]:
        size += say.progress(found["done"], found["failed"], found["left"])
    if last is not None and last.state == "failed":
        text.error(last.error or say.STUDY_FAILED)
    elif found["left"] and job is not None and job.error is not None:
        text.error(job.error)
    else:
        text.html(f"<div class='hint'>{size} · {_time(job) if found['left'] else say.COMPLETE}</div>")
    if found["left"]:
        with move:
            _next_move(study, job, is_begun=bool(found["done"]))


def _time(job: studying.EstimateJob | None) -> str:
    """Describe the time that the study takes, as far as it is known."""
    if job is None:
        return say.MEASURE_FIRST
    if job.result is None:
        return say.MEASURING
    e = job.result
    return say.estimate(spoken_time(e.wall_s), e.workers, e.retrained)


def _next_move(study: Study, job: studying.EstimateJob | None, *, is_begun: bool) -> None:
    if is_running(study.name):
        st.caption(say.OTHER_PROCESS)
    elif job is None or job.error is not None:
        help = say.MEASURE_HELP
        if st.button(say.MEASURE, key="study-measure", width="stretch", help=help):
            try:
                studying.require_data(study, tab_state.browser())
            except LabError as error:
                st.error(str(error))
                return
            tab_state.remember("study-estimate", studying.EstimateJob(study))
            st.rerun()
    else:
        label = say.RESUME if is_begun else common.START
        if st.button(label, type="primary", key="study-start", width="stretch", disabled=job.busy):
            _start(study)


def _start(study: Study) -> None:
    token = tab_state.browser()
    try:
        studying.start(study, token=token)
    except LabError as error:
        st.error(str(error))
        return
    _choose(studying.mine(study, token).name)
    st.rerun()


def _choose(name: str) -> None:
    """Make ``name`` the choice when the page is drawn again."""
    tab_state.remember("study-go", (name, tab_state.recall("study-go", ("", 0))[1] + 1))


def _explain(lab: Lab, study: Study) -> None:
    st.markdown(say.INTRO)
    example_set.offer(lab)
    st.markdown(
        say.explained(
            study.name,
            study.size,
            len(study.variants),
            [len(v) for v in study.grid.values()],
            len(study.seeds),
        )
    )
    with st.expander(say.AS_FILE):
        st.code(study.source, language="toml")
    st.markdown(say.BUILT_IN)
    ready = [n for n in ready_names() if n != study.name]
    for first in range(0, len(ready), 3):
        for column, name in zip(st.columns(3, gap="small"), ready[first : first + 3], strict=False):
            one = ready_study(name)
            if column.button(
                one.title, key=f"ready-{name}", width="stretch", help=f"{one.question} {say.runs(one.size)}"
            ):
                _choose(name)
                tab_state.remember("study-told", one.title)  # on a low screen the box is out of sight
                st.rerun()


def _files(study: Study, table: ResultsTable) -> None:
    with st.popover(common.EXPORT, width="stretch", help=say.EXPORT_HELP):
        rows = joined(study, table.rows)
        st.download_button(
            "CSV",
            as_csv(flat(rows)),
            f"{study.name}.csv",
            width="stretch",
            on_click="ignore",
            key="study-csv",
        )
        st.download_button(
            "JSON",
            as_json(study, rows),
            f"{study.name}.json",
            width="stretch",
            on_click="ignore",
            key="study-json",
        )
        st.download_button(
            say.TOML,
            study.source,
            f"{study.name}.toml",
            width="stretch",
            on_click="ignore",
            key="study-toml",
        )
        _own(study)


def _own(study: Study) -> None:
    """Let the browser that owns the study share or delete it."""
    token = tab_state.browser()
    claims = study_claims(study.name)
    if not claims.may_change(token):
        return
    try:
        was = claims.shared_by(token)
        help = say.SHARED_HELP
        shared = st.toggle(common.SHARED, was, key=f"study-share-{study.name}", help=help)
        if shared != was:
            share_study(study.name, shared, token)
            st.rerun()
        help = say.DELETE_HELP
        if st.button(common.DELETE, key="study-delete", width="stretch", help=help):
            remove_study(study.name, token)
            _choose("")
            st.rerun()
    except LabError as error:
        st.error(str(error))


if __name__ == "__main__":
    page(resources.lab())
