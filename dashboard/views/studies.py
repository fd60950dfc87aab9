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
from dashboard.session import resources, tab_state
from dashboard.session.jobs import study as studying
from dashboard.session.jobs.example_set import STUDY_NAME
from dashboard.session.jobs.example_set import job_of as example_job
from dashboard.session.lab import Lab
from dashboard.session.polling import STUDY_S, poll
from dashboard.views import study_form, study_results

NEW = "＋ a study of my own"
FIRST = "stability-digits"
MOST_COUNTED = 5000  # runs of a study whose state is counted before it starts


def page(lab: Lab) -> None:
    """Draw the page Studies."""
    setup = lab.experiment.setup
    pick, told, files = st.columns([4.2, 6.4, 1.4], gap="small", vertical_alignment="bottom")
    with pick:
        chosen = _chosen()
    if chosen == NEW:
        told.html("<div class='hint'>Choose what the study varies. Everything else keeps its preset.</div>")
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
    options = [NEW, *names]
    first = next((n for n in first_of.values() if n in options), options[-1])
    return st.selectbox(
        "Study",
        options,
        options.index(first),
        format_func=lambda n: names.get(n, n),
        key=f"study-{requested}-{number}",
        help="Built-in studies, and those that were started here",
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
        text.html(f"<div class='hint'>{run.now or 'starting'}: {run.finished:,} of {run.wanted:,}</div>")
        text.progress(min(1.0, run.finished / max(1, run.wanted)))
        if study_claims(study.name).may_change(tab_state.browser()):
            move.button(
                "Cancel",
                on_click=studying.cancel,
                args=(study.name, tab_state.browser()),
                key="study-cancel",
                width="stretch",
                help="Stop. Finished runs stay, and you can resume later",
            )
        else:
            move.caption("Another browser runs this study.")

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
    size = f"<b>{study.size:,} runs</b>"
    if found["done"] or found["failed"]:
        failed = f", {found['failed']:,} failed" if found["failed"] else ""
        size += f" · {found['done']:,} done{failed}, {found['left']:,} left"
    if last is not None and last.state == "failed":
        text.error(last.error or "The study failed.")
    elif found["left"] and job is not None and job.error is not None:
        text.error(job.error)
    else:
        text.html(f"<div class='hint'>{size} · {_time(job) if found['left'] else 'complete'}</div>")
    if found["left"]:
        with move:
            _next_move(study, job, is_begun=bool(found["done"]))


def _time(job: studying.EstimateJob | None) -> str:
    """Describe the time that the study takes, as far as it is known."""
    if job is None:
        return "measure the time before you start"
    if job.result is None:
        return "measuring a few steps on every core…"
    e = job.result
    return (
        f"about <b>{spoken_time(e.wall_s)}</b> on {e.workers} cores, with {e.retrained:,} models to retrain"
    )


def _next_move(study: Study, job: studying.EstimateJob | None, *, is_begun: bool) -> None:
    if is_running(study.name):
        st.caption("Another process runs this study.")
    elif job is None or job.error is not None:
        help = "Runs a few steps of each kind of run, on all cores at once"
        if st.button("Measure time", key="study-measure", width="stretch", help=help):
            try:
                studying.require_data(study, tab_state.browser())
            except LabError as error:
                st.error(str(error))
                return
            tab_state.remember("study-estimate", studying.EstimateJob(study))
            st.rerun()
    else:
        label = "Resume" if is_begun else "Start"
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


INTRO = """
A study makes many runs and varies settings, methods, data or seeds. This page then draws the results as lines, as a heat map or as
accuracy against cost, with the spread over seeds; a click on a point opens its run in the Lab.
"""


def _explain(lab: Lab, study: Study) -> None:
    st.markdown(INTRO)
    example_set.offer(lab)
    st.markdown(
        f"""
- **{study.size:,} runs**: {len(study.variants)} × {" × ".join(str(len(v)) for v in study.grid.values()) or "1"} settings × {len(study.seeds)} seeds. Each is compared with models
  retrained from scratch. Runs share original and retrained models.
- *Measure time* runs a few steps on every core and estimates the time of the whole study. Nothing is saved before *Start*.
- Every result is saved at once. If you close the page, cancel or lose power, finished runs are not repeated.
- From a terminal: `laf study run {study.name}`. On a cluster: `--backend dask --scheduler tcp://…`.
"""
    )
    with st.expander("The study as a file"):
        st.code(study.source, language="toml")
    st.markdown("**Built-in studies**")
    ready = [n for n in ready_names() if n != study.name]
    for first in range(0, len(ready), 3):
        for column, name in zip(st.columns(3, gap="small"), ready[first : first + 3], strict=False):
            one = ready_study(name)
            if column.button(
                one.title, key=f"ready-{name}", width="stretch", help=f"{one.question} {one.size:,} runs"
            ):
                _choose(name)
                st.rerun()


def _files(study: Study, table: ResultsTable) -> None:
    with st.popover("Export", width="stretch", help="Download all rows as a file"):
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
            "The study, TOML",
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
        help = "Every browser that reaches this Lab can see the results. Other browsers run a copy"
        shared = st.toggle("Shared", was, key=f"study-share-{study.name}", help=help)
        if shared != was:
            share_study(study.name, shared, token)
            st.rerun()
        help = "Deletes the study and all its rows for good"
        if st.button("Delete", key="study-delete", width="stretch", help=help):
            remove_study(study.name, token)
            _choose("")
            st.rerun()
    except LabError as error:
        st.error(str(error))


if __name__ == "__main__":
    page(resources.lab())
