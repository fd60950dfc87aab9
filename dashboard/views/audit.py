"""The page Audit: a printable record of how a deletion request was fulfilled and tested."""

from __future__ import annotations

import json

import streamlit as st

from core.errors import LabError, RequestError
from core.experiments.audit_request import LONGEST, DeletionRequest
from core.experiments.session.experiment import Experiment
from core.runs.run import Phase
from dashboard.presentation.export import audit_page
from dashboard.presentation.text.pages import audit as say
from dashboard.presentation.text.pages import nouns
from dashboard.session import resources
from dashboard.session.jobs.audit import DatedRecord, what_is_tested, why_not
from dashboard.session.lab import Lab
from dashboard.session.polling import JOB_S, poll, wait_for


def page(lab: Lab) -> None:
    """Draw the page Audit."""
    job, e = lab.audit_job, lab.experiment
    kind = nouns.kind_of(e.dataset)
    job.show(e)
    obstacle = why_not(e)
    st.markdown(say.intro(kind))
    request = _request()
    make, told, files = st.columns([2.4, 5.6, 4], gap="small", vertical_alignment="center")
    with make:
        _main_button(lab, request, obstacle)
    with told:
        if obstacle is not None:
            st.caption(obstacle)
        elif job.error is not None:
            st.error(job.error)
    if job.busy:
        wait_for(job, say.evaluating(kind))
    elif obstacle is not None:
        poll(JOB_S, lambda: None, lambda: why_not(lab.experiment) != obstacle)
    if job.result is None:
        if not job.busy:
            st.caption(say.TESTS)
            rows = [
                f"| {row['test']} | {row['what it measures']} |"
                for row in nouns.in_kind(what_is_tested(e), kind)
            ]
            st.markdown("\n".join([say.TABLE_HEAD, "|---|---|", *rows]))
        return
    with files, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        _downloads(e, job.result)
    st.html(nouns.in_kind(audit_page.sheet(job.result.record, job.result.made), kind))


def _request() -> DeletionRequest | None:
    """Let the user state who asked, when, and under which number; return None, with the reason shown, for an unusable text."""
    who, when, number = st.columns(3, gap="small")
    texts = (
        who.text_input(
            say.REQUESTER, max_chars=LONGEST, key="audit-requester", placeholder=say.REQUESTER_HINT
        ),
        when.text_input(say.RECEIVED, max_chars=LONGEST, key="audit-received", placeholder=say.RECEIVED_HINT),
        number.text_input(
            say.REFERENCE_NUMBER,
            max_chars=LONGEST,
            key="audit-number",
            placeholder=say.REFERENCE_HINT,
        ),
    )
    try:
        return DeletionRequest(*(text.strip() for text in texts))
    except RequestError as error:
        st.error(str(error))
        return None


def _main_button(lab: Lab, request: DeletionRequest | None, obstacle: str | None) -> None:
    """Offer what comes next: to play the run, or to draw up its record."""
    job, e = lab.audit_job, lab.experiment
    if e.run is not None and e.run.phase not in (Phase.DONE, Phase.RUNNING):
        if st.button(say.PLAY, type="primary", key="audit-play", width="stretch"):
            try:
                e.play()
            except LabError as error:
                st.error(str(error))
            else:
                st.rerun()
        return
    pressed = st.button(
        say.DRAW_UP,
        type="primary",
        disabled=obstacle is not None or job.busy or request is None,
        help=obstacle,
        key="audit-make",
        width="stretch",
    )
    if pressed and request is not None:
        job.draw_up(e, request)
        st.rerun()


def _downloads(e: Experiment, found: DatedRecord) -> None:
    record, made, kind = found.record, found.made, nouns.kind_of(e.dataset)
    name = f"record-{e.setup.dataset}-{made:%Y%m%d-%H%M}"
    st.download_button(
        say.PAGE,
        nouns.in_kind(audit_page.document(record, made), kind),
        f"{name}.html",
        "text/html",
        on_click="ignore",
    )
    st.download_button(
        "JSON",
        json.dumps(nouns.in_kind(record.as_dict(), kind), indent=1),
        f"{name}.json",
        "application/json",
        on_click="ignore",
    )
    if e.split is not None:
        ids = "\n".join(map(str, sorted(e.split.train.ids[e.split.forget_rows].tolist())))
        st.download_button(say.IDS, ids + "\n", f"{name}-ids.txt", "text/plain", on_click="ignore")


if __name__ == "__main__":
    page(resources.lab())
