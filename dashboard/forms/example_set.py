"""The button that makes the example set, with its progress, for pages that have nothing to show yet."""

from __future__ import annotations

import streamlit as st

from core.errors import LabError
from core.experiments.session.experiment import Experiment
from core.runs.setup import Setup
from dashboard.presentation.text.pages import common as say
from dashboard.session import resources
from dashboard.session.jobs import example_set as examples
from dashboard.session.lab import Lab
from dashboard.session.polling import JOB_S, poll


def offer(lab: Lab, *, is_bare: bool = True) -> None:
    """Draw the button, or the progress of the work.

    Draw nothing where the browser has the set or keeps no runs, nor for a page that is not ``is_bare``.
    """
    token = lab.browser
    if token is None:
        return
    job = examples.job_of(token)
    if job is not None and job.busy:
        _wait(job)
        return
    if job is not None and job.error is not None:
        st.error(say.example_set_failed(job.error))
    elif not is_bare or examples.is_made(token):
        if job is not None and job.result is not None:
            st.caption(say.EXAMPLE_SET_MADE)
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="example-offer"):
        if st.button(say.EXAMPLE_SET, key="example-make", type="primary", help=say.EXAMPLE_SET_HELP):
            try:
                if lab.classroom is not None:
                    lab.classroom.check_disk()
            except LabError as error:
                st.error(str(error))
                return
            examples.make(token, lambda: _experiment(lab))
            st.rerun()
        st.caption(say.EXAMPLE_SET_TAKES)


def _wait(job: examples.ExampleSetJob) -> None:
    """Show the progress; draw the page again when the set is there."""

    def bar() -> None:
        if job.busy:
            st.progress(job.share, text=f"{job.said}…")

    poll(JOB_S, bar, lambda: not job.busy)


def _experiment(lab: Lab) -> Experiment:
    """Return a started experiment on digits that keeps its run for the tab's browser."""
    made = Experiment(
        Setup(),
        resources.runner(),
        resources.umap(),
        map_runner=resources.map_runner(),
        kept=resources.kept(),
        token=lab.browser,
        classroom=lab.classroom,
    )
    made.start()
    return made
