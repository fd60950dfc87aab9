"""The live scatter of representations: 2,000 points that move from frame to frame in the browser."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_component = st.components.v2.component("laf-lab.theatre", js="main.js", css="theatre.css")


def theatre(key: str, scene: bytes, *, height: int, on_mode: Callable[[str], None]) -> None:
    """Mount outside of the polled fragment.

    `scene` is a packet of docs/wire.md; with `n` = 0 it only names the run, and the theatre shows the status's sentence.
    `on_mode` gets "fixed" or "follow" when somebody chooses a map, before the rerun.
    """

    def answer() -> None:
        state = st.session_state.get(key)
        mode = state.get("mode") if state else None
        if mode:
            on_mode(mode)

    _component(key=key, data=scene, height=height, on_mode_change=answer)
