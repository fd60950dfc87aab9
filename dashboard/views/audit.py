"""One printable page for a deletion request: what was asked, done, paid and tested, and how to do it again."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.presentation.export import audit_page
from dashboard.session import resources
from dashboard.session.jobs.audit import why_not
from dashboard.session.lab import Lab

POLL_S = 0.5


def page(lab: Lab) -> None:
    audit_job, e = lab.audit_job, lab.experiment
    audit_job.about(e)
    waits = why_not(e)
    make, told, files = st.columns([2, 6, 4], gap="small", vertical_alignment="center")
    with make:
        if st.button("Draw up the record", type="primary", disabled=waits is not None or audit_job.busy, help=waits, key="audit-make",
                     width="stretch"):  # fmt: skip
            audit_job.start(e)
    with told:
        if waits is not None:
            st.caption(waits)
        elif audit_job.error is not None:
            st.error(audit_job.error)
        elif not audit_job.busy and audit_job.audit is None:
            st.caption("Of the run in the Lab, judged against its retrained models on all images.")
    made, when = audit_job.audit, audit_job.made
    if audit_job.busy or waits is not None:
        _wait(lab, waits)
    if made is None or when is None:
        return
    with files, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        name = f"record-{e.setup.dataset}-{when:%Y%m%d-%H%M}"
        st.download_button(
            "Page to print (HTML)",
            audit_page.document(made, when),
            f"{name}.html",
            "text/html",
            on_click="ignore",
        )
        st.download_button(
            "JSON",
            json.dumps(made.as_dict(), indent=1),
            f"{name}.json",
            "application/json",
            on_click="ignore",
        )
        if e.split is not None:
            ids = "\n".join(map(str, sorted(e.split.train.ids[e.split.forget_rows].tolist())))
            st.download_button("Ids", ids + "\n", f"{name}-ids.txt", "text/plain", on_click="ignore")
    st.html(audit_page.sheet(made, when))


def _wait(lab: Lab, waits: str | None) -> None:
    """How far it is; draws the page again when something has changed."""

    @st.fragment(run_every=POLL_S)
    def wait() -> None:
        if lab.audit_job.busy:
            p = lab.audit_job.progress
            st.progress(
                0.0 if p is None else p.done / max(1, p.total), text="Judging the model on all images"
            )
        elif why_not(lab.experiment) != waits or waits is None:
            st.rerun()

    wait()


if __name__ == "__main__":
    page(resources.lab())
