"""The page Lab: a model forgets, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import LabError
from dashboard.components.feed import line, picks_feed
from dashboard.components.forgotten_examples import forgotten_examples
from dashboard.components.map_view import map_view
from dashboard.components.readouts import readouts
from dashboard.components.timeline import timeline
from dashboard.forms import dataset_upload, setup, transport
from dashboard.forms.forget import chain
from dashboard.forms.story import story_line
from dashboard.presentation.text.pages.lab import page as say
from dashboard.presentation.text.readouts.status_text import as_text
from dashboard.server.frame_socket import words
from dashboard.session import resources, tab_state
from dashboard.session.lab import Lab

STAGE_HEIGHT = 640  # px; what a window of 900 px leaves below header, story, setup and transport
EXAMPLES_HEIGHT = 62  # px, of the images beneath the map
GAP = 10  # px, between the map and those images


def picked(lab: Lab, value: dict[str, Any]) -> None:
    """Apply what a lasso picked, and the button that was pressed with it."""
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
    """Continue or fork from the shown step, or drop the fork."""
    e, step = lab.experiment, int(value.get("step") or 0)
    if value.get("life") != e.life:
        return  # the button belongs to an earlier life of the run
    moves = {"continue": lambda: e.rewind(step), "fork": lambda: e.fork(step), "drop": e.drop_fork}
    try:
        moves[value["act"]]()
    except LabError as error:
        st.toast(str(error), icon="⚠️")
    else:
        st.rerun()


def split_by_layer(lab: Lab) -> None:
    """Measure the gradients by layer at the shown step, or say why that is not possible."""
    try:
        lab.experiment.by_layer()
    except LabError as error:
        st.toast(str(error), icon="⚠️")


def balance_of_all(lab: Lab) -> None:
    """Send the losses of all requests of the chain to the read-outs."""
    lab.chain.show_balance()
    st.rerun()


def offer(lab: Lab) -> None:
    """Say what the address could not open, and offer to continue this browser's last run."""
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
        st.markdown(say.continue_where(found.title, found.steps, found.total_steps))
        if st.button(say.CONTINUE, key="offer-yes"):
            problem = lab.take_up(found.id)
            if problem is None:
                st.rerun()
            st.toast(problem, icon="⚠️")
        if st.button(say.NOT_NOW, key="offer-no"):
            lab.declined = True
            st.rerun()


def page(lab: Lab) -> None:
    """Draw the page Lab."""
    offer(lab)
    if lab.not_kept is not None:
        st.warning(say.not_kept(lab.not_kept))
    tab_state.write_address(lab.address())
    story_line(lab)
    setup.setup_bar(lab)
    chain.strip(lab)
    buttons, line = st.columns([5.2, 7.2], gap="small", vertical_alignment="center")
    with buttons:
        transport.transport(lab)
    with line:
        timeline("timeline", lab.token, on_travel=lambda value: travelled(lab, value))
    stage(lab, [2, 1.08], examples=True)
    follow(lab)


def stage(lab: Lab, widths: Sequence[float], *, examples: bool = False) -> None:
    """Draw the map and the read-outs side by side, with these relative widths; with ``examples``, images to forget beneath the map."""
    left, right = st.columns(widths, gap="small")
    with left:
        map_view(
            "map_view",
            lab.scene(),
            height=STAGE_HEIGHT - (EXAMPLES_HEIGHT + GAP if examples else 0),
            on_pick=lambda value: picked(lab, value),
            on_mode=lambda m: setattr(lab, "mode", m),
        )
        if examples:
            forgotten_examples("forgotten-examples", lab.token, height=EXAMPLES_HEIGHT)
    picks_feed("picks", lab.picked.packet(lab.token, lab.map_ids, tell_operation=False))
    with right:
        readouts(
            "readouts",
            lab.token,
            height=STAGE_HEIGHT,
            on_layers=lambda: split_by_layer(lab),
            on_requests=lambda: balance_of_all(lab),
            chain=bool(lab.chain.links),
            requests=lab.chain.balance,
        )


def follow(lab: Lab) -> None:
    """Connect the page to its run: frames arrive on the connection, and the page is drawn again when a button or its layout changes."""
    if lab.listens:
        lab.listens = line("line", lab.token, words(lab.news.pulse()), hold=dataset_upload.is_open())
    if lab.wake is not None:
        lab.wake()  # the effect of a click shows at once
    if not lab.listens:
        st.error(say.NO_CONNECTION)


if __name__ == "__main__":
    page(resources.lab())
