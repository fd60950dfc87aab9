"""The page Audit: a printable record of how a deletion request was fulfilled and tested."""

from __future__ import annotations

import json

import streamlit as st

from core.experiments.session.experiment import Experiment
from dashboard.presentation.export import audit_page
from dashboard.session import resources
from dashboard.session.jobs.audit import DatedRecord, why_not
from dashboard.session.lab import Lab
from dashboard.session.polling import JOB_S, poll, wait_for


def page(lab: Lab) -> None:
    job, e = lab.audit_job, lab.experiment
    job.show(e)
    obstacle = why_not(e)
    make, told, files = st.columns([2, 6, 4], gap="small", vertical_alignment="center")
    with make:
        if st.button(
            "Draw up the record",
            type="primary",
            disabled=obstacle is not None or job.busy,
            help=obstacle,
            key="audit-make",
            width="stretch",
        ):
            job.draw_up(e)
    with told:
        if obstacle is not None:
            st.caption(obstacle)
        elif job.error is not None:
            st.error(job.error)
        elif not job.busy and job.result is None:
            st.caption(
                "The record covers the run in the Lab, compared with its retrained models on all images."
            )
    if job.busy:
        wait_for(job, "Evaluating the model on all images")
    elif obstacle is not None:
        poll(JOB_S, lambda: None, lambda: why_not(lab.experiment) != obstacle)
    if job.result is None:
        return
    with files, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        _downloads(e, job.result)
    st.html(audit_page.sheet(job.result.record, job.result.made))


def _downloads(e: Experiment, found: DatedRecord) -> None:
    record, made = found.record, found.made
    name = f"record-{e.setup.dataset}-{made:%Y%m%d-%H%M}"
    st.download_button(
        "Page to print (HTML)",
        audit_page.document(record, made),
        f"{name}.html",
        "text/html",
        on_click="ignore",
    )
    st.download_button(
        "JSON", json.dumps(record.as_dict(), indent=1), f"{name}.json", "application/json", on_click="ignore"
    )
    if e.split is not None:
        ids = "\n".join(map(str, sorted(e.split.train.ids[e.split.forget_rows].tolist())))
        st.download_button("Ids", ids + "\n", f"{name}-ids.txt", "text/plain", on_click="ignore")


if __name__ == "__main__":
    page(resources.lab())
