"""The front page: watch a model forget, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import LabError
from dashboard.components.feed import feed, line, picks_feed
from dashboard.components.map_view import map_view
from dashboard.components.readouts import readouts
from dashboard.components.timeline import timeline
from dashboard.forms import dataset_upload, setup, transport
from dashboard.presentation.text.status_text import as_text
from dashboard.server.frame_socket import PUSH, words
from dashboard.session import lab as state
from dashboard.session import resources
from dashboard.session.lab import Lab

STAGE_HEIGHT = 672  # what 900 px leave below header, setup and transport


def picked(lab: Lab, value: dict[str, Any]) -> None:
    """What a lasso took up, and what is to happen with it."""
    act = lab.picked.take(value, lab.map_ids)
    if act == "forget":
        problem = lab.forget_these(lab.picked.now)
        if problem is None:
            st.rerun()
        st.toast(problem, icon="⚠️")
    elif act == "add":
        lab.forget_set.do("add", lab.picked.now)
        lab.picked.do("replace", ())
        st.switch_page("views/forget.py")


def travelled(lab: Lab, value: dict[str, Any]) -> None:
    """Somebody goes on, or forks, from the step that is shown; or is done with the fork."""
    e, step = lab.experiment, int(value.get("step") or 0)
    if value.get("life") != e.life:
        return  # a button of a life that is over
    moves = {"continue": lambda: e.rewind(step), "fork": lambda: e.fork(step), "drop": e.drop_fork}
    try:
        moves[value["act"]]()
    except LabError as error:
        st.toast(str(error), icon="⚠️")
    else:
        st.rerun()


def split_by_layer(lab: Lab) -> None:
    try:
        lab.experiment.by_layer()
    except LabError as error:
        st.toast(str(error), icon="⚠️")


def offer(lab: Lab) -> None:
    """What an address could not open; and the run where this browser was, after a reload or a restart."""
    if lab.notice is not None:
        st.toast(as_text(lab.notice), icon="⚠️")
        lab.notice = None
    error = lab.experiment.take_up_error
    if error is not None:
        st.toast(str(error), icon="⚠️")
        lab.experiment.take_up_error = None
    found = lab.offer()
    if found is None:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="offer"):
        st.markdown(
            f"Continue where you were? **{found.title}**, step {found.steps:,} of {found.total_steps:,}"
        )
        if st.button("Continue", key="offer-yes"):
            problem = lab.take_up(found.id)
            if problem is None:
                st.rerun()
            st.toast(problem, icon="⚠️")
        if st.button("Not now", key="offer-no"):
            lab.declined = True
            st.rerun()


def page(lab: Lab) -> None:
    offer(lab)
    if lab.not_kept is not None:
        st.warning(f"This run plays on, but is not kept: {lab.not_kept}")
    state.write_address(lab.address())
    setup.setup_bar(lab)
    buttons, line = st.columns([5, 7.4], gap="small", vertical_alignment="center")
    with buttons:
        transport.transport(lab)
    with line:
        timeline("timeline", lab.token, on_travel=lambda value: travelled(lab, value))
    stage(lab, [2, 1.08])
    follow(lab)


def stage(lab: Lab, widths: Sequence[float]) -> None:
    """The map and the read-outs, side by side at these relative widths."""
    left, right = st.columns(widths, gap="small")
    with left:
        map_view(
            "map_view",
            lab.scene(),
            height=STAGE_HEIGHT,
            on_pick=lambda value: picked(lab, value),
            on_mode=lambda m: setattr(lab, "mode", m),
        )
    picks_feed("picks", lab.picked.packet(lab.token, lab.map_ids, tell_operation=False))
    with right:
        readouts("readouts", lab.token, height=STAGE_HEIGHT, on_layers=lambda: split_by_layer(lab))


def follow(lab: Lab) -> None:
    """Send the browser what is new, again and again; draw the page anew where a button or the stage depends on it."""
    lab.listens = lab.listens and PUSH.serves
    if lab.listens:
        lab.listens = line("line", lab.token, words(lab.pulse()), hold=dataset_upload.is_open())
        if lab.wake is not None:
            lab.wake()  # what was clicked shows without waiting for the next look
    if not lab.listens:
        lab.outbox.is_sure = False
        _poll(lab)


def _poll(lab: Lab) -> None:
    seen = (lab.pulse(), lab.busy, lab.is_preparing, lab.crowd)
    every = None if dataset_upload.is_open() else lab.pause_s

    @st.fragment(run_every=every)
    def poll() -> None:
        if lab.drop_purged():
            st.rerun()
        if lab.mode == "follow":
            lab.experiment.want_follow()
        packet = lab.outbox.packet(lab.experiment, lab.token, lab.crowd)
        with st.container(key="feed-frame"):
            feed("feed", packet, on_lack=lab.outbox.rewind)
        if (lab.pulse(), lab.busy, lab.is_preparing, lab.crowd) != seen:
            st.rerun()

    poll()


if __name__ == "__main__":
    page(resources.lab())
