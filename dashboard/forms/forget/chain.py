"""Requests one after another in the Lab: the form of the next one, the strip of all, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
import torch

from core.data.images import Clients, Dataset
from core.runs.records import Phase
from core.runs.storage import ChainLink
from dashboard.forms.forget.selection import subject_label
from dashboard.forms.lazy_popover import lazy_popover
from dashboard.presentation.charts.chain import CHAIN_CHART, chain_chart, chain_rows, chain_summary
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.pages.lab import chain as say
from dashboard.presentation.text.pages.lab import clients as owners_text
from dashboard.session import tab_state
from dashboard.session.chain import NextRequest
from dashboard.session.lab import Lab
from dashboard.session.polling import wait_for

CLASSES, SHARE, SUBJECTS, CLIENT = "classes", "share", "subjects", "client"  # kinds of a request
PICKED, SET = "picked", "set"
PROBLEM = "forget-more-problem"


def forget_more(lab: Lab) -> None:
    """Show the button that opens the form of the next request, once the run is finished."""
    e = lab.experiment
    if e.run is None or e.driven.phase is not Phase.DONE:
        return
    box, wanted = lazy_popover(
        say.FORGET_MORE,
        help=say.FORGET_MORE_HELP,
        key=f"forget-more-{lab.token}",
        disabled=lab.chain.why_not is not None,
    )
    rest = lab.chain.rest
    if wanted and rest is not None:
        with box:
            _form(lab, rest)


def example(lab: Lab) -> None:
    """Show the button that plays the example, a subject's deletion in ten requests, and opens it once it is there."""
    chain = lab.chain
    if chain.example.busy:
        p = chain.example.progress
        wait_for(
            chain.example, say.PLAYING_EXAMPLE if p is None else say.playing_example(p.done + 1, p.total)
        )
    elif chain.example.result is not None:
        problem = chain.open_example()
        if problem is None:
            st.rerun()
        st.error(problem)
    elif st.button(
        say.EXAMPLE,
        key=f"chain-example-{lab.token}",
        disabled=lab.browser is None,
        help=say.EXAMPLE_HELP,
        width="stretch",
    ):
        chain.begin_example()
        st.rerun()
    if chain.example.error:
        st.error(chain.example.error)


def _form(lab: Lab, rest: Dataset) -> None:
    st.caption(say.remaining(len(rest.train), rest.kind))
    picked = _remaining(rest, lab.picked.now)
    chosen = _remaining(rest, lab.forget_set.now)
    kinds = [
        CLASSES,
        SHARE,
        *([SUBJECTS] if rest.subjects else []),
        *([CLIENT] if rest.clients else []),
        PICKED,
        SET,
    ]
    titles = say.titles(rest.kind)
    counts = {PICKED: len(picked), SET: len(chosen)}
    kind = st.radio(
        say.NEXT_REQUEST,
        kinds,
        format_func=lambda k: f"{titles[k]} ({counts[k]:,})" if k in counts else titles[k],
        captions=[say.NOTES.get(k, "") for k in kinds],
        key=f"more-kind-{lab.token}",
    )
    request: NextRequest
    if kind in (CLASSES, SHARE):
        request = _of_classes(lab, rest, whole=kind == CLASSES)
    elif kind == SUBJECTS:
        request = NextRequest("indices", ids=_of_subjects(lab, rest))
    elif kind == CLIENT and rest.clients is not None:
        request = NextRequest("indices", client=_client(lab, rest.clients, rest.kind))
    else:
        request = NextRequest("indices", ids=picked if kind == PICKED else chosen)
    if st.button(say.FORGET_NEXT, key=f"more-go-{lab.token}", type="primary", width="stretch"):
        with st.spinner(say.READING):
            problem = lab.chain.forget_more(request)
        if problem is None:
            st.rerun()
        tab_state.remember(PROBLEM, problem)
    problem = tab_state.recall_and_forget(PROBLEM)
    if problem:
        st.error(problem)


def _of_classes(lab: Lab, rest: Dataset, *, whole: bool) -> NextRequest:
    names = list(rest.classes)
    left = sorted(set(rest.train.y.tolist()))
    classes = st.pills(
        say.CLASSES_LEFT,
        [names[c] for c in left],
        selection_mode="multi",
        default=[names[left[0]]],
        key=f"more-classes-{lab.token}",
    )
    numbers = tuple(names.index(c) for c in classes)
    if whole:
        return NextRequest("class", numbers)
    share = st.slider(say.SHARE_OF_EACH, 1, 99, 20, key=f"more-share-{lab.token}")
    return NextRequest("data", numbers, share / 100)


