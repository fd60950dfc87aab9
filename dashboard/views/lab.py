"""The front page: watch a model forget, one step at a time."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import cache, controls, imports
from dashboard.feed import feed, picks_feed
from dashboard.readouts import readouts
from dashboard.state import Lab
from dashboard.theatre import theatre
from dashboard.timeline import timeline

FAST_S = 0.1  # while frames come
CALM_S = 0.5  # while only progress does
SLOW_S = 2.0  # where nothing happens: heals a last message that was lost, and costs nothing
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


def page(lab: Lab) -> None:
    controls.setup_bar(lab)
    buttons, line = st.columns([5, 7.4], gap="small", vertical_alignment="center")
    with buttons:
        controls.transport(lab)
    with line:
        timeline("timeline", lab.token)
    stage, side = st.columns([2, 1.08], gap="small")
    with stage:
        theatre(
            "theatre",
            lab.scene(),
            height=STAGE_HEIGHT,
            on_pick=lambda value: picked(lab, value),
            on_mode=lambda m: setattr(lab, "mode", m),
        )
    picks_feed("picks", lab.picked.packet(lab.token, lab.map_ids, tell_operation=False))
    with side:
        readouts("readouts", lab.token, height=STAGE_HEIGHT)
    pulse = lab.pulse()
    every = None if imports.is_open() else _every(lab)

    @st.fragment(run_every=every)
    def poll() -> None:
        if lab.mode == "follow":
            lab.experiment.want_follow()
        packet = lab.outbox.packet(lab.experiment, lab.token)
        with st.container(key="feed-frame"):
            feed("feed", packet, on_lack=lab.outbox.rewind)
        if lab.pulse() != pulse:
            st.rerun()

    poll()


def _every(lab: Lab) -> float:
    """Seconds between two polls."""
    if not lab.busy:
        return SLOW_S
    return CALM_S if lab.is_preparing else FAST_S


if __name__ == "__main__":
    page(cache.lab())