def _of_subjects(lab: Lab, rest: Dataset) -> tuple[int, ...]:
    """Show the choice of subjects, and return the ids of their images that remain."""
    names = st.multiselect(
        say.subjects_left(rest.kind),
        [s for s in range(len(rest.subjects)) if rest.counts_of(s)[0]],
        format_func=lambda s: subject_label(rest, s),
        key=f"more-subjects-{lab.token}",
    )
    return subject_ids(rest, names)


def _client(lab: Lab, clients: Clients, kind: str) -> int:
    """Show the choice among the clients who remain, and return the number of one."""
    sizes = clients.sizes()
    return int(
        st.selectbox(
            say.CLIENTS_LEFT,
            [k for k, size in enumerate(sizes) if size],
            format_func=lambda k: owners_text.client(k, sizes[k], kind),
            key=f"more-client-{lab.token}",
        )
    )


def subject_ids(rest: Dataset, subjects: Sequence[int]) -> tuple[int, ...]:
    """Return the ids of the training images that show ``subjects``, indices of ``rest.subjects``."""
    if rest.subject_of is None:
        return ()
    mask = torch.isin(rest.subject_of, torch.tensor(list(subjects), dtype=torch.int64))
    return tuple(int(i) for i in rest.train.ids[mask])


def _remaining(rest: Dataset, ids: Any) -> tuple[int, ...]:
    """Return those of ``ids`` that remain."""
    known = np.asarray(list(ids), dtype=np.int64)
    return tuple(int(i) for i in known[np.isin(known, rest.train.ids.cpu().numpy())])


def strip(lab: Lab) -> None:
    """Show the requests of the chain as buttons, each with its verdict; one that is pressed opens its request."""
    links = lab.chain.links
    if not links:
        return
    here = lab.chain.open_run
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="chain"):
        st.html(f"<span class='fact'>{say.REQUESTS}</span>")
        for link in links:
            _link(lab, link, is_open=link.run == here)
        if here is None:
            st.button(
                say.not_begun(lab.chain.number), key=f"link-new-{lab.token}", type="primary", disabled=True
            )
        box, wanted = lazy_popover(say.ALL_REQUESTS, help=say.ALL_REQUESTS_HELP, key=f"chain-all-{lab.token}")
    if wanted:
        with box:
            _all(lab, links)


def _link(lab: Lab, link: ChainLink, *, is_open: bool) -> None:
    found = None if link.verdict is None else link.verdict["success"]
    sign = {True: "✓", False: "✗", None: "…"}[found]
    st.button(
        f"{link.number} · {link.forget} {sign}",
        key=f"link-{link.number}-{lab.token}",
        type="primary" if is_open else "secondary",
        disabled=link.phase is None,
        help=_told(link, nouns.kind_of(lab.experiment.dataset)),
        on_click=_go,
        args=(lab, link.run, is_open),
    )


def _told(link: ChainLink, kind: str) -> str:
    if link.phase is None:
        return say.DELETED_OR_PURGED
    if link.verdict is not None:
        return str(nouns.in_kind(link.verdict["text"], kind))
    return say.NO_VERDICT if link.phase is Phase.DONE else say.run_is(link.phase)


def _go(lab: Lab, run: str, is_open: bool) -> None:
    problem = None if is_open else lab.chain.go(run)
    if problem is not None:
        st.toast(problem, icon="⚠️")


def _all(lab: Lab, links: list[ChainLink]) -> None:
    """Show the figures after each request as a chart and a table, with the run that forgets all at once."""
    job = lab.chain.job
    at_once = job.result if links[-1].run == lab.run_id else None
    st.plotly_chart(chain_chart(links), key=f"chain-chart-{lab.token}", config={"displayModeBar": False})
    st.caption(nouns.in_kind(CHAIN_CHART, nouns.kind_of(lab.experiment.dataset)))
    if told := chain_summary(links):
        st.markdown(told)
    st.dataframe(chain_rows(links, at_once), hide_index=True, key=f"chain-table-{lab.token}")
    e = lab.experiment
    ready = e.verdict is not None and e.setup.earlier and links[-1].run == lab.run_id
    if job.busy:
        wait_for(job, say.FORGETTING_AT_ONCE)
    elif ready and at_once is None and st.button(say.COMPARE_AT_ONCE, key=f"chain-once-{lab.token}"):
        job.begin(e)
        st.rerun()
    if job.error:
        st.error(job.error)
